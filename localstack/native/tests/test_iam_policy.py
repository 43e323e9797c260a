"""Evaluation of policies: which statements apply to a request, and what they amount to."""

import pytest

from localstack_native.iam.policy import Permission, applies, is_allowed, names_principal

ROLE = "arn:aws:iam::000000000000:role/reader"
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/orders"
READ = Permission("dynamodb:GetItem", TABLE)


def statement(effect="Allow", action="dynamodb:GetItem", resource=TABLE, **elements):
    return {"Effect": effect, "Action": action, "Resource": resource} | elements


def conditional(operator, values, effect="Allow", **context):
    """Whether a statement applies whose condition is on the key `aws:Tag`."""
    conditioned = statement(effect, Condition={operator: {"aws:Tag": values}})
    return applies(conditioned, Permission("dynamodb:GetItem", TABLE, context))


def tagged(operator, values, tag, effect="Allow"):
    conditioned = statement(effect, Condition={operator: {"aws:Tag": values}})
    return applies(conditioned, Permission("dynamodb:GetItem", TABLE, {"aws:tag": tag}))


@pytest.mark.parametrize("action", ["dynamodb:GetItem", "dynamodb:getitem", "dynamodb:Get*", "dynamodb:GetIte?", "*"])
def test_action_matches_names_and_patterns_in_any_case(action):
    assert applies(statement(action=action), READ)
    assert applies(statement(action=["sqs:*", action]), READ)


@pytest.mark.parametrize("action", ["dynamodb:PutItem", "dynamodb:GetItems", "dynamodb:Get", "sqs:*"])
def test_other_action_does_not_match(action):
    assert not applies(statement(action=action), READ)


@pytest.mark.parametrize("resource", [TABLE, f"{TABLE[:-1]}?", "arn:aws:dynamodb:*:*:table/*", "*"])
def test_resource_matches_arns_and_patterns(resource):
    assert applies(statement(resource=resource), READ)


@pytest.mark.parametrize("resource", [f"{TABLE}/index/*", TABLE.upper(), TABLE.replace("-", ".")])
def test_other_resource_does_not_match(resource):
    assert not applies(statement(resource=resource), READ)


def test_not_action_matches_all_others():
    other = {"Effect": "Allow", "NotAction": ["logs:*", "xray:*"], "Resource": "*"}
    assert applies(other, READ)
    assert not applies(other, Permission("logs:PutLogEvents", "*"))


def test_not_resource_matches_all_others():
    other = {"Effect": "Allow", "Action": "*", "NotResource": TABLE}
    assert not applies(other, READ)
    assert applies(other, Permission("dynamodb:GetItem", f"{TABLE}2"))


@pytest.mark.parametrize(
    ("operator", "values", "matching", "other"),
    [
        ("StringEquals", "a*", "a*", "ab"),
        ("StringEquals", ["a", "b"], "b", "B"),
        ("StringNotEquals", "a", "b", "a"),
        ("StringEqualsIgnoreCase", "a", "A", "b"),
        ("StringNotEqualsIgnoreCase", "a", "b", "A"),
        ("StringLike", "a?c*", "abcd", "ac"),
        ("StringNotLike", "a*", "b", "ab"),
        ("ArnEquals", "arn:*:x", "arn:y:x", "arn:y"),
        ("ArnNotLike", "arn:*:x", "arn:y", "arn:y:x"),
        ("Bool", False, "false", "true"),
    ],
)
def test_condition_compares_by_its_operator(operator, values, matching, other):
    assert tagged(operator, values, matching)
    assert not tagged(operator, values, other)


@pytest.mark.parametrize(
    ("operator", "met"),
    [("StringEquals", False), ("StringEqualsIfExists", True), ("StringNotEquals", True), ("Bool", False)],
)
def test_condition_on_a_missing_key_depends_on_operator(operator, met):
    assert conditional(operator, "a") == met


def test_null_condition_tests_for_presence():
    assert conditional("Null", True)
    assert not conditional("Null", False)
    assert tagged("Null", "false", "a")


def test_unknown_operator_withholds_allow_and_upholds_deny():
    assert not tagged("DateLessThan", "2030-01-01", "2026-01-01")
    assert tagged("DateLessThan", "2030-01-01", "2026-01-01", effect="Deny")


def test_conditions_must_all_be_met():
    both = statement(Condition={"StringEquals": {"aws:A": "1"}, "StringLike": {"aws:B": "2*"}})
    assert applies(both, Permission("dynamodb:GetItem", TABLE, {"aws:a": "1", "aws:b": "22"}))
    assert not applies(both, Permission("dynamodb:GetItem", TABLE, {"aws:a": "1", "aws:b": "3"}))


def test_role_without_a_statement_is_denied():
    assert not is_allowed(READ, ROLE, identity=[])


def test_deny_overrides_allow():
    assert is_allowed(READ, ROLE, identity=[statement()])
    assert not is_allowed(READ, ROLE, identity=[statement(), statement("Deny")])


def test_boundary_limits_the_policies_of_a_role():
    assert is_allowed(READ, ROLE, [statement()], boundary=[statement()])
    assert not is_allowed(READ, ROLE, [statement()], boundary=[])
    assert not is_allowed(READ, ROLE, [statement()], boundary=[statement(), statement("Deny")])


def test_boundary_grants_nothing():
    assert not is_allowed(READ, ROLE, [], boundary=[statement()])


def test_resource_policy_denies_what_the_role_is_allowed():
    denial = statement("Deny", Principal="*")
    assert not is_allowed(READ, ROLE, [statement()], resource=[denial])


def test_resource_policy_grants_what_the_role_has_not():
    for principal in ({"AWS": ROLE}, {"AWS": "*"}, "*"):
        assert is_allowed(READ, ROLE, [], resource=[statement(Principal=principal)])


def test_boundary_limits_what_a_resource_policy_grants():
    granting = [statement(Principal={"AWS": ROLE})]
    assert not is_allowed(READ, ROLE, [], boundary=[], resource=granting)
    assert is_allowed(READ, ROLE, [], boundary=[statement()], resource=granting)


@pytest.mark.parametrize("account", ["000000000000", "arn:aws:iam::000000000000:root"])
def test_resource_policy_for_the_account_needs_a_role_policy(account):
    granting = [statement(Principal={"AWS": account})]
    assert not is_allowed(READ, ROLE, [], resource=granting)
    assert is_allowed(READ, ROLE, [statement()], resource=granting)


def test_resource_policy_for_another_role_has_no_effect():
    other = {"AWS": f"{ROLE}2"}
    assert not is_allowed(READ, ROLE, [], resource=[statement(Principal=other)])
    assert is_allowed(READ, ROLE, [statement()], resource=[statement("Deny", Principal=other)])


@pytest.mark.parametrize(
    ("element", "named"),
    [
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["x", ROLE]}}, True),
        ({"Principal": {"AWS": "000000000000"}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::000000000000:root"}}, True),
        ({"Principal": {"Service": "sns.amazonaws.com"}}, False),
        ({"NotPrincipal": {"AWS": ROLE}}, False),
        ({"NotPrincipal": {"AWS": f"{ROLE}2"}}, True),
        ({}, False),
    ],
)
def test_principal_of_a_resource_policy_names_roles(element, named):
    assert names_principal(element, ROLE) == named
