"""HTTP APIs that CloudFormation deploys, at their origin and below their path."""

import pytest
import requests
from functions import create
from stacks import physical_id, stack

PROGRAM = """
def handle(event, context):
    if event["rawPath"].endswith("/fail"):
        raise ValueError("refused")
    return {
        "statusCode": 201,
        "headers": {"content-type": "application/json", "x-api": event["requestContext"]["apiId"]},
        "cookies": ["session=1; Path=/things"],
        "body": json.dumps(event),
    }

serve(handle)
"""


def api(function):
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    operation = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}
    return {
        "Type": "AWS::ApiGatewayV2::Api",
        "Properties": {"Body": {"openapi": "3.0.1", "paths": {"/things/{id}": {"post": operation, "get": operation}}}},
    }


@pytest.fixture(scope="module")
def resources(client):
    name = create(client("lambda"), PROGRAM)
    stage = {"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": True}
    return {
        "Api": api(f"arn:aws:lambda:us-east-1:000000000000:function:{name}"),
        "Stage": {"Type": "AWS::ApiGatewayV2::Stage", "Properties": stage},
    }


@pytest.fixture
def api_id(client, resources):
    with stack(client("cloudformation"), resources) as name:
        yield physical_id(client("cloudformation"), name, "Api")


def test_origin_without_an_api_is_unavailable(localstack):
    response = requests.get(f"{localstack.origin}/things/7")
    assert response.status_code == 503
    assert response.json() == {"message": "No HTTP API is deployed yet"}


def test_origin_serves_the_only_api_at_its_root(localstack, api_id):
    response = requests.post(f"{localstack.origin}/things/a%20b?x=1", json={"n": 1}, headers={"Cookie": "a=1"})
    assert (response.status_code, response.headers["x-api"]) == (201, api_id)
    event = response.json()
    assert event["routeKey"] == "POST /things/{id}"
    assert event["rawPath"] == "/things/a b"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"x": "1"}
    assert event["cookies"] == ["a=1"]
    assert event["body"] == '{"n": 1}'
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_cookie_with_a_path_is_sent_back_to_the_origin(localstack, api_id):
    session = requests.Session()
    session.get(f"{localstack.origin}/things/7")
    assert session.get(f"{localstack.origin}/things/8").json()["cookies"] == ["session=1"]


def test_path_without_a_route_is_not_found(localstack, api_id):
    response = requests.get(f"{localstack.origin}/other")
    assert (response.status_code, response.json()) == (404, {"message": "Not Found"})


def test_function_error_is_an_internal_error(localstack, api_id):
    response = requests.get(f"{localstack.origin}/things/fail")
    assert (response.status_code, response.json()) == (500, {"message": "Internal Server Error"})


def test_preflight_request_is_not_answered_by_localstack(localstack, api_id):
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    response = requests.options(f"{localstack.origin}/things/7", headers=headers)
    assert response.status_code == 404
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_api_is_served_below_its_path_too(localstack, api_id):
    response = requests.get(f"{localstack.endpoint}/_http/{api_id}/things/7")
    assert (response.status_code, response.json()["rawPath"]) == (201, "/things/7")


def test_unknown_api_is_not_found(localstack):
    assert requests.get(f"{localstack.endpoint}/_http/unknown/things/7").status_code == 404


def test_several_apis_are_served_below_their_paths_only(localstack, client, resources, api_id):
    with stack(client("cloudformation"), {"Api": resources["Api"]}) as name:
        other = physical_id(client("cloudformation"), name, "Api")
        response = requests.get(f"{localstack.origin}/things/7")
        assert response.status_code == 503
        assert f"/_http/{api_id}/" in response.json()["message"]
        response = requests.get(f"{localstack.endpoint}/_http/{other}/things/7")
        assert response.headers["x-api"] == other
    assert requests.get(f"{localstack.origin}/things/7").headers["x-api"] == api_id
