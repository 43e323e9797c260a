"""The deployed stack under test: its resources by logical id, and an administrator's clients to look behind the API."""

import os
import time
from datetime import UTC, datetime
from functools import cached_property

import boto3
import trail
from boto3.dynamodb.conditions import Key
from invoke import invoke

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
    def audit(self):
        """The audit trail."""
        return self.table("AuditTable")

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

    def move_to_shards(self, payment_account_id, amounts):
        """Puts money of an account's own balance where payments put it that meet others: into its intake shards. No engine
        here lets payments meet."""
        key = {"pk": f"ACCOUNT#{payment_account_id}"}
        for number, amount in enumerate(amounts):
            self.payments.update_item(
                Key=key | {"sk": f"INTAKE#{number}"},
                UpdateExpression="SET received = received + :amount, headroom = headroom - :amount",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":amount": amount},
            )
        self.payments.update_item(
            Key=key | {"sk": "ACCOUNT"},
            UpdateExpression="SET balance = balance - :sum, available = available - :sum, headroom = headroom + :sum",
            ExpressionAttributeValues={":sum": sum(amounts)},
        )

    def freeze(self, payment_account_id):
        """Stops an account and its intake shards, as an administrator: no endpoint does that yet."""
        items = self.payments.query(KeyConditionExpression=Key("pk").eq(f"ACCOUNT#{payment_account_id}"))["Items"]
        assert items, payment_account_id
        for item in items:
            self.payments.update_item(
                Key={"pk": item["pk"], "sk": item["sk"]},
                UpdateExpression="SET #status = :frozen",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":frozen": "FROZEN"},
            )

    def audit_of(self, user_id, kind=None):
        """What the audit trail tells of a person, oldest first: all of it, or what is of one kind."""
        found = trail.ask(self, "what happened to a person", USER_ID=user_id, FROM="0", TO="9")
        return [record for record in found if kind in (None, record["kind"])]

    def set_person_status(self, user_id, status, reason="a test"):
        """Suspends a person, or lets them act again, as an operator does."""
        return invoke(self, "SetPersonStatusFunction", {"userId": user_id, "status": status, "reason": reason})

    def session(self, somebody):
        """The session that somebody's token is of, as the account side keeps it."""
        return self.accounts.get_item(Key=session_key(somebody), ConsistentRead=True)["Item"]

    def change_session(self, somebody, **attributes):
        """Changes attributes of that session, as an administrator: so that a test need not wait for its time to pass."""
        self.accounts.update_item(
            Key=session_key(somebody),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def backdate_rotation(self, somebody, seconds):
        """Makes the last rotation of somebody's refresh token as old as that."""
        rotation = self.session(somebody)["rotation"]
        self.change_session(somebody, rotation=rotation | {"at": timestamp(time.time() - seconds)})

    def attempts(self, identifier):
        """How many attempts to sign in by `{"email": ...}` or `{"phone": ...}` are counted, or None."""
        item = self.accounts.get_item(Key=identifier_key(identifier), ConsistentRead=True)["Item"]
        return item.get("attempts")

    def set_last_attempt(self, identifier, attempts, seconds_ago):
        """Makes it so many attempts by an identifier, the last so long ago. One at least must have been made."""
        self.accounts.update_item(
            Key=identifier_key(identifier),
            UpdateExpression="SET attempts = :attempts, lastAttemptAt = :at",
            ConditionExpression="attribute_exists(attempts)",
            ExpressionAttributeValues={":attempts": attempts, ":at": int((time.time() - seconds_ago) * 1000)},
        )

    def set_last_reauthentication(self, user_id, seconds_ago):
        """Makes the last attempt of somebody who is signed in to show their password one of so long ago."""
        self.accounts.update_item(
            Key={"pk": f"USER#{user_id}", "sk": "ATTEMPTS"},
            UpdateExpression="SET lastAttemptAt = :at",
            ConditionExpression="attribute_exists(attempts)",
            ExpressionAttributeValues={":at": int((time.time() - seconds_ago) * 1000)},
        )

    def verification(self, somebody, identifier):
        """What the account side keeps of the codes that somebody was sent for their "email" or "phone"."""
        return self.accounts.get_item(Key=verification_key(somebody, identifier), ConsistentRead=True)["Item"]

    def backdate_codes(self, somebody, identifier, older):
        """Makes the codes that somebody was sent older by so many seconds."""
        item = self.verification(somebody, identifier)
        times = [timestamp(seconds(time) - older) for time in item["sentAt"]]
        self.accounts.update_item(
            Key=verification_key(somebody, identifier),
            UpdateExpression="SET sentAt = :times, codeExpiresAt = codeExpiresAt - :older",
            ExpressionAttributeValues={":times": times, ":older": older * 1000},
        )

    def signing_key_items(self, table):
        return table.query(KeyConditionExpression=Key("pk").eq("SIGNING_KEYS"), ConsistentRead=True)["Items"]


def timestamp(seconds):
    """A time, in seconds since 1970, as the tables hold it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text):
    """A time as the tables and the API have it, in seconds since 1970."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def session_key(somebody):
    return {"pk": f"USER#{somebody.id}", "sk": f"SESSION#{somebody.session_id}"}


def verification_key(somebody, identifier):
    return {"pk": f"USER#{somebody.id}", "sk": f"VERIFICATION#{identifier}"}


def identifier_key(identifier):
    """Where the account side keeps what somebody signs in by: `{"email": ...}` or `{"phone": ...}`."""
    ((kind, value),) = identifier.items()
    return {"pk": f"IDENTIFIER#{kind}#{value}", "sk": "IDENTIFIER"}


def scan(table):
    """Every item of a table, read consistently."""
    request = {"ConsistentRead": True}
    while True:
        page = table.scan(**request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
