"""Settings of the plugins, from environment variables that the launcher sets."""

import os
from pathlib import Path

LOOPBACK = "127.0.0.1"

API_PORT = "LOCALSTACK_NATIVE_API_PORT"
DYNOXIDED = "LOCALSTACK_NATIVE_DYNOXIDED"
ENFORCE_IAM = "LOCALSTACK_NATIVE_ENFORCE_IAM"


def api_port() -> int | None:
    """The port of the HTTP API's own origin, or None if it has none."""
    port = os.environ.get(API_PORT)
    return int(port) if port else None


def dynoxided() -> Path:
    """The program that serves DynamoDB."""
    program = os.environ.get(DYNOXIDED)
    if not program:
        raise RuntimeError(f"{DYNOXIDED} is not set: it is the path of the program dynoxided")
    return Path(program)


def enforces_iam() -> bool:
    return os.environ.get(ENFORCE_IAM) == "1"
