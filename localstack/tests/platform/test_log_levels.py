"""What operations read reaches CloudWatch at every LogLevel: access log lines with their metrics, and errors."""

import time

import pytest
from support.log_filter import is_delivered, level_of, record_of
from support.problems import problem
from support.template import FUNCTIONS, TEMPLATE, logging_config
from support.users import unique_email
from support.waiting import wait_until

LEVELS = TEMPLATE["Parameters"]["LogLevel"]["AllowedValues"]
FUNCTION = "SigninFunction"
# The engine's clock may be slightly behind this one.
CLOCK_SKEW_MILLISECONDS = 5_000


@pytest.fixture(scope="module", params=LEVELS)
def requests_at(request, stack, anonymous):
    """A level, and a rejected and a failed request at that level, as request id -> lines of the log."""
    level, variables = request.param, stack.environment(FUNCTION)
    since = int(time.time() * 1000) - CLOCK_SKEW_MILLISECONDS
    try:
        # Its role does not permit this table, so each request to it fails.
        stack.set_environment(FUNCTION, variables | {"LOG_LEVEL": level, "ACCOUNT_TABLE": "absent"})
        rejected = anonymous.post("/auth/signin", {"email": unique_email()})
        failed = anonymous.post("/auth/signin", {"email": unique_email(), "password": "a long password"})
    finally:
        stack.set_environment(FUNCTION, variables)
    problem(rejected, 400, "invalid_request")
    problem(failed, 500, "internal")
    return level, *(lines_of(stack, response, since) for response in (rejected, failed))


def lines_of(stack, response, since):
    """The lines of the function that name the request of a response. Lambda's own lines have no `message`."""
    request_id = response.headers["Request-Id"]

    def logged():
        pages = stack.client("logs").get_paginator("filter_log_events")
        group = stack.configuration(FUNCTION)["LoggingConfig"]["LogGroup"]
        lines = [
            line
            for page in pages.paginate(logGroupName=group, startTime=since)
            for event in page["events"]
            for line in event["message"].splitlines()
            if request_id in line and "message" in record_of(line)
        ]
        return lines if any(is_access(line) for line in lines) else None

    return wait_until(logged)


def is_access(line):
    return record_of(line).get("message") == "request"


def delivered(lines, level):
    """The lines that Lambda delivers if the stack's LogLevel is `level`."""
    return [
        line for line in lines if is_delivered(line, logging_config(FUNCTION, LogLevel=level)["ApplicationLogLevel"])
    ]


def test_filter_reads_levels_as_documented():
    at = '"timestamp": "2024-11-02T16:51:31.587199Z"'
    assert level_of(f'{{"level": "debug", "msg": "my debug log", {at}}}') == "DEBUG"
    assert level_of('{"level": "error"}') == "INFO", "without a timestamp"
    assert level_of(f'{{"level": "loud", {at}}}') == "INFO"
    assert level_of("thread 'main' panicked at src/main.rs") == "INFO"
    assert [is_delivered(f'{{"level": "INFO", {at}}}', level) for level in ("DEBUG", "INFO", "WARN")] == [
        True,
        True,
        False,
    ]


def test_access_log_and_metrics_are_delivered_at_every_level(requests_at):
    level, *requests = requests_at
    for lines, metrics in zip(requests, ({"Refused": 1, "Failed": 0}, {"Refused": 0, "Failed": 1}), strict=True):
        (access,) = map(record_of, filter(is_access, delivered(lines, level)))
        assert access["route"] == "POST /auth/signin"
        (declared,) = access["_aws"]["CloudWatchMetrics"]
        names = [metric["Name"] for metric in declared["Metrics"]]
        assert {name: access[name] for name in names} == metrics | {"Duration": access["Duration"]}


def test_errors_with_their_request_are_delivered_at_every_level(requests_at):
    level, _rejected, failed = requests_at
    (error,) = (record_of(line) for line in delivered(failed, level) if level_of(line) == "ERROR")
    assert (error["message"], error["code"]) == ("request failed", "internal")
    assert error["span"].keys() >= {"requestId", "correlationId"}


def test_other_lines_are_written_from_their_level_only(requests_at):
    level, rejected, _failed = requests_at
    others = {record_of(line)["message"] for line in rejected if not is_access(line)}
    assert others == ({"request rejected"} if level == "DEBUG" else set())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_line_is_dropped_after_it_was_written(function):
    # The function filters its own lines. A panic has no level, so Lambda would drop it as INFO.
    for level in LEVELS:
        logging = logging_config(function, LogLevel=level)
        assert logging["LogFormat"] == "JSON"
        assert is_delivered('{"level": "TRACE", "timestamp": "2024-11-02T16:51:31Z"}', logging["ApplicationLogLevel"])
        # The reports of invocations: duration, memory and time of the start.
        assert logging["SystemLogLevel"] == "INFO"
