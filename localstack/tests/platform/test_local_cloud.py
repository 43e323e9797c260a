"""The scripts that run the local cloud: what it listens on, and what `sam local` is given."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pidfile
import pytest
import sam_local
import server
from console import Failure
from engines.ministack.api_origin import ApiOrigin
from sam_environment import sam_environment
from settings import Cloud
from support.template import FUNCTIONS, binary

VARIABLES = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "QUEUE_URL": "http://127.0.0.1:4566/000000000000/queue",
    "WEBHOOK_URL": "http://localhost:4567/api/webhooks/provider",
}


class Session:
    """A boto3 session whose functions all have the same variables."""

    def client(self, *_args, **_kwargs):
        return self

    def get_function_configuration(self, **_kwargs):
        return {"Environment": {"Variables": VARIABLES}}


def environment(cloud):
    return json.loads(sam_environment(cloud, Session(), {name: name for name in FUNCTIONS}))


def test_cloud_listens_beyond_loopback_for_containers_only():
    assert Cloud(Path(), 4566, 4567).addresses == ["127.0.0.1"]
    assert Cloud(Path(), 4566, 4567, "172.17.0.1").addresses == ["127.0.0.1", "172.17.0.1"]
    # Docker Desktop forwards this name to the loopback address.
    assert Cloud(Path(), 4566, 4567, "host.docker.internal").addresses == ["127.0.0.1"]


def test_sam_environment_has_the_addresses_in_containers():
    variables = environment(Cloud(Path(), 4566, 4567, "172.17.0.1"))
    assert variables.keys() == FUNCTIONS.keys()
    assert variables["ProviderSimulatorFunction"] == {
        "AWS_ENDPOINT_URL": "http://172.17.0.1:4566",
        "QUEUE_URL": "http://172.17.0.1:4566/000000000000/queue",
        "WEBHOOK_URL": "http://172.17.0.1:4567/api/webhooks/provider",
    }


def test_sam_environment_without_containers_keeps_the_addresses():
    for variables in environment(Cloud(Path(), 4566, 4567)).values():
        assert variables == VARIABLES


def test_local_programs_see_nothing_of_the_users_aws_settings(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "the-users-own")
    variables = Cloud(Path(), 4566, 4567).environment()
    assert "the-users-own" not in variables.values()
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


def test_pid_file_of_another_process_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr(pidfile, "PIDFILE", tmp_path / "running.json")
    # No file, another format, a process that has ended, and one that serves no stack.
    assert pidfile.find() is None
    ended = subprocess.Popen(["true"])
    ended.wait()
    port = server.free_ports()[0]
    for text in (
        '{"pid": 1, "port": 4566, "url": "http://127.0.0.1:4566"}',
        json.dumps({"pid": ended.pid, "engine_key": "ministack", "port": port, "api_port": 1, "container_host": None}),
        json.dumps(
            {"pid": os.getpid(), "engine_key": "ministack", "port": port, "api_port": 1, "container_host": None}
        ),
    ):
        pidfile.PIDFILE.write_text(text)
        assert pidfile.find() is None, text


def requests_seen(api_file, **scope):
    """The scopes that reach MiniStack, and the messages that are sent without it, for one request."""
    passed, sent = [], []

    async def app(scope, _receive, _send):
        passed.append(scope)

    async def send(message):
        sent.append(message)

    asyncio.run(ApiOrigin(app, 4567, api_file)(scope, None, send))
    return passed, sent


def test_api_origin_adds_the_path_of_the_api(tmp_path):
    api_file = tmp_path / "api-path"
    request = {"type": "http", "server": ("127.0.0.1", 4567), "path": "/a b", "raw_path": b"/a%20b"}
    passed, sent = requests_seen(api_file, **request)
    assert (passed, sent[0]["status"]) == ([], 503)
    api_file.write_text("/api/x")
    [scope], sent = requests_seen(api_file, **request)
    assert (scope["path"], scope["raw_path"], sent) == ("/api/x/a b", b"/api/x/a%20b", [])


def test_api_origin_leaves_the_port_of_aws_services_alone(tmp_path):
    request = {"type": "http", "server": ("127.0.0.1", 4566), "path": "/a", "raw_path": b"/a"}
    assert requests_seen(tmp_path / "api-path", **request) == ([request], [])
    lifespan = {"type": "lifespan"}
    assert requests_seen(tmp_path / "api-path", **lifespan) == ([lifespan], [])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sam_function_is_named_by_logical_id_or_binary(function):
    assert sam_local.logical_id(function) == sam_local.logical_id(binary(function)) == function
    assert sam_local.event_file(function, "").name == f"{binary(function)}.json"


def test_unknown_sam_function_or_event_is_a_failure():
    with pytest.raises(Failure, match="FUNCTION=nope"):
        sam_local.logical_id("nope")
    with pytest.raises(Failure, match="EVENT=nope.json"):
        sam_local.event_file("MeFunction", "nope.json")
