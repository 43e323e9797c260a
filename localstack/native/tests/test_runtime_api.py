"""The Runtime API at the level of HTTP, without a function's process."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from localstack_native.lambda_.runtime_api import InitializationError, Invocation, RuntimeApi

PATH = "/2018-06-01/runtime"


@pytest.fixture
def api():
    api = RuntimeApi()
    yield api
    api.close(b"closed")


def request(api, method, path, body=None, headers=None, **options):
    connection = http.client.HTTPConnection(api.address, timeout=10)
    connection.request(method, PATH + path, body, headers or {}, **options)
    response = connection.getresponse()
    return response.status, response.read(), response.headers


def invocation(request_id="one"):
    return Invocation(request_id, '{"n": 1}', "arn:of:function", "Root=trace", 2)


def test_next_invocation_has_event_and_headers(api):
    api.invoke(invocation())
    status, body, headers = request(api, "GET", "/invocation/next")
    assert (status, body) == (200, b'{"n": 1}')
    assert headers["Lambda-Runtime-Aws-Request-Id"] == "one"
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == "arn:of:function"
    assert headers["Lambda-Runtime-Trace-Id"] == "Root=trace"


def test_first_request_for_an_event_completes_initialization(api):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(request, api, "GET", "/invocation/next")
        assert api.initialized.result(10) is None
        api.close(b"closed")


def test_response_is_the_result_of_the_invocation(api):
    current = invocation()
    api.invoke(current)
    request(api, "GET", "/invocation/next")
    assert request(api, "POST", "/invocation/one/response", b"done")[0] == 202
    assert current.result.result(0) == (b"done", False)


def test_chunked_response_is_read_to_its_end(api):
    current = invocation()
    api.invoke(current)
    request(api, "GET", "/invocation/next")
    chunks = iter([b"do", b"ne"])
    assert request(api, "POST", "/invocation/one/response", chunks, encode_chunked=True)[0] == 202
    assert current.result.result(0) == (b"done", False)


def test_error_is_a_failed_result(api):
    current = invocation()
    api.invoke(current)
    request(api, "GET", "/invocation/next")
    assert request(api, "POST", "/invocation/one/error", b"{}")[0] == 202
    assert current.result.result(0) == (b"{}", True)


def test_response_for_another_invocation_is_rejected(api):
    current = invocation()
    api.invoke(current)
    request(api, "GET", "/invocation/next")
    status, body, _ = request(api, "POST", "/invocation/other/response", b"done")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
    assert not current.result.done()


def test_init_error_fails_initialization(api):
    assert request(api, "POST", "/init/error", b"reason")[0] == 202
    with pytest.raises(InitializationError, match="reason"):
        api.initialized.result(0)


def test_closed_api_fails_the_current_invocation(api):
    current = invocation()
    api.invoke(current)
    request(api, "GET", "/invocation/next")
    api.close(b"exited")
    assert current.result.result(0) == (b"exited", True)


def test_closed_api_fails_a_later_invocation(api):
    api.close(b"exited")
    late = invocation()
    api.invoke(late)
    assert late.result.result(0) == (b"exited", True)


def test_closed_api_ends_the_request_for_an_event(api):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(request, api, "GET", "/invocation/next")
        api.initialized.result(10)
        api.close(b"exited")
        assert waiting.result(10)[0] == 410
