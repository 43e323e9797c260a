"""The roles of the functions as CloudFormation creates them: what the SAM transform makes of template.yaml.

SAM adds managed policies to each role, which template.yaml does not show.
"""

from fnmatch import fnmatchcase

from support.template import as_list, transformed

# The actions of AWS's managed policies, each on all resources:
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
MANAGED_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": {
        "logs:CreateLogGroup",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    },
    "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess": {
        "xray:GetSamplingRules",
        "xray:GetSamplingStatisticSummaries",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    },
}


def roles():
    """The properties of every role, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in transformed()["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }


def role_of(function):
    role = transformed()["Resources"][function]["Properties"]["Role"]["Fn::GetAtt"][0]
    return roles()[role]


def statements_of(role):
    """The statements of a role's own policies."""
    return [statement for policy in role.get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]


def boundary_of(role):
    """The statements of a role's permissions boundary, which limits what its policies grant."""
    boundary = transformed()["Resources"][role["PermissionsBoundary"]["Ref"]]
    return boundary["Properties"]["PolicyDocument"]["Statement"]


def within(boundary, action):
    """The resources on which a boundary permits an action."""
    return [
        resource for statement in boundary if covers(statement, action) for resource in as_list(statement["Resource"])
    ]


def covers(statement, action):
    if "NotAction" in statement:
        return not any(fnmatchcase(action, pattern) for pattern in as_list(statement["NotAction"]))
    return any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"]))
