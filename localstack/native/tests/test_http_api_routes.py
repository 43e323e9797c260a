"""Routes of an HTTP API: which one serves a request, and its path variables."""

import pytest

from localstack_native.http_api.routes import routes_of

INVOCATIONS = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def arn(function):
    return f"arn:aws:lambda:us-east-1:000000000000:function:{function}"


def document(*routes):
    """An OpenAPI document with `(method, path, function)`."""
    paths = {}
    for method, path, function in routes:
        integration = {"type": "aws_proxy", "uri": INVOCATIONS.format(arn(function))}
        paths.setdefault(path, {})[method] = {"x-amazon-apigateway-integration": integration}
    return {"paths": paths}


ROUTES = routes_of(
    document(
        ("x-amazon-apigateway-any-method", "/$default", "default"),
        ("get", "/files/{path+}", "files"),
        ("get", "/files/{name}", "file"),
        ("get", "/users/{id}", "user"),
        ("get", "/users/{id}/v1.0", "version"),
        ("x-amazon-apigateway-any-method", "/users/me", "me"),
        ("post", "/users/me", "update-me"),
        ("get", "/a.b", "literal"),
    )
)


def served(method, path):
    """The function and the variables of a request."""
    for route in ROUTES:
        variables = route.match(method, path)
        if variables is not None:
            return route.function_arn.rpartition(":")[2], variables
    return None


@pytest.mark.parametrize(
    ("method", "path", "function", "variables"),
    [
        pytest.param("GET", "/users/7", "user", {"id": "7"}, id="variable"),
        pytest.param("GET", "/users/a%2Fb", "user", {"id": "a/b"}, id="escaped variable"),
        pytest.param("GET", "/users/me", "me", {}, id="literal before variable"),
        pytest.param("POST", "/users/me", "update-me", {}, id="method before any"),
        pytest.param("GET", "/files/a/b", "files", {"path": "a/b"}, id="greedy variable"),
        pytest.param("GET", "/files/a", "file", {"name": "a"}, id="variable before greedy variable"),
        pytest.param("GET", "/a.b", "literal", {}, id="literal"),
        pytest.param("GET", "/axb", "default", {}, id="no pattern"),
        pytest.param("GET", "/users/7/v1.0", "version", {"id": "7"}, id="literal after variable"),
        pytest.param("GET", "/users/7/v1x0", "default", {}, id="no pattern after variable"),
        pytest.param("POST", "/users/7", "default", {}, id="other method"),
        pytest.param("GET", "/users/7/", "default", {}, id="trailing slash"),
        pytest.param("GET", "/", "default", {}, id="default"),
    ],
)
def test_request_is_served_by_the_most_specific_route(method, path, function, variables):
    assert served(method, path) == (function, variables)


def test_route_key_has_method_and_path():
    keys = {route.function_arn.rpartition(":")[2]: route.key for route in ROUTES}
    assert keys["user"] == "GET /users/{id}"
    assert keys["me"] == "ANY /users/me"
    assert keys["default"] == "$default"


def test_operation_without_a_function_is_no_route():
    assert routes_of({"paths": {"/": {"get": {}, "parameters": []}}}) == []
