"""A LocalStack with the plugins for the whole run, on free ports.

The environment variable DYNOXIDED is the path of the program, if it is not a debug build of this workspace.
"""

import os
from functools import cache
from pathlib import Path

import boto3
import pytest
from running import LocalStack

PROGRAM = Path(os.environ.get("DYNOXIDED", Path(__file__).parents[3] / "target" / "debug" / "dynoxided"))


@pytest.fixture(scope="session")
def dynoxided():
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} does not exist: cargo build --workspace --bin dynoxided", returncode=1)
    return PROGRAM


@pytest.fixture(scope="session")
def localstack(dynoxided, tmp_path_factory):
    with LocalStack(dynoxided, tmp_path_factory.mktemp("localstack")) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def client(localstack):
    """Makes clients of the administrator: `client("sqs")`."""
    return cache(localstack.client)


@pytest.fixture(scope="session")
def assumed(client, localstack):
    """Makes clients of a role: `assumed(role_arn, "sqs")`."""

    def make(role_arn, service):
        issued = client("sts").assume_role(RoleArn=role_arn, RoleSessionName="test")["Credentials"]
        session = boto3.Session(
            issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], region_name="us-east-1"
        )
        return session.client(service, endpoint_url=localstack.endpoint)

    return make
