"""What survives the deletion of a stack: data, keys, secrets and undelivered events. A failed creation leaves none."""

import json
import uuid
from contextlib import contextmanager

import pytest
from botocore.exceptions import WaiterError
from support.template import NESTED, ROOT, TEMPLATE, of_type

TEMPLATES = {"template.yaml": TEMPLATE} | {
    properties["TemplateURL"]: NESTED[name] for name, properties in of_type("AWS::CloudFormation::Stack").items()
}
# Rollback of the operation that created a resource deletes it; any other operation retains it:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
RETAINED = {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
RETAINED_TYPES = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
}
# Those that a new deployment creates again, as they were. Log groups too: their names are fixed, so those of a deleted
# stack would prevent a new one.
DELETED_TYPES = {
    "AWS::CloudFormation::Stack",
    "AWS::CloudWatch::Alarm",
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Logs::LogGroup",
    "AWS::Logs::MetricFilter",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "Custom::SigningKey",
}
# Test payments, which never moved money.
WITHOUT_RETAINED_RESOURCES = "infra/simulator.yaml"
QUEUES = "infra/events.yaml"


@pytest.mark.parametrize("path", TEMPLATES)
def test_resources_have_the_retention_of_their_type(path):
    for name, resource in TEMPLATES[path]["Resources"].items():
        assert resource["Type"] in RETAINED_TYPES | DELETED_TYPES, f"{name}: decide whether its type is retained"
        retained = resource["Type"] in RETAINED_TYPES and path != WITHOUT_RETAINED_RESOURCES
        policies = {key: resource[key] for key in RETAINED if key in resource}
        assert policies == (RETAINED if retained else {}), name


def test_every_template_is_deployed():
    # Control of the test above.
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "infra").glob("*.yaml")} < TEMPLATES.keys()


@pytest.fixture
def cloudformation(stack):
    return stack.client("cloudformation")


@contextmanager
def cleaned_up(stack, name):
    """Deletes the queues of a stack at the end of the block."""
    try:
        yield
    finally:
        for url in queues_of(stack, name):
            stack.sqs.delete_queue(QueueUrl=url)


def queues_of(stack, name):
    return sorted(stack.sqs.list_queues(QueueNamePrefix=name).get("QueueUrls", []))


def with_failing_role(template):
    """A template that creates its queues, and then fails."""
    role = {
        "Type": "AWS::IAM::Role",
        "DependsOn": list(of_type("AWS::SQS::Queue", template)),
        # IAM rejects NotPrincipal in a trust policy.
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "NotPrincipal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
            }
        },
    }
    return template | {"Resources": template["Resources"] | {"FailingRole": role}}


def test_undelivered_events_survive_their_stack(stack, cloudformation):
    name = f"retention-{uuid.uuid4().hex[:8]}"
    with cleaned_up(stack, name):
        cloudformation.create_stack(StackName=name, TemplateBody=(ROOT / QUEUES).read_text())
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        created = queues_of(stack, name)
        assert len(created) == len(of_type("AWS::SQS::Queue", TEMPLATES[QUEUES]))
        for url in created:
            stack.sqs.send_message(QueueUrl=url, MessageBody="undelivered")
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        assert queues_of(stack, name) == created
        for url in created:
            (message,) = stack.sqs.receive_message(QueueUrl=url)["Messages"]
            assert message["Body"] == "undelivered"


def test_failed_creation_leaves_no_queue(stack, cloudformation):
    name = f"retention-{uuid.uuid4().hex[:8]}"
    template = json.dumps(with_failing_role(TEMPLATES[QUEUES]))
    with cleaned_up(stack, name):
        cloudformation.create_stack(StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_IAM"])
        with pytest.raises(WaiterError):
            cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
        assert queues_of(stack, name) == []
        cloudformation.delete_stack(StackName=name)
