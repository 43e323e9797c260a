"""The permissions that requests need."""

import pytest

from localstack_native.iam.policy import Permission
from localstack_native.iam.requests import permissions

DYNAMODB = "arn:aws:dynamodb:us-east-1:000000000000:table"


def needed(service, operation, **parameters):
    found = permissions(service, service, operation, parameters, "us-east-1", "000000000000")
    return [(permission.action, permission.resource) for permission in found]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "action", "resource"),
    [
        ("dynamodb", "GetItem", {"TableName": "t"}, "dynamodb:GetItem", f"{DYNAMODB}/t"),
        ("dynamodb", "GetItem", {"TableName": f"{DYNAMODB}/t"}, "dynamodb:GetItem", f"{DYNAMODB}/t"),
        ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}, "dynamodb:Query", f"{DYNAMODB}/t/index/i"),
        ("dynamodbstreams", "DescribeStream", {"StreamArn": "arn:s"}, "dynamodb:DescribeStream", "arn:s"),
        (
            "logs",
            "PutLogEvents",
            {"logGroupName": "/g", "logStreamName": "s"},
            "logs:PutLogEvents",
            "arn:aws:logs:us-east-1:000000000000:log-group:/g:log-stream:s",
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            {"SecretId": "arn:aws:secretsmanager:x"},
            "secretsmanager:GetSecretValue",
            "arn:aws:secretsmanager:x",
        ),
        ("sns", "PublishBatch", {"TopicArn": "arn:t"}, "sns:Publish", "arn:t"),
        ("sns", "Publish", {"PhoneNumber": "+1"}, "sns:Publish", "*"),
        (
            "sqs",
            "SendMessageBatch",
            {"QueueUrl": "http://127.0.0.1:4566/queue/us-east-1/000000000000/q"},
            "sqs:SendMessage",
            "arn:aws:sqs:us-east-1:000000000000:q",
        ),
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            "lambda:InvokeFunction",
            "arn:aws:lambda:us-east-1:000000000000:function:f",
        ),
        ("s3", "HeadObject", {"Bucket": "b", "Key": "k/l"}, "s3:GetObject", "arn:aws:s3:::b/k/l"),
        ("events", "PutEvents", {}, "events:PutEvents", "*"),
    ],
)
def test_request_needs_its_action_on_its_resource(service, operation, parameters, action, resource):
    assert needed(service, operation, **parameters) == [(action, resource)]


def test_transaction_needs_the_permission_of_each_item():
    items = [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]
    assert needed("dynamodb", "TransactWriteItems", TransactItems=items) == [
        ("dynamodb:PutItem", f"{DYNAMODB}/a"),
        ("dynamodb:ConditionCheckItem", f"{DYNAMODB}/b"),
    ]


def test_batch_needs_the_permission_on_each_table():
    assert needed("dynamodb", "BatchGetItem", RequestItems={"a": {}, "b": {}}) == [
        ("dynamodb:BatchGetItem", f"{DYNAMODB}/a"),
        ("dynamodb:BatchGetItem", f"{DYNAMODB}/b"),
    ]


def test_mail_needs_the_identity_in_the_context_of_its_sender():
    parameters = {"FromEmailAddress": "a@example.com"}
    [permission] = permissions("sesv2", "ses", "SendEmail", parameters, "us-east-1", "000000000000")
    assert permission == Permission(
        "ses:SendEmail",
        "arn:aws:ses:us-east-1:000000000000:identity/a@example.com",
        {"ses:fromaddress": "a@example.com"},
    )


def test_caller_identity_needs_no_permission():
    assert needed("sts", "GetCallerIdentity") == []
