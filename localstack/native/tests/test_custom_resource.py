"""Custom resources of CloudFormation whose service is a function."""

import json
import uuid

import pytest
from botocore.exceptions import WaiterError
from functions import create
from stacks import physical_id, put, stack

# Writes each request to a file, and responds as its properties say.
PROGRAM = """
def handle(event, context):
    properties = event["ResourceProperties"]
    with open(os.environ["REQUESTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
    status = "FAILED" if properties.get("Fail") else "SUCCESS"
    response = {
        "Status": status,
        "Reason": "as requested",
        "PhysicalResourceId": properties["Name"],
        "Data": {"Greeting": f"hello {properties['Name']}"},
        **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
    }
    if properties.get("Silent"):
        return
    request = urllib.request.Request(event["ResponseURL"], json.dumps(response).encode(), method="PUT")
    urllib.request.urlopen(request).close()

serve(handle)
"""


@pytest.fixture
def cloudformation(client):
    return client("cloudformation")


@pytest.fixture
def requests_file(tmp_path):
    return tmp_path / "requests"


@pytest.fixture
def resources(client, requests_file):
    """Makes the resources of a stack: a custom one, and a parameter with its attribute."""
    function = create(client("lambda"), PROGRAM, REQUESTS=str(requests_file))

    def make(**properties):
        token = f"arn:aws:lambda:us-east-1:000000000000:function:{function}"
        value = {"Fn::GetAtt": ["Thing", "Greeting"]}
        return {
            "Thing": {"Type": "Custom::Thing", "Properties": {"ServiceToken": token} | properties},
            "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}},
        }

    return make


def received(requests_file):
    return [json.loads(line) for line in requests_file.read_text().splitlines()]


def test_create_sends_the_properties_and_takes_attributes(client, cloudformation, resources, requests_file):
    with stack(cloudformation, resources(Name="one")) as name:
        [request] = received(requests_file)
        assert request["RequestType"] == "Create"
        assert request["ResourceType"] == "Custom::Thing"
        assert request["LogicalResourceId"] == "Thing"
        assert request["ResourceProperties"]["Name"] == "one"
        assert "PhysicalResourceId" not in request
        assert physical_id(cloudformation, name, "Thing") == "one"
        parameter = physical_id(cloudformation, name, "Parameter")
        assert client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"] == "hello one"


def test_delete_sends_the_physical_id(cloudformation, resources, requests_file):
    with stack(cloudformation, resources(Name="one")):
        pass
    request = received(requests_file)[-1]
    assert (request["RequestType"], request["PhysicalResourceId"]) == ("Delete", "one")


def test_update_sends_the_old_properties(cloudformation, resources, requests_file):
    with stack(cloudformation, resources(Name="one", Size="1")) as name:
        put(cloudformation, name, resources(Name="one", Size="2"), "update")
        _, request = received(requests_file)
    assert (request["RequestType"], request["PhysicalResourceId"]) == ("Update", "one")
    assert request["ResourceProperties"]["Size"] == "2"
    assert request["OldResourceProperties"]["Size"] == "1"


def test_update_with_another_physical_id_deletes_the_old(cloudformation, resources, requests_file):
    with stack(cloudformation, resources(Name="one")) as name:
        put(cloudformation, name, resources(Name="two"), "update")
        sent = [(request["RequestType"], request.get("PhysicalResourceId")) for request in received(requests_file)]
        assert sent == [("Create", None), ("Update", "one"), ("Delete", "one")]
        assert physical_id(cloudformation, name, "Thing") == "two"


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        pytest.param({"Fail": True}, "as requested", id="failure"),
        pytest.param({"Silent": True, "ServiceTimeout": "1"}, "The function did not respond in time", id="no response"),
    ],
)
def test_failed_resource_fails_its_stack(cloudformation, resources, properties, reason):
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        put(cloudformation, name, resources(Name="one", **properties), "create")
    [failed] = [
        event["ResourceStatusReason"]
        for event in cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        if event["LogicalResourceId"] == "Thing" and event["ResourceStatus"] == "CREATE_FAILED"
    ]
    assert reason in failed
