"""IAM as enforced: what a role may do in LocalStack."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError
from functions import create, invoke
from stacks import physical_id, stack

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def policy(*actions, effect="Allow", resource="*", **elements):
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource} | elements
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(client):
    return client("iam")


@pytest.fixture
def role(iam):
    """A role without a policy. Returns its name and its ARN."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    return name, iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]


def denied(call, **parameters):
    """Whether a call is denied, and not just refused for another reason."""
    try:
        call(**parameters)
    except ClientError as error:
        return "not authorized to perform" in error.response["Error"]["Message"]
    return False


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("dynamodb", "scan", {"TableName": "t"}, "AccessDeniedException"),
        ("secretsmanager", "get_secret_value", {"SecretId": "s"}, "AccessDeniedException"),
        ("logs", "create_log_group", {"logGroupName": "/g"}, "AccessDeniedException"),
        ("sns", "publish", {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Message": "m"}, "AuthorizationError"),
        ("sqs", "create_queue", {"QueueName": "q"}, "AccessDenied"),
        ("s3", "put_object", {"Bucket": "b", "Key": "k"}, "AccessDenied"),
    ],
)
def test_role_without_a_policy_is_denied(assumed, role, service, operation, parameters, code):
    _, arn = role
    with pytest.raises(ClientError) as refused:
        getattr(assumed(arn, service), operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == code


def test_role_may_ask_for_its_identity(assumed, role):
    name, arn = role
    assert f"assumed-role/{name}/" in assumed(arn, "sts").get_caller_identity()["Arn"]


def test_administrator_is_allowed_everything(client):
    assert not denied(client("dynamodb").list_tables)


def test_inline_policy_allows_its_actions_only(iam, assumed, role):
    name, arn = role
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy("dynamodb:ListTables"))
    dynamodb = assumed(arn, "dynamodb")
    assert not denied(dynamodb.list_tables)
    assert denied(dynamodb.scan, TableName="t")


def test_policy_deleted_takes_effect_at_once(iam, assumed, role):
    name, arn = role
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy("dynamodb:ListTables"))
    dynamodb = assumed(arn, "dynamodb")
    assert not denied(dynamodb.list_tables)
    iam.delete_role_policy(RoleName=name, PolicyName="own")
    assert denied(dynamodb.list_tables)


def test_managed_policy_allows_in_its_default_version(iam, assumed, role):
    name, arn = role
    made = iam.create_policy(PolicyName=name, PolicyDocument=policy("dynamodb:ListTables"))["Policy"]
    iam.attach_role_policy(RoleName=name, PolicyArn=made["Arn"])
    dynamodb = assumed(arn, "dynamodb")
    assert not denied(dynamodb.list_tables)
    iam.create_policy_version(PolicyArn=made["Arn"], PolicyDocument=policy("sqs:*"), SetAsDefault=True)
    assert denied(dynamodb.list_tables)


def test_aws_managed_policy_allows_its_actions(iam, assumed, role):
    name, arn = role
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole")
    logs = assumed(arn, "logs")
    assert not denied(logs.create_log_group, logGroupName=f"/{name}")
    assert denied(logs.delete_log_group, logGroupName=f"/{name}")


def test_permissions_boundary_limits_the_role(iam, assumed, role):
    name, arn = role
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy("dynamodb:*"))
    boundary = iam.create_policy(PolicyName=name, PolicyDocument=policy("dynamodb:ListTables"))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary)
    dynamodb = assumed(arn, "dynamodb")
    assert not denied(dynamodb.list_tables)
    assert denied(dynamodb.scan, TableName="t")


def test_table_policy_of_a_template_denies_the_role(client, iam, assumed, role):
    name, arn = role
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy("dynamodb:*"))
    condition = {"Bool": {"aws:PrincipalIsAWSService": "false"}}
    denial = json.loads(policy("dynamodb:DeleteItem", effect="Deny", Principal="*", Condition=condition))
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "ResourcePolicy": {"PolicyDocument": denial},
        },
    }
    cloudformation = client("cloudformation")
    key = {"pk": {"S": "a"}}
    with stack(cloudformation, {"Table": table}) as stack_name:
        table_name = physical_id(cloudformation, stack_name, "Table")
        dynamodb = assumed(arn, "dynamodb")
        assert not denied(dynamodb.get_item, TableName=table_name, Key=key)
        assert denied(dynamodb.delete_item, TableName=table_name, Key=key)
        # The policy of a deleted table does not apply to another one of its name.
        client("dynamodb").delete_table(TableName=table_name)
        assert not denied(dynamodb.delete_item, TableName=table_name, Key=key)


def test_function_has_the_permissions_of_its_role(client, iam, role):
    name, arn = role
    program = """
import boto3, botocore.exceptions

def handle(event, context):
    try:
        boto3.client("dynamodb").list_tables()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]

serve(handle)
"""
    function = create(client("lambda"), program, role=arn)
    assert invoke(client("lambda"), function) == "AccessDeniedException"
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=policy("dynamodb:ListTables"))
    assert invoke(client("lambda"), function) is None
