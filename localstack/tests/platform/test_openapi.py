"""The API conforms to its OpenAPI document: routes, responses and examples."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.template import ROOT, routes

PATH = ROOT / "functions" / "docs" / "openapi.json"
DOCUMENT = json.loads(PATH.read_text())
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# The run takes about 90 seconds on two cores.
RUN_SECONDS = 400


def nodes(value, path="#"):
    """Every object in a JSON value, with its path."""
    if isinstance(value, dict):
        yield path, value
    for key, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from nodes(member, f"{path}/{key}")


def examples():
    """Every example of the document with its schema: of a body, of a parameter, or of the schema itself."""
    for path, node in nodes({"paths": DOCUMENT["paths"], "components": DOCUMENT["components"]}):
        schema = node.get("schema", node)
        if "example" in node and not isinstance(node["example"], dict):
            yield pytest.param(schema, node["example"], id=path)
        if "schema" in node:
            for name, example in node.get("examples", {}).items():
                yield pytest.param(schema, example["value"], id=f"{path}/{name}")


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_example_matches_its_schema(schema, example):
    # References start at the root, so the components are added there.
    validator = Draft202012Validator(
        schema | {"components": DOCUMENT["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert not [error.message for error in validator.iter_errors(example)]


def test_routes_and_operations_are_the_same():
    served = {(path, method.lower()) for method, path in routes()}
    assert served == {(path, method) for path, item in DOCUMENT["paths"].items() for method in METHODS & item.keys()}


def test_operations_declare_security_and_problem_codes():
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert "security" in operation, path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    (problem,) = response["content"].values()
                    assert problem["schema"]["allOf"][1]["properties"]["code"]["enum"], (path, status)


def test_document_is_served_as_checked_in(anonymous):
    response = anonymous.get("/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == DOCUMENT
    again = anonymous.get("/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_document_is_served_uncompressed_on_request(anonymous):
    plain = anonymous.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == DOCUMENT


def test_api_conforms_to_its_document(stack, new_user, tmp_path):
    tokens = {"TOKEN": new_user().token, "TOKEN_TO_SIGN_OUT": new_user().token}
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            ROOT / "localstack" / "schemathesis.toml",
            "run",
            PATH,
            "--url",
            stack.api_url,
            # Its generator parses source in threads, which occasionally fails on Python 3.11.
            "--workers",
            "1",
            "--seed",
            "1",
            "--continue-on-failure",
            "--no-color",
        ],
        env=os.environ | tokens,
        # It writes a folder of its own to the working directory.
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
