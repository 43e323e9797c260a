"""`make redrive`: moves the messages of a dead-letter queue of the running stack back to the queue that failed on them.

docs/security/runbook.md has the commands for AWS.
"""

import json
import os
import time

from botocore.exceptions import ClientError
from console import Failure, echo, main
from deployment import resources_of, session
from pidfile import require
from settings import STACK_NAME

QUEUE = "SyncDeadLetterQueue"
MOVE_SECONDS = 60
# How long a received message stays invisible: longer than it takes to send and delete a batch.
VISIBILITY_SECONDS = 30


def attribute(sqs, url: str, name: str) -> str | None:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name]).get("Attributes", {}).get(name)


def source_of(sqs, dead_letters: str) -> str:
    """The URL of the queue whose dead-letter queue this is."""
    arn = attribute(sqs, dead_letters, "QueueArn")
    urls = [url for page in sqs.get_paginator("list_queues").paginate() for url in page.get("QueueUrls", [])]
    for url in urls:
        policy = json.loads(attribute(sqs, url, "RedrivePolicy") or "{}")
        if policy.get("deadLetterTargetArn") == arn:
            return url
    raise Failure(f"{dead_letters.rsplit('/', 1)[1]} is the dead-letter queue of no queue")


def redrive(sqs, dead_letters: str) -> int:
    """Move every message, each at least once. Returns how many were moved.

    The destination is explicit, because SQS does not know the source of messages that SNS put into the queue itself.
    """
    source = source_of(sqs, dead_letters)
    try:
        started = sqs.start_message_move_task(
            SourceArn=attribute(sqs, dead_letters, "QueueArn"), DestinationArn=attribute(sqs, source, "QueueArn")
        )
    except ClientError as error:
        # MiniStack does not have the action.
        if error.response["Error"]["Code"] != "InvalidAction":
            raise
        return move(sqs, dead_letters, source)
    return await_move(sqs, attribute(sqs, dead_letters, "QueueArn"), started["TaskHandle"])


def await_move(sqs, source_arn: str, handle: str) -> int:
    """Wait for a task of SQS. Returns how many messages it has moved."""
    deadline = time.monotonic() + MOVE_SECONDS
    while time.monotonic() < deadline:
        task = sqs.list_message_move_tasks(SourceArn=source_arn)["Results"][0]
        if task["Status"] == "COMPLETED":
            return task["ApproximateNumberOfMessagesMoved"]
        if task["Status"] != "RUNNING":
            raise Failure(f"the task {handle} is {task['Status']}: {task.get('FailureReason')}")
        time.sleep(0.1)
    raise Failure(f"the task {handle} still moves messages after {MOVE_SECONDS} seconds")


def move(sqs, source: str, destination: str) -> int:
    """Send each message, and delete it only then. One that fails again meanwhile is not moved again."""
    sent: set[str] = set()
    while True:
        received = sqs.receive_message(
            QueueUrl=source,
            MaxNumberOfMessages=10,
            VisibilityTimeout=VISIBILITY_SECONDS,
            # Without a wait, SQS asks only some of its servers.
            WaitTimeSeconds=1,
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            return len(sent)
        for message in received:
            if message["MessageId"] in sent:
                continue
            copy = sqs.send_message(
                QueueUrl=destination,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
            )
            sent.add(copy["MessageId"])
            sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])


def script() -> None:
    endpoint = require().cloud.endpoint
    name = os.environ.get("QUEUE") or QUEUE
    queues = resources_of(session().client("cloudformation", endpoint_url=endpoint), STACK_NAME)
    if "DeadLetterQueue" not in name or name not in queues:
        known = sorted(queue for queue in queues if queue.endswith("DeadLetterQueue"))
        raise Failure(f"QUEUE={name}: use one of {', '.join(known)}")
    count = redrive(session().client("sqs", endpoint_url=endpoint), queues[name])
    echo(f"moved {count} messages of {name}")


if __name__ == "__main__":
    main(script)
