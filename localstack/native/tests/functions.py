"""Lambda functions for tests: Python programs that use the Runtime API."""

import io
import json
import sys
import uuid
import zipfile

ROLE = "arn:aws:iam::000000000000:role/test"
RUNTIME = """
import json, os, sys, time, urllib.request


def call(path, body=None):
    url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/{path}"
    with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
        return response.headers, response.read()


def serve(handle, after=lambda: None):
    while True:
        context, body = call("invocation/next")
        try:
            kind, result = "response", handle(json.loads(body), context)
        except Exception as failure:
            kind, result = "error", {"errorType": type(failure).__name__, "errorMessage": str(failure)}
        call(f"invocation/{context['Lambda-Runtime-Aws-Request-Id']}/{kind}", json.dumps(result).encode())
        after()
"""


def package(program: str) -> bytes:
    """A deployment package with a program that calls `serve(handle)`."""
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o100755 << 16
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w") as archive:
        archive.writestr(entry, f"#!{sys.executable}\n{RUNTIME}\n{program}")
    return archived.getvalue()


def create(lambda_, program: str, role: str = ROLE, timeout: int = 2, **variables: str) -> str:
    """Create a function with a timeout in seconds. Returns its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    lambda_.create_function(
        FunctionName=name,
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role,
        Code={"ZipFile": package(program)},
        Timeout=timeout,
        Environment={"Variables": variables},
    )
    lambda_.get_waiter("function_active_v2").wait(FunctionName=name)
    return name


def invoke(lambda_, name: str, **event):
    """Invoke a function. Returns what it responds, and fails if that is an error."""
    error, payload = outcome(lambda_, name, **event)
    assert error is None, payload
    return payload


def outcome(lambda_, name: str, **event):
    """Invoke a function. Returns the kind of error, if there is one, and the payload."""
    response = lambda_.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return response.get("FunctionError"), json.loads(response["Payload"].read())
