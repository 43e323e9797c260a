"""CloudFormation stacks for tests."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager


def put(cloudformation, name: str, resources: dict, change: str) -> None:
    """Create or update a stack and wait for it. `change` is `create` or `update`."""
    template = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})
    getattr(cloudformation, f"{change}_stack")(
        StackName=name, TemplateBody=template, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    waiter = cloudformation.get_waiter(f"stack_{change}_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def delete(cloudformation, name: str) -> None:
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )


@contextmanager
def stack(cloudformation, resources: dict) -> Iterator[str]:
    """A stack for the duration of a `with` block."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    put(cloudformation, name, resources, "create")
    try:
        yield name
    finally:
        delete(cloudformation, name)


def physical_id(cloudformation, name: str, logical_id: str) -> str:
    detail = cloudformation.describe_stack_resource(StackName=name, LogicalResourceId=logical_id)
    return detail["StackResourceDetail"]["PhysicalResourceId"]
