"""Subscriptions to the events that a context publishes, each with an SQS queue of its own."""

import json
import secrets
from contextlib import contextmanager

from support.waiting import wait_until


class Subscription:
    """The events published since the subscription was made."""

    def __init__(self, sqs, queue_url):
        self._sqs = sqs
        self._queue_url = queue_url
        self.received = []

    def event(self, aggregate_id, version):
        """Waits for the event of this version of an aggregate."""

        def published():
            response = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in response.get("Messages", []):
                self.received.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            expected = (aggregate_id, version)
            return next((e for e in self.received if (e["aggregateId"], e["aggregateVersion"]) == expected), None)

        return wait_until(published)


@contextmanager
def subscribe(stack, topic_arn):
    """Subscribes to a topic until the end of the block."""
    queue_url = stack.sqs.create_queue(QueueName=f"subscriber-{secrets.token_hex(8)}")["QueueUrl"]
    attributes = stack.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": attributes["QueueArn"],
                "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
            }
        ],
    }
    stack.sqs.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": json.dumps(policy)})
    subscription = stack.sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=attributes["QueueArn"],
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    try:
        yield Subscription(stack.sqs, queue_url)
    finally:
        stack.sns.unsubscribe(SubscriptionArn=subscription)
        stack.sqs.delete_queue(QueueUrl=queue_url)
