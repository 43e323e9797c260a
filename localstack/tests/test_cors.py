"""Which pages of other sites may call the API: none, unless a parameter names them."""

import re

import pytest
import templates
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

PARAMETER = templates.read("template.yaml")["Parameters"]["AllowedOrigins"]


class NoManagedPolicies:
    """What the translator asks for the ARNs of managed policies, of which no function has any."""

    @staticmethod
    def load():
        return {}


def cors(allowed_origins):
    """What the API is told of CORS, as SAM translates the template and CloudFormation then resolves it."""
    template = yaml_parse((templates.ROOT / "template.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://packages/function.zip"
    translated = transform(template, {"AllowedOrigins": allowed_origins}, NoManagedPolicies())
    body = translated["Resources"]["HttpApi"]["Properties"]["Body"]
    condition, opened, closed = body["x-amazon-apigateway-cors"]["Fn::If"]
    assert translated["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AllowedOrigins"}, ""]}]}
    return opened if allowed_origins else closed


def test_by_default_no_page_of_another_site_reads_an_answer():
    assert PARAMETER["Default"] == ""
    assert cors("") == {"Ref": "AWS::NoValue"}


def test_where_origins_are_allowed_it_is_those_and_with_what_the_api_uses():
    opened = cors("https://app.example.com,https://admin.example.com")
    separator, origins = opened["allowOrigins"]["Fn::Split"]
    assert origins.split(separator) == ["https://app.example.com", "https://admin.example.com"]
    assert opened["allowCredentials"] is True
    assert opened["allowHeaders"] == ["Authorization", "Content-Type", "Idempotency-Key"]
    assert opened["exposeHeaders"] == ["Request-Id", "Idempotent-Replayed", "Retry-After"]


def test_a_page_may_use_every_method_that_the_api_has():
    functions = templates.of_type(templates.read("template.yaml"), "AWS::Serverless::Function").values()
    events = [event for function in functions for event in function.get("Events", {}).values()]
    used = {event["Properties"]["Method"] for event in events if event["Type"] == "HttpApi"}
    assert used <= set(cors("https://app.example.com")["allowMethods"])


def accepted(value):
    return re.fullmatch(PARAMETER["AllowedPattern"], value) is not None


@pytest.mark.parametrize(
    "value",
    ["", "https://app.example.com", "https://a.example:8443,https://b.example", "http://localhost:3000"],
)
def test_origins_are_listed_one_by_one(value):
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
def test_what_is_no_origin_or_too_many_is_refused_before_anything_is_deployed(value):
    assert not accepted(value)


def test_a_page_of_another_site_is_answered_nothing_that_lets_it_read(anyone):
    elsewhere = {"Origin": "https://elsewhere.example"}
    asks_first = elsewhere | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for answer in (
        anyone.request("OPTIONS", "/payments/send", headers=asks_first),
        anyone.get("/health", headers=elsewhere),
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
