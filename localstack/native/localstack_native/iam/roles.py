"""Roles with their policies, and the temporary credentials issued for them, as LocalStack's own APIs report them."""

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

from localstack.aws.api import RequestContext
from localstack.aws.connect import connect_to

# IAM is global. LocalStack's clients need a region nevertheless.
REGION = "us-east-1"
READS = ("Get", "List", "Simulate", "Generate")


@dataclass(frozen=True)
class Role:
    """The statements of a role's policies, and those of its permissions boundary, if it has one."""

    arn: str
    identity: list[dict]
    boundary: list[dict] | None


# Access key -> the name of the role that it was issued for.
_ISSUED: dict[str, str] = {}
_changes = count(1)
_version = 0


def observe(_chain, context: RequestContext, _response) -> None:
    """A response handler of LocalStack: notes issued credentials, and changes of IAM."""
    if context.service is None or context.operation is None:
        return
    if context.service.service_name == "iam" and not context.operation.name.startswith(READS):
        global _version
        _version = next(_changes)
    if context.service.service_name == "sts":
        response = context.service_response or {}
        if "AssumedRoleUser" in response:
            # arn:aws:sts::<account>:assumed-role/<role>/<session>
            _ISSUED[response["Credentials"]["AccessKeyId"]] = response["AssumedRoleUser"]["Arn"].split("/")[1]


def role_name_of(access_key: str) -> str | None:
    """The name of the role that an access key was issued for, or None if it was issued for none."""
    return _ISSUED.get(access_key)


def find_role(account: str, name: str) -> Role | None:
    """A role as IAM has it now, or None if it does not exist."""
    return _load(account, name, _version)


@lru_cache(1024)
def _load(account: str, name: str, _version: int) -> Role | None:
    iam = connect_to(aws_access_key_id=account, region_name=REGION).iam
    try:
        role = iam.get_role(RoleName=name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None

    def managed(arn: str) -> dict | str:
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]

    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    documents = [
        *(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"] for policy in inline),
        *(managed(policy["PolicyArn"]) for policy in attached),
    ]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return Role(
        arn=role["Arn"],
        identity=[statement for document in documents for statement in statements(document)],
        boundary=statements(managed(boundary)) if boundary else None,
    )


def statements(document: dict | str) -> list[dict]:
    """The statements of a policy document, parsed or as JSON."""
    found = (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return found if isinstance(found, list) else [found]
