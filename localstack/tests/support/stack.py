"""The deployed stack under test: its resources by logical id, with an administrator's clients."""

import json
import os
from functools import cached_property

import boto3
from deployment import resources_of

from support.tables import Tables

REQUIRED = ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STACK_NAME", "API_URL")
# The function by which an operator suspends and reactivates users.
SET_USER_STATUS = "SetUserStatusFunction"
OPEN_CREDIT = "OpenCreditFunction"
SET_WRITE_SHARDS = "SetWriteShardsFunction"
AUDIT_LEDGER = "AuditLedgerFunction"
SET_ACCOUNT_STATUS = "SetAccountStatusFunction"


class Stack:
    """A stack with its nested stacks. Physical names are read from CloudFormation."""

    def __init__(self, environment=os.environ, session=None):
        missing = [name for name in REQUIRED if not environment.get(name)]
        if missing:
            raise RuntimeError(f"{', '.join(missing)} not set: run the suite by `make e2e`")
        self.name = environment["STACK_NAME"]
        self.api_url = environment["API_URL"].rstrip("/")
        # None is AWS.
        self._endpoint = environment.get("AWS_ENDPOINT_URL")
        self._session = session or boto3.Session()

    def client(self, service, **credentials):
        return self._session.client(service, endpoint_url=self._endpoint, **credentials)

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
        """Logical id -> physical id, including nested stacks."""
        return resources_of(self.client("cloudformation"), self.name)

    @cached_property
    def _dynamodb(self):
        return self._session.resource("dynamodb", endpoint_url=self._endpoint)

    def table(self, logical_id):
        return self._dynamodb.Table(self.resources[logical_id])

    @cached_property
    def tables(self):
        return Tables(self)

    # --- functions ---

    def function(self, logical_id):
        """The physical name of a function."""
        return self.resources[logical_id]

    def configuration(self, logical_id):
        return self.functions.get_function_configuration(FunctionName=self.function(logical_id))

    def environment(self, logical_id):
        """The environment variables of a function."""
        return self.configuration(logical_id)["Environment"]["Variables"]

    def set_environment(self, logical_id, variables):
        """Replaces the environment variables of a function. Its next invocation is a cold start."""
        name = self.function(logical_id)
        self.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        self.functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})

    def invoke(self, logical_id, event):
        """Invokes a function with an event and returns its result. Fails if the function failed."""
        result, failed = self._invoke(logical_id, event)
        assert not failed, f"{logical_id} failed: {result}"
        return result

    def invoke_for_error(self, logical_id, event):
        """Invokes a function that is expected to fail, and returns its error message."""
        result, failed = self._invoke(logical_id, event)
        assert failed, result
        return result["errorMessage"]

    def _invoke(self, logical_id, event):
        response = self.functions.invoke(FunctionName=self.function(logical_id), Payload=json.dumps(event).encode())
        return json.loads(response["Payload"].read()), "FunctionError" in response

    def set_user_status(self, user_id, status, reason="a test"):
        """Suspends or reactivates a user, as an operator does."""
        return self.invoke(SET_USER_STATUS, {"userId": user_id, "status": status, "reason": reason})

    def freeze(self, payment_account_id):
        """Freezes an account, as an operator does."""
        event = {"paymentAccountId": payment_account_id, "status": "FROZEN", "reason": "a test"}
        return self.invoke(SET_ACCOUNT_STATUS, event)

    # --- queues and topics ---

    @cached_property
    def sync_mapping(self):
        """The id of the event source mapping from the sync queue to its function."""
        found = self.functions.list_event_source_mappings(FunctionName=self.function("SyncFunction"))
        (mapping,) = found["EventSourceMappings"]
        return mapping["UUID"]

    @cached_property
    def sync_queue_url(self):
        mapping = self.functions.get_event_source_mapping(UUID=self.sync_mapping)
        return self.queue_url(mapping["EventSourceArn"])

    @cached_property
    def account_topic_arn(self):
        """The topic of the account context's events."""
        return self.environment("PublisherFunction")["TOPIC_ARN"]

    @cached_property
    def payment_topic_arn(self):
        """The topic of the payment context's events."""
        return self.environment("PaymentPublisherFunction")["TOPIC_ARN"]

    def queue_url(self, arn):
        return self.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
