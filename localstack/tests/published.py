"""Listening in on the events that leave a context, by a subscription and queue of the test's own."""

import json
import secrets
from contextlib import contextmanager

from eventually import eventually


class Published:
    """Every event published since the subscription was made."""

    def __init__(self, sqs, queue_url):
        self._sqs = sqs
        self._queue_url = queue_url
        self.heard = []

    def of(self, aggregate_id, version):
        """The event of this version of an aggregate, once it has been published."""

        def heard():
            answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                self.heard.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
            wanted = (aggregate_id, version)
            return next((e for e in self.heard if (e["aggregateId"], e["aggregateVersion"]) == wanted), None)

        return eventually(heard)


@contextmanager
def listening(stack, topic_arn=None):
    """Everything that is published to a topic: the account side's, unless another is named."""
    topic_arn = topic_arn or stack.topic_arn
    queue_url = stack.sqs.create_queue(QueueName=f"listener-{secrets.token_hex(8)}")["QueueUrl"]
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
        yield Published(stack.sqs, queue_url)
    finally:
        stack.sns.unsubscribe(SubscriptionArn=subscription)
        stack.sqs.delete_queue(QueueUrl=queue_url)
