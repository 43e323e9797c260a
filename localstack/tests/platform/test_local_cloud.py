"""The scripts that run the local cloud: what it listens on, and what `sam local` is given."""

import json
from pathlib import Path

import pytest
import sam_local
from console import Failure
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
    template = Path(__file__).parents[3] / "template.yaml"
    return json.loads(sam_environment(cloud, Session(), template, {name: name for name in FUNCTIONS}))


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


def test_sam_environment_never_has_the_endpoint_of_aws():
    for variables in environment(Cloud(Path(), 4566, 4567)).values():
        assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_sam_function_is_named_by_logical_id_or_binary(function):
    assert sam_local.logical_id(function) == sam_local.logical_id(binary(function)) == function
    assert sam_local.event_file(function, "").name == f"{binary(function)}.json"


def test_unknown_sam_function_or_event_is_a_failure():
    with pytest.raises(Failure, match="FUNCTION=nope"):
        sam_local.logical_id("nope")
    with pytest.raises(Failure, match="EVENT=nope.json"):
        sam_local.event_file("MeFunction", "nope.json")
