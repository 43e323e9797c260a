"""`make e2e`: runs the end-to-end tests against a new stack, which is removed afterwards.

ENGINE names the engine that serves the stack. If AWS_ENDPOINT_URL and API_URL are set, the tests run against that
stack, and nothing is started.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import server
from build import build
from console import Failure, echo, main
from deployment import deploy, session
from engines import Engine, chosen_engine
from settings import ROOT, STACK_NAME, Cloud


def pytest(environment: dict[str, str], arguments: list[str]) -> int:
    # In the folder of the tests, so that an argument may be the path of a test file.
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments], cwd=ROOT / "localstack" / "tests", env=environment
    ).returncode


def run(arguments: list[str], engine: Engine) -> int:
    """Run the suite. Returns the exit status of pytest."""
    if "AWS_ENDPOINT_URL" in os.environ and "API_URL" in os.environ:
        return pytest(os.environ | {"STACK_NAME": os.environ.get("STACK_NAME", STACK_NAME)}, arguments)
    template = build()
    with tempfile.TemporaryDirectory(prefix="payment-platform-e2e-") as folder:
        cloud = Cloud(Path(folder), *server.free_ports())
        with server.running(engine, cloud):
            try:
                deploy(engine, cloud, template)
                echo(f"testing {cloud.api_url} on {engine.name}")
                stack = {"STACK_NAME": STACK_NAME, "API_URL": cloud.api_url, "EXPECTED_FAILURES": engine.key}
                status = pytest(cloud.environment() | stack, arguments)
            except Failure:
                show_errors(cloud)
                raise
            if status != 0:
                show_errors(cloud)
    return status


def show_errors(cloud: Cloud, limit: int = 40) -> None:
    """Print the last errors that the functions logged, before the stack is removed."""
    logs = session().client("logs", endpoint_url=cloud.endpoint)
    events = [
        event
        for group in logs.describe_log_groups()["logGroups"]
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
        for event in page["events"]
        if '"level":"ERROR"' in event["message"]
    ]
    echo("Errors logged by the functions:")
    for event in sorted(events, key=lambda event: event["timestamp"])[-limit:]:
        echo(event["message"].rstrip())


if __name__ == "__main__":
    main(lambda: run(sys.argv[1:], chosen_engine()))
