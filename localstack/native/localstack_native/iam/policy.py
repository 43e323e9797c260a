"""Evaluation of IAM policies for one request of a role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

IF_EXISTS = "IfExists"
# Operator -> whether its values are patterns with `*` and `?`, case is ignored, and the result is negated. In AWS
# ArnEquals and ArnLike are the same. A `*` in an ARN may span colons here, unlike in AWS.
OPERATORS = {
    "StringEquals": (False, False, False),
    "StringNotEquals": (False, False, True),
    "StringEqualsIgnoreCase": (False, True, False),
    "StringNotEqualsIgnoreCase": (False, True, True),
    "StringLike": (True, False, False),
    "StringNotLike": (True, False, True),
    "ArnEquals": (True, False, False),
    "ArnLike": (True, False, False),
    "ArnNotEquals": (True, False, True),
    "ArnNotLike": (True, False, True),
    "Bool": (False, True, False),
}


@dataclass(frozen=True)
class Permission:
    """An action on a resource, as the ARN of it or `*`, in a context of condition keys, in lower case."""

    action: str
    resource: str
    context: dict[str, str] = field(default_factory=dict)


def is_allowed(
    permission: Permission,
    principal: str,
    identity: list[dict],
    boundary: list[dict] | None = None,
    resource: list[dict] | None = None,
) -> bool:
    """Whether policies permit a role to do something. The lists are statements.

    `principal` is the ARN of the role. `identity` are the role's policies, `boundary` is its permissions boundary if it
    has one, which limits all grants, and `resource` is the policy of the resource, in the same account. A grant to the
    account there leaves the decision to the role's policies.
    """
    own = [statement for statement in resource or [] if names_principal(statement, principal)]
    granted = effects(identity, permission)
    limited = effects(boundary, permission) if boundary is not None else {"Allow"}
    shared = effects(own, permission)
    if "Deny" in granted | limited | shared:
        return False
    to_role = effects([statement for statement in own if not names_account_only(statement, principal)], permission)
    return "Allow" in limited and "Allow" in granted | to_role


def effects(statements: list[dict], permission: Permission) -> set[str]:
    return {statement["Effect"] for statement in statements if applies(statement, permission)}


def applies(statement: dict, permission: Permission) -> bool:
    """Whether the action, the resource and the conditions of a statement match. The principal is not considered."""
    return (
        _selects(statement, "Action", permission.action, ignore_case=True)
        and _selects(statement, "Resource", permission.resource)
        and all(
            _holds(operator, key.lower(), _listed(values), permission.context, statement["Effect"])
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def names_principal(statement: dict, principal: str) -> bool:
    """Whether a statement of a resource's policy applies to a role. An account id or root ARN names all its roles."""
    if "NotPrincipal" in statement:
        return not names_principal({"Principal": statement["NotPrincipal"]}, principal)
    named = statement.get("Principal", {})
    if named == "*":
        return True
    return any(name in ("*", principal, *account_names(principal)) for name in _listed(named.get("AWS", [])))


def names_account_only(statement: dict, principal: str) -> bool:
    """Whether a statement that applies to a role names its account, and neither the role nor everyone."""
    named = statement.get("Principal")
    return isinstance(named, dict) and not {"*", principal} & set(_listed(named.get("AWS", [])))


def account_names(principal: str) -> tuple[str, str]:
    """The two forms in which a policy can name the account of a role."""
    account = principal.split(":")[4]
    return account, f"arn:aws:iam::{account}:root"


def _selects(statement: dict, element: str, value: str, ignore_case: bool = False) -> bool:
    """Whether Action or Resource, or NotAction or NotResource, match. A resource's policy may have no Resource."""
    if f"Not{element}" in statement:
        return not _matches_any(_listed(statement[f"Not{element}"]), value, True, ignore_case)
    return _matches_any(_listed(statement.get(element, "*")), value, True, ignore_case)


def _holds(operator: str, key: str, values: list[str], context: dict[str, str], effect: str) -> bool:
    """Whether a condition is met. One that cannot be evaluated withholds an Allow and upholds a Deny."""
    name = operator.removesuffix(IF_EXISTS)
    if name == "Null":
        return _matches_any(values, str(key not in context).lower(), False, True)
    if name not in OPERATORS:
        return effect == "Deny"
    patterns, ignore_case, negated = OPERATORS[name]
    if key not in context:
        return negated or name != operator
    return _matches_any(values, context[key], patterns, ignore_case) != negated


def _matches_any(values: list[str], text: str, patterns: bool, ignore_case: bool) -> bool:
    return any(_compiled(value, patterns, ignore_case).fullmatch(text) for value in values)


@lru_cache(4096)
def _compiled(value: str, pattern: bool, ignore_case: bool) -> re.Pattern:
    escaped = re.escape(value)
    if pattern:
        escaped = escaped.replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _listed(value) -> list[str]:
    """A value or a list of values as a list of texts. JSON may have booleans and numbers."""
    values = value if isinstance(value, list) else [value]
    return [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
