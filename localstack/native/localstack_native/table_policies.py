"""Resource-based policies of DynamoDB tables, which LocalStack does not store."""

import json
import uuid
from typing import NamedTuple

from localstack.services.cloudformation.resource_provider import OperationStatus, ProgressEvent, ResourceRequest
from localstack.services.dynamodb.resource_providers.aws_dynamodb_table import DynamoDBTableProvider
from localstack.utils.patch import patch


class TablePolicy(NamedTuple):
    document: str
    revision: str


# ARN of the table or stream -> policy.
_POLICIES: dict[str, TablePolicy] = {}


def put(arn: str, document: str) -> str:
    """Set the policy of a table. Returns its revision."""
    _POLICIES[arn] = TablePolicy(document, str(uuid.uuid4()))
    return _POLICIES[arn].revision


def get(arn: str) -> TablePolicy | None:
    return _POLICIES.get(arn)


def delete(arn: str) -> str:
    """Delete the policy of a table. Returns its revision, or an empty string if there was none."""
    policy = _POLICIES.pop(arn, None)
    return policy.revision if policy else ""


def apply_table_policies_of_templates() -> None:
    """Make CloudFormation set the property ResourcePolicy of a table, which LocalStack ignores."""

    @patch(DynamoDBTableProvider.create)
    def create(fn, self: DynamoDBTableProvider, request: ResourceRequest) -> ProgressEvent:
        event = fn(self, request)
        policy = request.desired_state.get("ResourcePolicy")
        if policy and event.status == OperationStatus.SUCCESS:
            put(event.resource_model["Arn"], json.dumps(policy["PolicyDocument"]))
        return event
