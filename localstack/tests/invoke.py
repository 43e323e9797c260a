"""Calling a function directly, as an event source would."""

import json


def invoke(stack, logical_id, event):
    """The function's answer; fails if the function failed."""
    answer = stack.functions.invoke(FunctionName=stack.function(logical_id), Payload=json.dumps(event).encode())
    payload = answer["Payload"].read()
    assert "FunctionError" not in answer, f"{logical_id} failed: {payload.decode()}"
    return json.loads(payload)
