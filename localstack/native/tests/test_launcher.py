"""The start and the end of LocalStack: addresses, environment and processes."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests
from functions import create, invoke
from running import LocalStack, free_ports

from localstack_native import loopback
from localstack_native.__main__ import environment, parse

ENVIRONMENT = "serve(lambda event, context: dict(os.environ))"


def launch(dynoxided, *arguments):
    """Run the launcher to its end. Returns the exit status and the output."""
    command = [sys.executable, "-m", "localstack_native", "--dynoxided", dynoxided, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_ports_are_open_on_loopback_only(localstack):
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in (psutil.Process(localstack.process.pid), *psutil.Process(localstack.process.pid).children(True))
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    assert {localstack.port, localstack.api_port} <= {port for _, port in listening}


def test_server_on_every_interface_is_refused(dynoxided, tmp_path):
    # LocalStack's own server does not heed the host of GATEWAY_LISTEN.
    with LocalStack(dynoxided, tmp_path, "--set", "GATEWAY_SERVER=twisted") as running:
        assert running.wait_until_exit() == 1
        [message] = [line for line in running.output if line.startswith("ERROR: ")]
        assert f"LocalStack listens on 0.0.0.0:{running.port}, where other machines can reach it" in message
        assert "Ready.\n" not in running.output


def test_listener_on_another_interface_is_found():
    with socket.create_server(("0.0.0.0", 0)) as exposed, socket.create_server(("127.0.0.1", 0)):
        assert loopback.exposed_addresses() == [f"0.0.0.0:{exposed.getsockname()[1]}"]
    assert loopback.exposed_addresses() == []


def test_environment_of_the_user_does_not_reach_localstack(monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PERSISTENCE", "1")
    ports = map(str, free_ports(2))
    options = parse(["--port", next(ports), "--api-port", next(ports), "--dynoxided", sys.executable])
    built = environment(options)
    assert not [name for name in built if name.startswith("AWS_") or name == "PERSISTENCE"]
    assert built["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(("arguments", "enforced"), [([], "1"), (["--no-iam"], "0")])
def test_iam_is_enforced_unless_switched_off(arguments, enforced):
    ports = map(str, free_ports(2))
    options = parse(["--port", next(ports), "--api-port", next(ports), "--dynoxided", sys.executable, *arguments])
    assert environment(options)["LOCALSTACK_NATIVE_ENFORCE_IAM"] == enforced


def test_port_in_use_is_reported(dynoxided, localstack, tmp_path):
    status, output = launch(dynoxided, "--port", str(localstack.port), "--state", tmp_path)
    assert status == 2
    assert f"port {localstack.port} of 127.0.0.1 is in use" in output


def test_missing_dynoxided_is_reported(tmp_path):
    status, output = launch(tmp_path / "missing")
    assert status == 2
    assert "missing is not an executable file" in output


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_localstack_with_its_processes(dynoxided, tmp_path, ending):
    with LocalStack(dynoxided, tmp_path) as running:
        running.wait_until_ready()
        lambda_ = running.client("lambda")
        running.client("dynamodb").list_tables()
        environment = invoke(lambda_, create(lambda_, ENVIRONMENT))
        children = psutil.Process(running.process.pid).children(recursive=True)
        programs = sorted(Path(child.exe()).name for child in children)
        assert programs == sorted([dynoxided.name, Path(sys.executable).resolve().name])
        running.process.send_signal(ending)
        running.wait_until_exit()
        assert psutil.wait_procs(children, timeout=10)[1] == []
    assert environment["TMPDIR"].startswith(str(tmp_path))
    with pytest.raises(requests.ConnectionError):
        requests.get(running.endpoint)
