"""Isolation of the contexts, as enforced: the role of each function, tried on every table, secret and topic.

What a role should allow is read from the template; test_template.py checks that against the rules.
"""

import json
import time

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from support.access_policy import DELETERS, LEDGER_AUDIT, PUBLISHERS, TOKEN_ISSUERS, TOPICS, WEBHOOK_SECRET_READERS
from support.tables import NEVER_TRUE, PROBE_KEY
from support.template import (
    FUNCTIONS,
    actions_on,
    context,
    only_reads,
    other_tables,
    tables_of,
)

REQUESTS = {
    "GetItem": lambda client, table: client.get_item(TableName=table, Key=PROBE_KEY),
    "PutItem": lambda client, table: client.put_item(TableName=table, Item=PROBE_KEY, **NEVER_TRUE),
    "UpdateItem": lambda client, table: client.update_item(
        TableName=table,
        Key=PROBE_KEY,
        UpdateExpression="SET touched = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
        **NEVER_TRUE,
    ),
    "DeleteItem": lambda client, table: client.delete_item(TableName=table, Key=PROBE_KEY, **NEVER_TRUE),
    "Query": lambda client, table: client.query(
        TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": PROBE_KEY["pk"]}
    ),
    "Scan": lambda client, table: client.scan(TableName=table, Limit=1),
    "BatchGetItem": lambda client, table: client.batch_get_item(RequestItems={table: {"Keys": [PROBE_KEY]}}),
    "TransactWriteItems": lambda client, table: client.transact_write_items(
        TransactItems=[{"Put": {"TableName": table, "Item": PROBE_KEY, **NEVER_TRUE}}]
    ),
}
# A transaction needs the permissions of the writes in it.
ACTIONS = {request: f"dynamodb:{request}" for request in REQUESTS} | {"TransactWriteItems": "dynamodb:PutItem"}
WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")
DENIED = "AccessDeniedException"
# How a permitted request ends: a write meets the condition that never holds.
PERMITTED = {
    "PutItem": "ConditionalCheckFailedException",
    "UpdateItem": "ConditionalCheckFailedException",
    "DeleteItem": "ConditionalCheckFailedException",
    "TransactWriteItems": "TransactionCanceledException",
}
WITH_A_TABLE = [function for function in FUNCTIONS if tables_of(function)]
AUDITED = [function for function in WITH_A_TABLE if "AuditTable" in tables_of(function)]
READERS = [function for function in WITH_A_TABLE if only_reads(function)]


def assumed(stack, role_arn, service="dynamodb"):
    """A client of a service with the credentials of a role."""
    credentials = stack.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="isolation-test")["Credentials"]
    return boto3.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def error_code(request, client, table):
    """The error code of a request, or None if it succeeded."""
    try:
        REQUESTS[request](client, table)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.fixture(scope="module", autouse=True)
def enforced(stack):
    """Control of this module: IAM is enforced, so a role without a policy is denied."""
    iam = stack.client("iam")
    name = "isolation-test-without-a-policy"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    try:
        allowed = error_code("Scan", assumed(stack, role["Arn"]), stack.resources["PaymentTable"]) is None
    finally:
        iam.delete_role(RoleName=name)
    if allowed and is_ministack(stack):
        pytest.fail("MiniStack does not enforce IAM: start it with AUTH=true")
    if allowed:
        pytest.skip("this engine does not enforce IAM; MiniStack with AUTH=true does")


def is_ministack(stack):
    endpoint = stack.client("sts").meta.endpoint_url
    return requests.get(f"{endpoint}/_ministack/health", timeout=5).status_code == 200


@pytest.fixture(scope="module")
def as_function(stack):
    """Clients of a service, DynamoDB by default, with the credentials of a function's role."""
    clients = {}

    def client(logical_id, service="dynamodb"):
        if (logical_id, service) not in clients:
            clients[logical_id, service] = assumed(stack, stack.configuration(logical_id)["Role"], service)
        return clients[logical_id, service]

    return client


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_is_denied_on_tables_it_is_not_configured_with(stack, as_function, function):
    for table in sorted(other_tables(function)):
        for request in REQUESTS:
            code = error_code(request, as_function(function), stack.resources[table])
            assert code == DENIED, f"{function}: {request} on {table} gave {code}"


