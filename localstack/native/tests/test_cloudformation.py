"""Deletion policies of CloudFormation."""

import pytest
from stacks import physical_id, stack


@pytest.mark.parametrize(
    ("policy", "retained"),
    [("Retain", True), ("RetainExceptOnCreate", True), ("Delete", False)],
)
def test_deletion_policy_decides_what_outlives_its_stack(client, policy, retained):
    resources = {"Queue": {"Type": "AWS::SQS::Queue", "DeletionPolicy": policy}}
    with stack(client("cloudformation"), resources) as name:
        url = physical_id(client("cloudformation"), name, "Queue")
    assert (url in client("sqs").list_queues(QueueNamePrefix=name).get("QueueUrls", [])) == retained
