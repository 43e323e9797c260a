"""The API is what its document says: every route, every answer, every example."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import templates
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "functions" / "docs" / "openapi.json"
DOCUMENT = json.loads(PATH.read_text())
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# It takes about a minute and a half on two cores.
RUN_SECONDS = 400


def nodes(value, path="#"):
    """Every object in a JSON value, and where it stands."""
    if isinstance(value, dict):
        yield path, value
    for key, member in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from nodes(member, f"{path}/{key}")


def examples():
    """Every example of the document with the schema that it must fit: of a body, of a parameter, or of a schema itself."""
    for path, node in nodes({"paths": DOCUMENT["paths"], "components": DOCUMENT["components"]}):
        schema = node.get("schema", node)
        if "example" in node and not isinstance(node["example"], dict):
            yield pytest.param(schema, node["example"], id=path)
        if "schema" in node:
            for name, example in node.get("examples", {}).items():
                yield pytest.param(schema, example["value"], id=f"{path}/{name}")


@pytest.mark.parametrize(("schema", "example"), list(examples()))
def test_an_example_fits_its_schema(schema, example):
    # References begin at the root, so the components stand there.
    validator = Draft202012Validator(
        schema | {"components": DOCUMENT["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    assert not [error.message for error in validator.iter_errors(example)]


def test_every_route_is_an_operation_and_every_operation_a_route():
    routes = {(path, method.lower()) for method, path in templates.routes(templates.read("template.yaml"))}
    assert routes == {(path, method) for path, item in DOCUMENT["paths"].items() for method in METHODS & item.keys()}


def test_every_operation_says_who_may_ask_and_what_it_refuses():
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            assert operation["summary"] and "security" in operation, path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    (problem,) = response["content"].values()
                    assert problem["schema"]["allOf"][1]["properties"]["code"]["enum"], (path, status)


def test_the_document_is_served_as_it_is_checked_in(anyone):
    answer = anyone.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == DOCUMENT
    again = anyone.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_client_that_cannot_decompress_gets_the_same_document(anyone):
    plain = anyone.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert plain.json() == DOCUMENT


def test_the_stack_does_as_its_document_says(stack, person, tmp_path):
    tokens = {"TOKEN": person().token, "TOKEN_TO_SIGN_OUT": person().token}
    run = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file", ROOT / "localstack" / "schemathesis.toml",
            "run", PATH,
            "--url", stack.api_url,
            # Python 3.11 stumbles now and then when two threads parse source at once, as its generator does.
            "--workers", "1",
            "--seed", "1",
            "--continue-on-failure",
            "--no-color",
        ],
        env=os.environ | tokens,
        # It keeps a folder of its own wherever it runs.
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert run.returncode == 0, run.stdout + run.stderr