@pytest.mark.parametrize("function", WITH_A_TABLE)
def test_function_may_do_exactly_what_its_policy_grants(stack, as_function, function):
    permitted = set()
    for table in tables_of(function):
        granted = actions_on(function, table)
        for request in REQUESTS:
            code = error_code(request, as_function(function), stack.resources[table])
            if ACTIONS[request] in granted:
                permitted.add(request)
                assert code == PERMITTED.get(request), f"{request} on {table}"
            else:
                assert code == DENIED, f"{request} on {table}"
    # Control of the rejections: these credentials are valid.
    assert permitted


@pytest.mark.parametrize("function", WITH_A_TABLE)
def test_function_may_scan_and_delete_by_exception_only(stack, as_function, function):
    for table in sorted(tables_of(function)):
        code = error_code("Scan", as_function(function), stack.resources[table])
        assert code == (None if function == LEDGER_AUDIT else DENIED), table
        deletes = DELETERS.get(function) == table
        code = error_code("DeleteItem", as_function(function), stack.resources[table])
        assert code == (PERMITTED["DeleteItem"] if deletes else DENIED), table


@pytest.mark.parametrize("function", AUDITED)
def test_audited_function_may_only_append_to_the_audit_log(stack, as_function, function):
    table = stack.resources["AuditTable"]
    outcomes = {request: error_code(request, as_function(function), table) for request in REQUESTS}
    appends = {request: PERMITTED[request] for request in ("PutItem", "TransactWriteItems")}
    assert outcomes == {request: appends.get(request, DENIED) for request in REQUESTS}


@pytest.mark.parametrize("function", sorted(TOKEN_ISSUERS))
def test_signing_function_may_not_write_private_keys(stack, as_function, function):
    table = stack.resources["SigningKeyTable"]
    assert error_code("Query", as_function(function), table) is None
    for request in (*WRITES, "DeleteItem"):
        assert error_code(request, as_function(function), table) == DENIED


@pytest.mark.parametrize("function", READERS)
def test_get_function_may_not_write(stack, as_function, function):
    for table in tables_of(function):
        for request in WRITES:
            assert error_code(request, as_function(function), stack.resources[table]) == DENIED


@pytest.mark.parametrize("function", FUNCTIONS)
def test_webhook_secret_is_readable_by_its_users_only(stack, as_function, function):
    try:
        as_function(function, "secretsmanager").get_secret_value(SecretId=stack.resources["WebhookSecret"])
        code = None
    except ClientError as error:
        code = error.response["Error"]["Code"]
    assert code == (None if function in WEBHOOK_SECRET_READERS else DENIED)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_its_publisher_may_publish_to_a_topic(stack, as_function, function):
    own = TOPICS[context(function)] if function in PUBLISHERS else None
    for topic in TOPICS.values():
        if topic != own:
            with pytest.raises(ClientError) as denied:
                as_function(function, "sns").publish(TopicArn=stack.resources[topic], Message="an isolation probe")
            assert denied.value.response["Error"]["Code"] == "AuthorizationError", topic


def outcome(call, **request):
    """The error code of a call, or None if it succeeded."""
    try:
        call(**request)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_may_write_to_logs_of_functions_only(stack, as_function, function):
    logs = as_function(function, "logs")
    own = stack.configuration(function)["LoggingConfig"]["LogGroup"]
    stream = f"an isolation probe of {function}"
    assert outcome(logs.create_log_stream, logGroupName=own, logStreamName=stream) is None
    event = {"timestamp": int(time.time() * 1000), "message": "an isolation probe"}
    assert outcome(logs.put_log_events, logGroupName=own, logStreamName=stream, logEvents=[event]) is None
    access_log = stack.resources["ApiLogGroup"]
    assert outcome(logs.create_log_stream, logGroupName=access_log, logStreamName=stream) == DENIED
    assert outcome(logs.create_log_group, logGroupName="/an-isolation-probe") == DENIED
    assert outcome(logs.filter_log_events, logGroupName=own) == DENIED
