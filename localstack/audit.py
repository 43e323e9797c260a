"""`make audit`: audits the ledger of the running stack, and prints the result.

docs/security/runbook.md has the commands for AWS.
"""

import json
import os

from botocore.config import Config
from console import Failure, echo, main
from deployment import resources_of, session
from pidfile import require
from settings import STACK_NAME

# Longer than the timeout of the function.
INVOCATION_SECONDS = 930


def invoke(functions, name: str, event: dict) -> dict:
    response = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    result = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise Failure(f"the audit failed: {result.get('errorMessage')}")
    return result


def audit(functions, name: str, scope: str) -> tuple[dict, list[dict]]:
    """Run a pass of all accounts, by as many invocations as it takes. Returns the last result, and all findings."""
    result = invoke(functions, name, {"restart": scope})
    findings = result["findings"]
    while result["status"] == "IN_PROGRESS":
        result = invoke(functions, name, {})
        findings += result["findings"]
    if result["status"] != "COMPLETED":
        raise Failure(f"another invocation continues the audit: {result['status']}")
    return result, findings


def script() -> None:
    endpoint = require().cloud.endpoint
    name = resources_of(session().client("cloudformation", endpoint_url=endpoint), STACK_NAME)["AuditLedgerFunction"]
    patient = Config(read_timeout=INVOCATION_SECONDS, retries={"max_attempts": 0})
    functions = session().client("lambda", endpoint_url=endpoint, config=patient)
    result, findings = audit(functions, name, "FULL" if os.environ.get("FULL") else "INCREMENTAL")
    echo(
        f"checked {result['accounts']} accounts against {result['transfers']} entries of their histories,"
        f" and closed {result['closings']} days"
    )
    for finding in findings:
        echo(json.dumps(finding, indent=2))
    if findings:
        raise Failure(f"findings: {len(findings)}")


if __name__ == "__main__":
    main(script)
