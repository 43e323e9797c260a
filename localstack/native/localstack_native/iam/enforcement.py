"""Refuses requests of roles that their policies do not allow.

Requests with any other credentials are those of an administrator, and requests of LocalStack to itself are not checked.
"""

import json
from functools import cache, lru_cache

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header
from moto.iam.models import Role, iam_backends
from moto.sts.models import sts_backends

from localstack_native import table_policies
from localstack_native.iam.policy import Permission, is_allowed
from localstack_native.iam.requests import permissions

PARTITION = "aws"
# Service -> error code and HTTP status. Services of the JSON protocol have another.
REFUSALS = {"s3": ("AccessDenied", 403), "sns": ("AuthorizationError", 403), "sqs": ("AccessDenied", 403)}
JSON_REFUSAL = ("AccessDeniedException", 400)


def enforce_roles() -> None:
    handlers.serve_custom_service_request_handlers.append(refuse_unless_allowed)


def refuse_unless_allowed(_chain, context: RequestContext, _response) -> None:
    """A request handler of LocalStack. Raises the error of the service if a role lacks a permission."""
    if context.is_internal_call or not context.service or not context.operation:
        return
    # Only temporary credentials have a token.
    key = extract_access_key_id_from_auth_header(context.request.headers)
    if not key or "X-Amz-Security-Token" not in context.request.headers:
        return
    role_name = assumed_role_name(context.account_id, key)
    if role_name is None:
        return
    role = find_role(context.account_id, role_name)
    needed = permissions(
        context.service.service_name,
        context.service.signing_name,
        context.operation.name,
        context.service_request or {},
        context.region,
        context.account_id,
    )
    for permission in needed:
        if role is None or not role_may(role, permission):
            code, status = REFUSALS.get(context.service.service_name, JSON_REFUSAL)
            message = f"Role {role_name} is not authorized to perform: {permission.action} on {permission.resource}"
            raise CommonServiceException(code, message, status, sender_fault=True)


@cache
def assumed_role_name(account: str, access_key: str) -> str | None:
    """The name of the role that temporary credentials were issued for, which never changes."""
    for assumed in reversed(sts_backends[account][PARTITION].assumed_roles):
        if assumed.access_key_id == access_key:
            return assumed.role_arn.rsplit("/", 1)[-1]
    return None


def find_role(account: str, name: str) -> Role | None:
    return next((role for role in iam_backends[account][PARTITION].roles.values() if role.name == name), None)


def role_may(role: Role, permission: Permission) -> bool:
    context = {"aws:principalarn": role.arn, "aws:principalisawsservice": "false"} | permission.context
    table_policy = table_policies.get(permission.resource.split("/index/")[0])
    return is_allowed(
        Permission(permission.action, permission.resource, context),
        principal=role.arn,
        identity=identity_statements(role),
        boundary=boundary_statements(role),
        resource=statements(table_policy.document) if table_policy else None,
    )


def identity_statements(role: Role) -> list[dict]:
    documents = [*role.policies.values(), *map(default_document, role.managed_policies.values())]
    return [statement for document in documents for statement in statements(as_text(document))]


def boundary_statements(role: Role) -> list[dict] | None:
    """The statements of the permissions boundary, none of them if its policy no longer exists, or None without one."""
    if not role.permissions_boundary_arn:
        return None
    policy = iam_backends[role.account_id][PARTITION].managed_policies.get(role.permissions_boundary_arn)
    return statements(as_text(default_document(policy))) if policy else []


def default_document(policy) -> str | dict:
    return next(version.document for version in policy.versions if version.is_default)


def as_text(document: str | dict) -> str:
    return document if isinstance(document, str) else json.dumps(document)


@lru_cache(1024)
def statements(document: str) -> list[dict]:
    found = json.loads(document)["Statement"]
    return found if isinstance(found, list) else [found]
