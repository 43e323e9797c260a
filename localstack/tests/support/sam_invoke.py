"""A pytest plugin: the suite invokes functions by `sam local invoke`.

SAM_INVOKE is its command line as JSON, and SAM_ENDPOINT the endpoint of AWS services in containers.
"""

import json
import os
import subprocess
import tempfile

from support.stack import Stack

COMMAND = json.loads(os.environ["SAM_INVOKE"])


def invoke(self, logical_id, event):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        # The URL that a response to CloudFormation is sent to.
        file.write(json.dumps(event).replace(os.environ["AWS_ENDPOINT_URL"], os.environ["SAM_ENDPOINT"]))
        file.flush()
        run = subprocess.run([*COMMAND, logical_id, "--event", file.name], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    return result, isinstance(result, dict) and "errorMessage" in result


Stack._invoke = invoke
