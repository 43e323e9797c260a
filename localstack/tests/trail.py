"""The audit trail, asked by the very commands that docs/security.md gives."""

import json
import re
import shlex

from templates import ROOT

COMMAND = re.compile(r"```sh\n# (?P<title>[^\n]*)\n(?P<command>aws dynamodb query .*?)```", re.DOTALL)


def documented():
    """What each command finds -> its words."""
    text = (ROOT / "docs" / "security.md").read_text()
    return {match["title"].lower(): shlex.split(match["command"].replace("\\\n", " ")) for match in COMMAND.finditer(text)}


def ask(stack, title, **values):
    """Every record that a documented command finds, with `values` in place of its placeholders."""
    _aws, _service, _operation, *options = documented()[title]
    request = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        for placeholder, wanted in values.items():
            value = value.replace(placeholder, wanted)
        request["".join(word.capitalize() for word in option.removeprefix("--").split("-"))] = value
    assert request.pop("TableName") == "$AUDIT_TABLE"
    request["ExpressionAttributeValues"] = {
        name: value["S"] for name, value in json.loads(request["ExpressionAttributeValues"]).items()
    }
    found = []
    while True:
        page = stack.audit.query(**request)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
