"""Payload format 2.0: the event for a request, and the HTTP response for a result."""

import base64
import json

import pytest
from rolo import Request

from localstack_native.http_api.payload import event, response
from localstack_native.http_api.routes import Route

ROUTE = Route("POST", "/users/{id}", "arn:aws:lambda:us-east-1:000000000000:function:user")


def event_of(raw_path="/users/7", variables=None, **request):
    headers = request.pop("headers", {})
    sent = Request("POST", raw_path, headers={"Host": "localhost:4567"} | headers, **request)
    return event(sent, "api", ROUTE, raw_path, variables or {})


def respond(**result):
    return response(json.dumps(result).encode())


def test_event_names_route_and_request():
    built = event_of(variables={"id": "7"}, remote_addr="127.0.0.1", headers={"User-Agent": "test"})
    assert built["version"] == "2.0"
    assert built["routeKey"] == "POST /users/{id}"
    assert built["pathParameters"] == {"id": "7"}
    context = built["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == ("000000000000", "api", "$default")
    assert (context["domainName"], context["domainPrefix"]) == ("localhost:4567", "localhost:4567")
    assert context["http"] == {
        "method": "POST",
        "path": "/users/7",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "test",
    }


def test_event_of_a_plain_request_leaves_out_empty_members():
    absent = {"body", "cookies", "pathParameters", "queryStringParameters"}
    assert not absent & event_of().keys()


def test_event_has_headers_in_lower_case_joined_by_comma():
    headers = {"Host": "localhost", "X-One": ["a", "b"]}
    built = event(Request("POST", "/", headers=headers), "api", ROUTE, "/", {})
    assert built["headers"]["x-one"] == "a,b"


def test_event_has_cookies_apart_from_headers():
    built = event_of(headers={"Cookie": "a=1; b=2"})
    assert built["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in built["headers"]


def test_event_has_decoded_query_parameters_joined_by_comma():
    built = event_of(query_string="a=1&a=2&b=x%20y&c=x+y&d")
    assert built["rawQueryString"] == "a=1&a=2&b=x%20y&c=x+y&d"
    assert built["queryStringParameters"] == {"a": "1,2", "b": "x y", "c": "x y", "d": ""}


def test_event_path_is_decoded_except_slashes():
    assert event_of("/users/a%20b%2fc")["rawPath"] == "/users/a b%2Fc"


@pytest.mark.parametrize("content_type", ["application/json", "application/problem+json; charset=utf-8", "text/plain"])
def test_event_body_of_a_text_type_is_text(content_type):
    built = event_of(body='{"é": 1}'.encode(), headers={"Content-Type": content_type})
    assert (built["body"], built["isBase64Encoded"]) == ('{"é": 1}', False)


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/x-www-form-urlencoded", "image/png"])
def test_event_body_of_another_type_is_base64(content_type):
    built = event_of(body=b"a=1", headers={"Content-Type": content_type})
    assert (base64.b64decode(built["body"]), built["isBase64Encoded"]) == (b"a=1", True)


def test_event_body_that_is_not_utf_8_is_base64():
    built = event_of(body=b"\xff", headers={"Content-Type": "application/json"})
    assert (base64.b64decode(built["body"]), built["isBase64Encoded"]) == (b"\xff", True)


def test_response_has_status_headers_cookies_and_body():
    built = respond(statusCode=201, headers={"X-One": "a"}, cookies=["a=1", "b=2; Path=/"], body="made")
    assert (built.status_code, built.get_data()) == (201, b"made")
    assert built.headers["x-one"] == "a"
    assert built.headers.getlist("Set-Cookie") == ["a=1", "b=2; Path=/"]


def test_response_without_content_type_is_plain_text():
    assert respond(statusCode=200, body="made").headers["Content-Type"] == "text/plain;charset=utf-8"


def test_response_in_base64_is_decoded():
    built = respond(statusCode=200, isBase64Encoded=True, body=base64.b64encode(b"\xff").decode())
    assert built.get_data() == b"\xff"


def test_result_without_status_code_is_the_body():
    built = respond(made=True)
    assert (built.status_code, json.loads(built.get_data())) == (200, {"made": True})
    assert built.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"not JSON", id="not JSON"),
        pytest.param(b'{"statusCode": "many"}', id="status"),
        pytest.param(b'{"statusCode": 200, "isBase64Encoded": true, "body": "?"}', id="base64"),
    ],
)
def test_malformed_result_is_an_internal_error(payload):
    built = response(payload)
    assert (built.status_code, json.loads(built.get_data())) == (500, {"message": "Internal Server Error"})
