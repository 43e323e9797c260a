"""Settings of the plugins, from environment variables that the launcher sets."""

import os
from pathlib import Path

LOOPBACK = "127.0.0.1"

API_PORT = "LOCALSTACK_NATIVE_API_PORT"
DYNOXIDED = "LOCALSTACK_NATIVE_DYNOXIDED"
ENFORCE_IAM = "LOCALSTACK_NATIVE_ENFORCE_IAM"


def api_port() -> int:
    """The port of the HTTP API's own origin."""
    return int(os.environ[API_PORT])


def dynoxided() -> Path:
    """The program that serves DynamoDB."""
    return Path(os.environ[DYNOXIDED])


def enforces_iam() -> bool:
    return os.environ.get(ENFORCE_IAM) == "1"
