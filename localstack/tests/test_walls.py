"""The wall between the contexts, as enforced: each function's role, tried on every table."""

import json

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from contexts import AUDITED, DELETE, EVERY_FUNCTION, KNOW_THE_WEBHOOK_SECRET, SIGNERS, other_tables, own_tables

# A row that no table has, behind a condition that never holds: were the wall down, nothing would be written.
NOWHERE = {"pk": {"S": "WALL#probe"}, "sk": {"S": "WALL"}}
NEVER = {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}
REQUESTS = {
    "GetItem": lambda client, table: client.get_item(TableName=table, Key=NOWHERE),
    "PutItem": lambda client, table: client.put_item(TableName=table, Item=NOWHERE, **NEVER),
    "UpdateItem": lambda client, table: client.update_item(
        TableName=table,
        Key=NOWHERE,
        UpdateExpression="SET touched = :yes",
        ExpressionAttributeValues={":yes": {"BOOL": True}},
        **NEVER,
    ),
    "DeleteItem": lambda client, table: client.delete_item(TableName=table, Key=NOWHERE, **NEVER),
    "Query": lambda client, table: client.query(
        TableName=table, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": NOWHERE["pk"]}
    ),
    "Scan": lambda client, table: client.scan(TableName=table, Limit=1),
    "BatchGetItem": lambda client, table: client.batch_get_item(RequestItems={table: {"Keys": [NOWHERE]}}),
    "TransactWriteItems": lambda client, table: client.transact_write_items(
        TransactItems=[{"Put": {"TableName": table, "Item": NOWHERE, **NEVER}}]
    ),
}
# What each role demonstrably may do: the control that a refusal is the wall's, not of bad credentials.
OWN = {
    "SignupFunction": ("AccountTable", "PutItem"),
    "SigninFunction": ("AccountTable", "UpdateItem"),
    "SignoutFunction": ("AccountTable", "UpdateItem"),
    "MeFunction": ("AccountTable", "BatchGetItem"),
    "RegisterFunction": ("AccountTable", "PutItem"),
    "LoginFunction": ("AccountTable", "UpdateItem"),
    "ValidateFunction": ("AccountTable", "Query"),
    "JwksFunction": ("AccountTable", "Query"),
    "RefreshFunction": ("AccountTable", "UpdateItem"),
    "ListSessionsFunction": ("AccountTable", "Query"),
    "EndSessionFunction": ("AccountTable", "UpdateItem"),
    "ChangePasswordFunction": ("AccountTable", "UpdateItem"),
    "UpdateMeFunction": ("AccountTable", "UpdateItem"),
    "SetPersonStatusFunction": ("AccountTable", "UpdateItem"),
    "SendCodeFunction": ("AccountTable", "PutItem"),
    "ConfirmCodeFunction": ("AccountTable", "UpdateItem"),
    "RotateKeysFunction": ("SigningKeyTable", "PutItem"),
    "OpenAccountFunction": ("PaymentTable", "PutItem"),
    "ListAccountsFunction": ("PaymentTable", "GetItem"),
    "DepositFunction": ("PaymentTable", "UpdateItem"),
    "WithdrawFunction": ("PaymentTable", "UpdateItem"),
    "SendFunction": ("PaymentTable", "UpdateItem"),
    "HistoriesFunction": ("PaymentTable", "Query"),
    "GetTransferFunction": ("PaymentTable", "BatchGetItem"),
    "CreatePaymentFunction": ("PaymentTable", "PutItem"),
    "GetPaymentFunction": ("PaymentTable", "GetItem"),
    "ListPaymentsFunction": ("PaymentTable", "Query"),
    "UpdatePaymentStatusFunction": ("PaymentTable", "UpdateItem"),
    "ProviderWebhookFunction": ("PaymentTable", "BatchGetItem"),
    "SyncFunction": ("PaymentTable", "UpdateItem"),
}
WITH_A_TABLE = [function for function in EVERY_FUNCTION if own_tables(function)]


def assumed(stack, role_arn, service="dynamodb"):
    """A service with the credentials of a role."""
    credentials = stack.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="wall-test")["Credentials"]
    return boto3.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def refusal(request, client, table):
    """The code with which a request was refused, or None if it was carried out."""
    try:
        REQUESTS[request](client, table)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


