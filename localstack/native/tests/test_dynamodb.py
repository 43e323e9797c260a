"""DynamoDB on dynoxide, through LocalStack: what a SAM application uses."""

import json
import time
import uuid

import pytest
from waiting import until

ACCOUNT = "000000000000"


@pytest.fixture(scope="module")
def dynamodb(client):
    return client("dynamodb")


@pytest.fixture
def table(dynamodb):
    """A table with an index, a stream and the item a/1 with n = 5 and kind = x."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk", "kind")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "byKind",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    dynamodb.put_item(TableName=name, Item={**key("a"), "kind": {"S": "x"}, "n": {"N": "5"}})
    yield name
    dynamodb.delete_table(TableName=name)


def key(pk):
    return {"pk": {"S": pk}, "sk": {"S": "1"}}


def item(dynamodb, table, pk):
    return dynamodb.get_item(TableName=table, Key=key(pk)).get("Item")


def records_until(client, stream, condition):
    """The records of a stream, read until one meets a condition."""
    streams = client("dynamodbstreams")
    [shard] = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    position = streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    found = []

    def read():
        nonlocal position
        page = streams.get_records(ShardIterator=position)
        position = page["NextShardIterator"]
        found.extend(page["Records"])
        return any(map(condition, found))

    until(read)
    return found


def test_table_has_arns_of_its_account_and_region(dynamodb, table):
    described = dynamodb.describe_table(TableName=table)["Table"]
    arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"
    assert described["TableArn"] == arn
    assert described["LatestStreamArn"].startswith(f"{arn}/stream/")


def test_index_query_finds_items_by_the_other_key(dynamodb, table):
    found = dynamodb.query(
        TableName=table,
        IndexName="byKind",
        KeyConditionExpression="kind = :kind",
        ExpressionAttributeValues={":kind": {"S": "x"}},
    )
    assert [each["pk"]["S"] for each in found["Items"]] == ["a"]


def test_cancelled_transaction_returns_the_item_that_failed(dynamodb, table):
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as cancelled:
        dynamodb.transact_write_items(
            TransactItems=[
                {
                    "Update": {
                        "TableName": table,
                        "Key": key("a"),
                        "UpdateExpression": "SET n = n - :amount",
                        "ConditionExpression": "n >= :amount",
                        "ExpressionAttributeValues": {":amount": {"N": "6"}},
                        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                    }
                },
                {"Put": {"TableName": table, "Item": key("b")}},
            ]
        )
    reasons = cancelled.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["ConditionalCheckFailed", "None"]
    assert reasons[0]["Item"]["n"] == {"N": "5"}
    assert item(dynamodb, table, "b") is None


def test_transaction_with_the_same_token_is_written_once(dynamodb, table):
    addition = {
        "TableName": table,
        "Key": key("a"),
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    token = str(uuid.uuid4())
    for _ in range(2):
        dynamodb.transact_write_items(ClientRequestToken=token, TransactItems=[{"Update": addition}])
    assert item(dynamodb, table, "a")["n"] == {"N": "6"}


def test_stream_has_a_record_of_each_write(client, dynamodb, table):
    stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    dynamodb.put_item(TableName=table, Item={**key("a"), "n": {"N": "7"}})
    dynamodb.delete_item(TableName=table, Key=key("a"))
    records = records_until(client, stream, lambda record: record["eventName"] == "REMOVE")
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert {record["awsRegion"] for record in records} == {"us-east-1"}
    assert records[1]["dynamodb"]["OldImage"]["n"] == {"N": "5"}
    assert records[1]["dynamodb"]["NewImage"]["n"] == {"N": "7"}


def test_expired_item_is_deleted_by_the_service(client, dynamodb, table):
    stream = dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    setting = {"Enabled": True, "AttributeName": "expiresAt"}
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=setting)
    described = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    dynamodb.put_item(TableName=table, Item={**key("old"), "expiresAt": {"N": str(int(time.time()) - 60)}})
    deletion = records_until(client, stream, lambda record: record["eventName"] == "REMOVE")[-1]
    assert deletion["userIdentity"] == {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
    assert item(dynamodb, table, "old") is None


def test_resource_policy_put_is_returned_until_deleted(dynamodb, table):
    arn = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)
    assert dynamodb.get_resource_policy(ResourceArn=arn)["Policy"] == policy
    dynamodb.delete_resource_policy(ResourceArn=arn)
    with pytest.raises(dynamodb.exceptions.PolicyNotFoundException):
        dynamodb.get_resource_policy(ResourceArn=arn)
