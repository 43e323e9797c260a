"""CORS: off by default, and limited to the origins of the AllowedOrigins parameter."""

import re

import pytest
from support.template import TEMPLATE, routes, transformed

PARAMETER = TEMPLATE["Parameters"]["AllowedOrigins"]


def cors(allowed_origins):
    """The API's CORS configuration, as SAM translates the template and CloudFormation resolves it."""
    translated = transformed(allowed_origins)
    body = translated["Resources"]["HttpApi"]["Properties"]["Body"]
    condition, opened, closed = body["x-amazon-apigateway-cors"]["Fn::If"]
    assert translated["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AllowedOrigins"}, ""]}]}
    return opened if allowed_origins else closed


def test_cors_is_off_by_default():
    assert PARAMETER["Default"] == ""
    assert cors("") == {"Ref": "AWS::NoValue"}


def test_cors_with_allowed_origins_lists_them_with_headers():
    opened = cors("https://app.example.com,https://admin.example.com")
    separator, origins = opened["allowOrigins"]["Fn::Split"]
    assert origins.split(separator) == ["https://app.example.com", "https://admin.example.com"]
    assert opened["allowCredentials"] is True
    assert opened["allowHeaders"] == ["Authorization", "Content-Type", "Idempotency-Key"]
    assert opened["exposeHeaders"] == ["Request-Id", "Idempotent-Replayed", "Retry-After"]


def test_cors_allows_every_method_of_the_api():
    used = {method for method, _path in routes()}
    assert used <= set(cors("https://app.example.com")["allowMethods"])


def accepted(value):
    return re.fullmatch(PARAMETER["AllowedPattern"], value) is not None


@pytest.mark.parametrize(
    "value",
    ["", "https://app.example.com", "https://a.example:8443,https://b.example", "http://localhost:3000"],
)
def test_allowed_origins_accepts_lists_of_origins(value):
    assert accepted(value)


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://*",
        "https://*.example.com",
        "https://app.example.com,*",
        "https://app.example.com/",
        "https://app.example.com, https://b.example",
        "http://app.example.com",
        "app.example.com",
        "null",
        ",",
    ],
)
def test_allowed_origins_rejects_wildcards_and_non_origins(value):
    assert not accepted(value)


def test_response_to_other_origin_has_no_cors_headers(anonymous):
    other_site = {"Origin": "https://other.example"}
    preflight = other_site | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for response in (
        anonymous.request("OPTIONS", "/payments/send", headers=preflight),
        anonymous.get("/health", headers=other_site),
    ):
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]