@pytest.fixture(scope="module", autouse=True)
def enforced(stack):
    """IAM is enforced: a role without a policy may do nothing. Without this, the tests below would prove nothing."""
    iam = stack.client("iam")
    name = "wall-test-without-a-policy"
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    try:
        allowed = refusal("Scan", assumed(stack, role["Arn"]), stack.resources["PaymentTable"]) is None
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
    """A service, DynamoDB as a rule, with the credentials of a function's role."""
    clients = {}

    def client(logical_id, service="dynamodb"):
        if (logical_id, service) not in clients:
            function = stack.functions.get_function_configuration(FunctionName=stack.function(logical_id))
            clients[logical_id, service] = assumed(stack, function["Role"], service)
        return clients[logical_id, service]

    return client


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_a_function_is_denied_every_request_on_a_table_that_is_not_its_own(stack, as_function, function):
    for table in sorted(other_tables(function)):
        for request in REQUESTS:
            refused = refusal(request, as_function(function), stack.resources[table])
            assert refused == "AccessDeniedException", f"{function}: {request} on {table} gave {refused}"


@pytest.mark.parametrize("function", WITH_A_TABLE)
def test_a_function_may_do_its_own_work(stack, as_function, function):
    table, request = OWN[function]
    refused = refusal(request, as_function(function), stack.resources[table])
    assert refused in (None, "ConditionalCheckFailedException")


@pytest.mark.parametrize("function", WITH_A_TABLE)
def test_no_function_may_read_all_of_its_own_tables_and_few_may_delete(stack, as_function, function):
    for table in sorted(own_tables(function)):
        assert refusal("Scan", as_function(function), stack.resources[table]) == "AccessDeniedException"
        deletes = DELETE.get(function) == table
        refused = refusal("DeleteItem", as_function(function), stack.resources[table])
        assert refused == ("ConditionalCheckFailedException" if deletes else "AccessDeniedException"), table


@pytest.mark.parametrize("function", AUDITED)
def test_a_function_may_add_to_the_audit_trail_and_neither_read_nor_change_it(stack, as_function, function):
    outcomes = {
        request: refusal(request, as_function(function), stack.resources["AuditTable"]) for request in REQUESTS
    }
    adds = {"PutItem": "ConditionalCheckFailedException", "TransactWriteItems": "TransactionCanceledException"}
    assert outcomes == {request: adds.get(request, "AccessDeniedException") for request in REQUESTS}


@pytest.mark.parametrize("function", sorted(set(SIGNERS) - {"RotateKeysFunction"}))
def test_a_function_that_signs_may_read_the_private_keys_and_not_write_them(stack, as_function, function):
    table = stack.resources["SigningKeyTable"]
    assert refusal("Query", as_function(function), table) is None
    for request in ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"):
        assert refusal(request, as_function(function), table) == "AccessDeniedException"


# The topic that each of these may publish to.
PUBLISHERS = {"PublisherFunction": "AccountEventsTopic", "PaymentPublisherFunction": "PaymentEventsTopic"}

ONLY_READ = [
    "ListAccountsFunction",
    "HistoriesFunction",
    "GetTransferFunction",
    "GetPaymentFunction",
    "ListPaymentsFunction",
    "MeFunction",
    "ValidateFunction",
    "JwksFunction",
    "ListSessionsFunction",
]


@pytest.mark.parametrize("function", ONLY_READ)
def test_a_function_that_only_reads_may_not_write(stack, as_function, function):
    table, _request = OWN[function]
    for request in ("PutItem", "UpdateItem", "TransactWriteItems"):
        assert refusal(request, as_function(function), stack.resources[table]) == "AccessDeniedException"


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_only_who_signs_or_verifies_webhooks_may_read_their_secret(stack, as_function, function):
    try:
        as_function(function, "secretsmanager").get_secret_value(SecretId=stack.resources["WebhookSecret"])
        refused = None
    except ClientError as error:
        refused = error.response["Error"]["Code"]
    assert refused == (None if function in KNOW_THE_WEBHOOK_SECRET else "AccessDeniedException")


@pytest.mark.parametrize("function", EVERY_FUNCTION)
def test_only_its_publisher_may_tell_a_topic_of_events(stack, as_function, function):
    for topic in ("AccountEventsTopic", "PaymentEventsTopic"):
        if PUBLISHERS.get(function) != topic:
            with pytest.raises(ClientError) as refused:
                as_function(function, "sns").publish(TopicArn=stack.resources[topic], Message="from behind the wall")
            assert refused.value.response["Error"]["Code"] == "AuthorizationError", topic
