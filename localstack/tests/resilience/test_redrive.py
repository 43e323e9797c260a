"""`make redrive` between two queues of its own: every message is moved, with its attributes, and none is lost."""

import json
import uuid

import pytest
from console import Failure
from redrive import attribute, move, redrive
from support.sync_queue import messages_in

ATTRIBUTES = {"type": {"DataType": "String", "StringValue": "user:created"}}


@pytest.fixture
def queues(stack):
    """The URLs of a queue and of its dead-letter queue."""
    name = f"redrive-{uuid.uuid4().hex}"
    dead_letters = stack.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": attribute(stack.sqs, dead_letters, "QueueArn"), "maxReceiveCount": 1}
    attributes = {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "0"}
    queue = stack.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    yield queue, dead_letters
    for url in (queue, dead_letters):
        stack.sqs.delete_queue(QueueUrl=url)


def received(stack, url):
    """Every message of a queue, which are deleted."""
    found = []
    while messages := stack.sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=30
    ).get("Messages"):
        for message in messages:
            stack.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        found += messages
    return found


def test_redrive_moves_every_message_with_its_attributes(stack, queues):
    queue, dead_letters = queues
    for number in range(23):
        stack.sqs.send_message(QueueUrl=dead_letters, MessageBody=str(number), MessageAttributes=ATTRIBUTES)
    assert redrive(stack.sqs, dead_letters) == 23
    moved = received(stack, queue)
    assert sorted(int(message["Body"]) for message in moved) == list(range(23))
    assert all(message["MessageAttributes"] == ATTRIBUTES for message in moved)
    assert received(stack, dead_letters) == []


class Disturbed:
    """A client of SQS, with `disturbance` instead of its own send_message."""

    def __init__(self, sqs, disturbance):
        self._sqs = sqs
        self.send_message = disturbance

    def __getattr__(self, name):
        return getattr(self._sqs, name)


def test_message_that_cannot_be_sent_stays(stack, queues):
    queue, dead_letters = queues
    stack.sqs.send_message(QueueUrl=dead_letters, MessageBody="kept")

    def refuse(**_):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        move(Disturbed(stack.sqs, refuse), dead_letters, queue)
    assert messages_in(stack, dead_letters) == (0, 1)


def test_message_that_fails_again_is_moved_once(stack, queues):
    queue, dead_letters = queues
    stack.sqs.send_message(QueueUrl=dead_letters, MessageBody="still poison")

    sent = []

    def send_to_failing_consumer(**message):
        assert not sent, "moved again"
        sent.append(stack.sqs.send_message(**message))
        # The second receive finds that the only delivery has failed.
        for _ in range(2):
            stack.sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)
        return sent[0]

    assert move(Disturbed(stack.sqs, send_to_failing_consumer), dead_letters, queue) == 1
    assert sum(messages_in(stack, dead_letters)) == 1


def test_redrive_of_an_empty_queue_moves_nothing(stack, queues):
    assert redrive(stack.sqs, queues[1]) == 0


def test_redrive_from_a_queue_without_source_is_rejected(stack, queues):
    with pytest.raises(Failure, match="dead-letter queue of no queue"):
        redrive(stack.sqs, queues[0])
