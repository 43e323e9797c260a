"""Refuses requests of roles that their policies do not allow.

Requests with any other credentials are those of an administrator, and requests of LocalStack to itself are not checked.
"""

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.utils.aws.request_context import extract_access_key_id_from_auth_header

from localstack_native import table_policies
from localstack_native.iam.policy import Permission, is_allowed
from localstack_native.iam.requests import permissions
from localstack_native.iam.roles import Role, find_role, observe, role_name_of, statements

# Service -> error code and HTTP status. Services of the JSON protocol have another.
REFUSALS = {"s3": ("AccessDenied", 403), "sns": ("AuthorizationError", 403), "sqs": ("AccessDenied", 403)}
JSON_REFUSAL = ("AccessDeniedException", 400)


def enforce_roles() -> None:
    handlers.run_custom_response_handlers.append(observe)
    handlers.serve_custom_service_request_handlers.append(refuse_unless_allowed)


def refuse_unless_allowed(_chain, context: RequestContext, _response) -> None:
    """A request handler of LocalStack. Raises the error of the service if a role lacks a permission."""
    if context.is_internal_call or not context.service or not context.operation:
        return
    key = extract_access_key_id_from_auth_header(context.request.headers)
    name = role_name_of(key) if key else None
    if name is None:
        return
    role = find_role(context.account_id, name)
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
            message = f"Role {name} is not authorized to perform: {permission.action} on {permission.resource}"
            raise CommonServiceException(code, message, status, sender_fault=True)


def role_may(role: Role, permission: Permission) -> bool:
    context = {"aws:principalarn": role.arn, "aws:principalisawsservice": "false"} | permission.context
    table_policy = table_policies.get(permission.resource.split("/index/")[0])
    return is_allowed(
        Permission(permission.action, permission.resource, context),
        principal=role.arn,
        identity=role.identity,
        boundary=role.boundary,
        resource=statements(table_policy.document) if table_policy else None,
    )
