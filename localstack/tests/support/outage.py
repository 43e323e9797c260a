"""Outages of a function, by what it may do."""

import json
from contextlib import contextmanager


@contextmanager
def denied(stack, function, action):
    """Denies a function an action until the end of the block."""
    iam = stack.client("iam")
    policy = {"RoleName": stack.configuration(function)["Role"].rsplit("/", 1)[1], "PolicyName": "Outage"}
    statement = {"Effect": "Deny", "Action": action, "Resource": "*"}
    iam.put_role_policy(**policy, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        yield
    finally:
        iam.delete_role_policy(**policy)
