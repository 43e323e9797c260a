"""What each role may do after the SAM transform, which adds managed policies for logs and traces to the functions' own.

A permissions boundary limits those: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
"""

import pytest
from support.access_policy import KEY_ROTATION, LEDGER_AUDIT
from support.roles import MANAGED_POLICIES, boundary_of, role_of, roles, statements_of, within
from support.template import FUNCTIONS, as_list, logging_config, of_type

# Writing traces has no resource-level permissions.
ANY = ["*"]
LOG_GROUP_ARN = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
FUNCTION_LOGS = LOG_GROUP_ARN + "/${AWS::StackName}/*"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_role_has_its_own_policy_and_the_two_that_sam_adds(function):
    role = role_of(function)
    assert role.keys() <= {
        "AssumeRolePolicyDocument",
        "ManagedPolicyArns",
        "PermissionsBoundary",
        "Policies",
        "Tags",
    }
    own = [statement for policy in FUNCTIONS[function].get("Policies", []) for statement in policy["Statement"]]
    assert statements_of(role) == own
    assert set(role["ManagedPolicyArns"]) == MANAGED_POLICIES.keys()
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": ["lambda.amazonaws.com"]}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_role_may_only_write_logs_of_functions_and_traces(function):
    role = role_of(function)
    boundary = boundary_of(role)
    granted = set().union(*(MANAGED_POLICIES[arn] for arn in role["ManagedPolicyArns"]))
    assert {action: within(boundary, action) for action in granted if within(boundary, action)} == {
        "logs:CreateLogStream": [{"Fn::Sub": FUNCTION_LOGS}],
        "logs:PutLogEvents": [{"Fn::Sub": FUNCTION_LOGS}],
        "xray:PutTelemetryRecords": ANY,
        "xray:PutTraceSegments": ANY,
    }


def test_logs_of_functions_are_those_that_functions_have():
    groups = of_type("AWS::Logs::LogGroup")
    writable = {name for name, group in groups.items() if is_writable(group["LogGroupName"]["Fn::Sub"])}
    assert writable == {logging_config(function)["LogGroup"]["Ref"] for function in FUNCTIONS}


def is_writable(name):
    return (LOG_GROUP_ARN + name).startswith(FUNCTION_LOGS.removesuffix("*"))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_boundary_leaves_the_functions_own_policy_unlimited(function):
    boundary = boundary_of(role_of(function))
    for statement in statements_of(role_of(function)):
        # Both branches of a conditional one.
        for branch in statement["Fn::If"][1:] if "Fn::If" in statement else [statement]:
            for action in as_list(branch["Action"]):
                assert within(boundary, action) == ANY, action


def test_other_roles_invoke_one_scheduled_function_each():
    own = {id(role_of(function)) for function in FUNCTIONS}
    schedules = [role for role in roles().values() if id(role) not in own]
    invoked = []
    for schedule in schedules:
        assert "ManagedPolicyArns" not in schedule
        (statement,) = statements_of(schedule)
        assert (statement["Effect"], statement["Action"]) == ("Allow", "lambda:InvokeFunction")
        invoked.append(statement["Resource"])
        (trust,) = schedule["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": ["scheduler.amazonaws.com"]}
    expected = [{"Fn::GetAtt": [function, "Arn"]} for function in (KEY_ROTATION, LEDGER_AUDIT)]
    assert sorted(map(str, invoked)) == sorted(map(str, expected))
