"""Query parameters: unknown and repeated ones are rejected by every operation; pages ignore them."""

import json
import re

import pytest
from support.problems import invalid, problem
from support.template import ROOT, routes

DOCUMENT = json.loads((ROOT / "functions" / "docs" / "openapi.json").read_text())
# Others add parameters to links to pages.
PAGES = {"/", "/docs", "/docs/{file}", "/openapi.json"}
OPERATIONS = sorted(route for route in routes() if route[1] not in PAGES)


def known_parameters(method, path):
    """The query parameters of an operation in the document, each with a value."""
    parameters = DOCUMENT["paths"][path][method.lower()].get("parameters", [])
    values = {"boolean": ["true"]}
    return {
        parameter["name"]: (parameter["schema"].get("enum") or values.get(parameter["schema"].get("type"), ["1"]))[0]
        for parameter in parameters
        if parameter.get("in") == "query"
    }


def pointers(response):
    """The pointers of an error response."""
    return [error["pointer"] for error in response.json().get("errors", [])]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_unknown_query_parameter_is_rejected(anonymous, method, path):
    known = known_parameters(method, path)
    url = re.sub("[{}]", "", path) + "?"
    invalid(anonymous.request(method, url + "unexpected=1"), "/unexpected")
    for name, value in known.items():
        assert f"/{name}" not in pointers(anonymous.request(method, f"{url}{name}={value}")), "the document has it"
        invalid(anonymous.request(method, f"{url}{name}={value}&{name}={value}"), f"/{name}")


@pytest.mark.parametrize("path", sorted(PAGES))
def test_page_ignores_query_parameters(anonymous, path):
    response = anonymous.get(path.replace("{file}", "docs.js"), utm_source="mail")
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("query", ["a=<b>", "a=%3Cb%3E", "%", "a=é"])
def test_invalid_query_string_returns_400(anonymous, query):
    problem(anonymous.get("/health?" + query), 400, "invalid_request")
