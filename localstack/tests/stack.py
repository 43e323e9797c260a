"""The deployed stack under test: its resources by logical id, and an administrator's clients to look behind the API."""

import os
from functools import cached_property

import boto3
from boto3.dynamodb.conditions import Key

REQUIRED = ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STACK_NAME", "API_URL")


class Stack:
    """One stack, nested stacks included. Physical names come from CloudFormation, never from a guess."""

    def __init__(self, environment=os.environ):
        missing = [name for name in REQUIRED if not environment.get(name)]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not set: run the suite by `make e2e`")
        self.name = environment["STACK_NAME"]
        self.api_url = environment["API_URL"].rstrip("/")
        self._session = boto3.Session()

    def client(self, service, **credentials):
        return self._session.client(service, **credentials)

    @cached_property
    def dynamodb(self):
        return self._session.resource("dynamodb")

    @cached_property
    def functions(self):
        return self.client("lambda")

    @cached_property
    def sqs(self):
        return self.client("sqs")

    @cached_property
    def sns(self):
        return self.client("sns")

    @cached_property
    def resources(self):
        """Logical id -> physical id, of the stack and the stacks nested in it."""
        cloudformation = self.client("cloudformation")
        found, waiting = {}, [self.name]
        while waiting:
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=waiting.pop())
            for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
                if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                    waiting.append(resource["PhysicalResourceId"])
                found[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
        return found

    def table(self, logical_id):
        return self.dynamodb.Table(self.resources[logical_id])

    @cached_property
    def accounts(self):
        """The account context's table."""
        return self.table("AccountTable")

    @cached_property
    def signing_keys(self):
        """The private halves of the signing keys."""
        return self.table("SigningKeyTable")

    @cached_property
    def payments(self):
        """The payment context's table."""
        return self.table("PaymentTable")

    def function(self, logical_id):
        """The physical name of a function."""
        return self.resources[logical_id]

    @cached_property
    def sync_mapping(self):
        """The id of the event source mapping that feeds the sync function from the queue."""
        found = self.functions.list_event_source_mappings(FunctionName=self.function("SyncFunction"))
        (mapping,) = found["EventSourceMappings"]
        return mapping["UUID"]

    @cached_property
    def sync_queue_url(self):
        """The queue that the sync function reads."""
        mapping = self.functions.get_event_source_mapping(UUID=self.sync_mapping)
        return self.queue_url(mapping["EventSourceArn"])

    @cached_property
    def topic_arn(self):
        """The topic that the account side's publisher publishes to."""
        return self.environment("PublisherFunction")["TOPIC_ARN"]

    @cached_property
    def payment_topic_arn(self):
        """The topic that the payment side's publisher publishes to."""
        return self.environment("PaymentPublisherFunction")["TOPIC_ARN"]

    def environment(self, logical_id):
        """What a function is told by its environment."""
        configuration = self.functions.get_function_configuration(FunctionName=self.function(logical_id))
        return configuration["Environment"]["Variables"]

    def queue_url(self, arn):
        return self.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]

    def replica(self, user_id):
        """The payment side's copy of a user, or None."""
        key = {"pk": f"USER#{user_id}", "sk": "USER"}
        return self.payments.get_item(Key=key, ConsistentRead=True).get("Item")

    def payment_account(self, payment_account_id):
        key = {"pk": f"ACCOUNT#{payment_account_id}", "sk": "ACCOUNT"}
        return self.payments.get_item(Key=key, ConsistentRead=True)["Item"]

    def freeze(self, payment_account_id):
        """Stops an account, as an administrator: no endpoint does that yet."""
        self.payments.update_item(
            Key={"pk": f"ACCOUNT#{payment_account_id}", "sk": "ACCOUNT"},
            UpdateExpression="SET #status = :frozen",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":frozen": "FROZEN"},
        )

    def revoke_session(self, payment_account_id, session_id):
        """Fences one session off an account, as an administrator."""
        self.payments.update_item(
            Key={"pk": f"ACCOUNT#{payment_account_id}", "sk": "ACCOUNT"},
            UpdateExpression="ADD revokedSessions :session",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":session": {session_id}},
        )

    def raise_epoch(self, user_id):
        """Revokes all of a person's sessions, as an administrator: no endpoint does that yet."""
        self.accounts.update_item(
            Key={"pk": f"USER#{user_id}", "sk": "PROFILE"},
            UpdateExpression="ADD epoch :one, version :one",
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeValues={":one": 1},
        )

    def signing_key_items(self, table):
        return table.query(KeyConditionExpression=Key("pk").eq("SIGNING_KEYS"), ConsistentRead=True)["Items"]


def scan(table):
    """Every item of a table, read consistently."""
    request = {"ConsistentRead": True}
    while True:
        page = table.scan(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
