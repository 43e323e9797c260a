"""Functions as processes: invocations, their ends, and their environment."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from functions import create, invoke, outcome
from waiting import until

PROGRAM = """
def handle(event, context):
    print("handling", event, flush=True)
    match event.get("do"):
        case "raise":
            raise ValueError("refused")
        case "exit":
            os._exit(7)
        case "hang":
            time.sleep(60)
        case "rendezvous":
            # Responds when so many processes have arrived.
            folder = event["folder"]
            open(f"{folder}/{os.getpid()}", "w").close()
            while len(os.listdir(folder)) < event["count"]:
                time.sleep(0.01)
    left = int(context["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
    return {"event": event, "left": left, "pid": os.getpid(), "environment": dict(os.environ)}

if "FAIL" in os.environ:
    print("no configuration", flush=True)
    sys.exit(3)
serve(handle, after=lambda: print("responded", flush=True))
"""


@pytest.fixture(scope="module")
def lambda_(client):
    return client("lambda")


@pytest.fixture(scope="module")
def function(lambda_):
    return create(lambda_, PROGRAM, COLOUR="red")


def test_function_invoked_returns_its_response(lambda_, function):
    assert invoke(lambda_, function, n=1)["event"] == {"n": 1}


def test_function_invoked_again_runs_in_the_same_process(lambda_, function):
    assert invoke(lambda_, function)["pid"] == invoke(lambda_, function)["pid"]


def test_deadline_is_the_timeout_of_the_function(lambda_, function):
    assert 1 < invoke(lambda_, function)["left"] <= 2


def test_environment_has_variables_credentials_and_endpoint(lambda_, function, localstack):
    environment = invoke(lambda_, function)["environment"]
    assert environment["COLOUR"] == "red"
    assert environment["AWS_ENDPOINT_URL"] == localstack.endpoint
    assert environment["AWS_SESSION_TOKEN"]
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == function


def test_environment_has_nothing_of_localstack(lambda_, function):
    environment = invoke(lambda_, function)["environment"]
    assert not {"GATEWAY_LISTEN", "LOCALSTACK_NATIVE_API_PORT"} & environment.keys()


def test_log_has_output_before_and_after_the_response(lambda_, function):
    response = lambda_.invoke(FunctionName=function, Payload=b'{"n": 2}', LogType="Tail")
    log = base64.b64decode(response["LogResult"]).decode().splitlines()
    assert log[0].startswith("START RequestId: ")
    assert log[1:-1] == ["handling {'n': 2}", "responded"]
    assert log[-1].startswith("END RequestId: ")


def test_log_group_configured_receives_the_log(client, lambda_):
    group = "/test/configured"
    function = create(lambda_, PROGRAM)
    logs = client("logs")
    logs.create_log_group(logGroupName=group)
    lambda_.update_function_configuration(FunctionName=function, LoggingConfig={"LogGroup": group})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    invoke(lambda_, function, n=3)
    events = until(lambda: logs.filter_log_events(logGroupName=group)["events"])
    assert "handling {'n': 3}\n" in [event["message"] for event in events]


def test_function_error_is_returned_as_unhandled(lambda_, function):
    before = invoke(lambda_, function)["pid"]
    error, payload = outcome(lambda_, function, do="raise")
    assert (error, payload) == ("Unhandled", {"errorType": "ValueError", "errorMessage": "refused"})
    assert invoke(lambda_, function)["pid"] == before


def test_timeout_ends_the_process(lambda_, function):
    before = invoke(lambda_, function)["pid"]
    error, payload = outcome(lambda_, function, do="hang")
    assert (error, payload["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert payload["errorMessage"].endswith("Task timed out after 2.00 seconds")
    assert invoke(lambda_, function)["pid"] != before


def test_process_exit_is_an_error_of_the_invocation(lambda_, function):
    error, payload = outcome(lambda_, function, do="exit")
    assert error == "Unhandled"
    assert payload == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "Runtime exited with error: exit status 7",
    }
    assert invoke(lambda_, function, n=4)["event"] == {"n": 4}


def test_failed_start_is_an_error_of_the_invocation(lambda_, localstack):
    error, payload = outcome(lambda_, create(lambda_, PROGRAM, FAIL="1"))
    assert (error, payload["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert payload["errorMessage"] == "Runtime exited with error: exit status 3"
    assert "no configuration\n" in localstack.output


def test_twenty_invocations_at_once_run_in_twenty_processes(lambda_, tmp_path):
    function = create(lambda_, PROGRAM, timeout=60)

    def one(n):
        return invoke(lambda_, function, do="rendezvous", folder=str(tmp_path), count=20, n=n)

    with ThreadPoolExecutor(20) as pool:
        responses = list(pool.map(one, range(20)))
    assert [response["event"]["n"] for response in responses] == list(range(20))
    assert len({response["pid"] for response in responses}) == 20


def test_changed_variable_reaches_a_new_process(lambda_):
    function = create(lambda_, PROGRAM, COLOUR="red")
    before = invoke(lambda_, function)
    lambda_.update_function_configuration(FunctionName=function, Environment={"Variables": {"COLOUR": "blue"}})
    lambda_.get_waiter("function_updated_v2").wait(FunctionName=function)
    after = invoke(lambda_, function)
    assert after["environment"]["COLOUR"] == "blue"
    assert after["pid"] != before["pid"]


def test_asynchronous_invocation_runs_the_function(lambda_, function, tmp_path):
    event = {"do": "rendezvous", "folder": str(tmp_path), "count": 1}
    lambda_.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())
    # The second of two: it returns when both have run.
    invoke(lambda_, function, do="rendezvous", folder=str(tmp_path), count=2)
