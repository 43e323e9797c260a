"""Queries of the audit log: the very commands that the runbook documents."""

import json
import re
import shlex
import string

from support.template import ROOT

# A command with its continuation lines.
COMMAND = re.compile(r'aws dynamodb query --table-name "\$AUDIT_TABLE" (?:[^\n]*\\\n)*[^\n]*')


def documented(placeholder):
    """The one documented command that contains `placeholder`, as a list of words."""
    texts = [path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))]
    (command,) = (command for text in texts for command in COMMAND.findall(text) if placeholder in command)
    return shlex.split(command.replace("\\\n", " "))


def events_of(stack, user_id, kind=None):
    """The audit events of a user, oldest first, optionally of one kind."""
    events = query(stack, "#USER_ID", USER_ID=user_id, FROM="0", TO="9")
    return [event for event in events if kind in (None, event["kind"])]


def events_of_day(stack, kind, day):
    """The audit events of a kind on a day (`2026-01-31`)."""
    return [
        event for digit in string.hexdigits[:16] for event in query(stack, "KIND#DAY", KIND=kind, DAY=day, DIGIT=digit)
    ]


def events_of_keys(stack):
    """The audit events of the signing keys, oldest first."""
    return query(stack, "DEPLOYMENT", FROM="0", TO="9")


def subject(event):
    """The partition that an event is stored under: a user, an unknown identifier or the deployment."""
    return event["pk"]


def expires_at(event):
    """When DynamoDB deletes an event, in seconds since the Unix epoch."""
    return int(event["expiresAt"])


def query(stack, placeholder, **values):
    """Every event that a documented command finds, with `values` in place of its placeholders."""
    _aws, _service, _operation, *options = documented(placeholder)
    request = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        for name, replacement in values.items():
            value = value.replace(name, replacement)
        request["".join(word.capitalize() for word in option.removeprefix("--").split("-"))] = value
    assert request.pop("TableName") == "$AUDIT_TABLE"
    request["ExpressionAttributeValues"] = {
        name: value["S"] for name, value in json.loads(request["ExpressionAttributeValues"]).items()
    }
    found = []
    while True:
        page = stack.tables.audit.query(**request)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
