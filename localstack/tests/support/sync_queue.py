"""The queue of account events that the payment context reads: pausing, filling and draining it."""

import json
from contextlib import contextmanager

from support.waiting import wait_until

# Short enough for a message to go through all its deliveries within a test.
SHORT_VISIBILITY_SECONDS = 1


def set_mapping(stack, enabled):
    stack.functions.update_event_source_mapping(UUID=stack.sync_mapping, Enabled=enabled)
    expected = "Enabled" if enabled else "Disabled"
    wait_until(lambda: stack.functions.get_event_source_mapping(UUID=stack.sync_mapping)["State"] == expected)


@contextmanager
def paused_sync(stack):
    """Disables the event source mapping until the end of the block. Messages wait in the queue."""
    set_mapping(stack, enabled=False)
    try:
        yield
    finally:
        set_mapping(stack, enabled=True)


@contextmanager
def quick_redelivery(stack, seconds=SHORT_VISIBILITY_SECONDS):
    """Redelivers a failed message after `seconds` instead of minutes."""
    attribute = "VisibilityTimeout"
    current = stack.sqs.get_queue_attributes(QueueUrl=stack.sync_queue_url, AttributeNames=[attribute])["Attributes"]
    stack.sqs.set_queue_attributes(QueueUrl=stack.sync_queue_url, Attributes={attribute: str(seconds)})
    try:
        yield
    finally:
        stack.sqs.set_queue_attributes(QueueUrl=stack.sync_queue_url, Attributes=current)


def send(stack, *bodies):
    """Sends message bodies to the queue in one batch. A dict is sent as JSON."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    entries = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
    response = stack.sqs.send_message_batch(QueueUrl=stack.sync_queue_url, Entries=entries)
    assert not response.get("Failed"), response["Failed"]


def messages_in(stack, queue_url):
    """The number of visible and of in-flight messages. The first is what alarms watch."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = stack.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=counts)["Attributes"]
    return tuple(int(attributes[name]) for name in counts)


def await_drained(stack):
    """Waits until the queue has neither visible nor in-flight messages."""
    wait_until(lambda: messages_in(stack, stack.sync_queue_url) == (0, 0))


def dead_letters_of(stack):
    """The URL of the dead-letter queue."""
    response = stack.sqs.get_queue_attributes(QueueUrl=stack.sync_queue_url, AttributeNames=["RedrivePolicy"])
    return stack.queue_url(json.loads(response["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"])


def await_dead_letter(stack, body):
    """Waits for a message with this body in the dead-letter queue and deletes it there."""
    dead_letters = dead_letters_of(stack)

    def received():
        response = stack.sqs.receive_message(QueueUrl=dead_letters, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in response.get("Messages", []):
            if message["Body"] == body:
                stack.sqs.delete_message(QueueUrl=dead_letters, ReceiptHandle=message["ReceiptHandle"])
                return True
        return False

    wait_until(received, deadline_seconds=60)


def record(message_id, body):
    """A record of the batch event that SQS invokes the function with."""
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
