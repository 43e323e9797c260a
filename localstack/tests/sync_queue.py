"""The queue between the contexts, and the function that empties it: pausing, filling and watching them."""

import json
from contextlib import contextmanager

from eventually import eventually

# Short enough to see a message through all its deliveries within a test.
SHORT_VISIBILITY_SECONDS = 1


def set_mapping(stack, enabled):
    stack.functions.update_event_source_mapping(UUID=stack.sync_mapping, Enabled=enabled)
    wanted = "Enabled" if enabled else "Disabled"
    eventually(lambda: stack.functions.get_event_source_mapping(UUID=stack.sync_mapping)["State"] == wanted)


@contextmanager
def stopped_sync(stack):
    """The sync function gets no messages until the end of the block; they wait in the queue."""
    set_mapping(stack, enabled=False)
    try:
        yield
    finally:
        set_mapping(stack, enabled=True)


@contextmanager
def quick_redelivery(stack):
    """A message that failed comes back after a second, instead of after the minutes that production allows."""
    attribute = "VisibilityTimeout"
    current = stack.sqs.get_queue_attributes(QueueUrl=stack.sync_queue_url, AttributeNames=[attribute])["Attributes"]
    stack.sqs.set_queue_attributes(
        QueueUrl=stack.sync_queue_url, Attributes={attribute: str(SHORT_VISIBILITY_SECONDS)}
    )
    try:
        yield
    finally:
        stack.sqs.set_queue_attributes(QueueUrl=stack.sync_queue_url, Attributes=current)


def send(stack, *bodies):
    """Puts message bodies on the queue, in one batch. A dict goes as JSON."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
    answer = stack.sqs.send_message_batch(QueueUrl=stack.sync_queue_url, Entries=entries)
    assert not answer.get("Failed"), answer["Failed"]


def await_drained(stack):
    """Waits until every message on the queue has been dealt with."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def left():
        answer = stack.sqs.get_queue_attributes(QueueUrl=stack.sync_queue_url, AttributeNames=counts)
        return {name: count for name, count in answer["Attributes"].items() if int(count)}

    eventually(lambda: not left())


def await_dead_letter(stack, body):
    """Waits for a message with this body in the queue's dead-letter queue, and takes it out."""
    answer = stack.sqs.get_queue_attributes(QueueUrl=stack.sync_queue_url, AttributeNames=["RedrivePolicy"])
    redrive = json.loads(answer["Attributes"]["RedrivePolicy"])
    dead_letters = stack.queue_url(redrive["deadLetterTargetArn"])

    def dead():
        received = stack.sqs.receive_message(QueueUrl=dead_letters, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in received.get("Messages", []):
            if message["Body"] == body:
                stack.sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
                return True
        return False

    eventually(dead, deadline_seconds=60)


def record(message_id, body):
    """One record of the batch that the queue hands to the function."""
    return {
        "messageId": message_id,
        "receiptHandle": "none",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:sync",
        "awsRegion": "eu-west-1",
    }
