"""`make localstack-image`: deploys the platform to LocalStack's own image. Requires Docker and a LocalStack account.

LocalStack then runs each function in a container. `docker compose -f localstack/compose.yaml down` stops it.
"""

import os
import subprocess

from console import Failure, echo, main
from containers import require_docker
from deployment import PARAMETERS, SENDER, sam_deploy, session
from settings import ARCHITECTURE, ROOT, STACK_NAME, STATE, TOOLS, Cloud

# The port in compose.yaml.
PORT = 4566
# Resolves to LocalStack on this machine and in the containers of functions:
# https://docs.localstack.cloud/references/network-troubleshooting/endpoint-url/
HOST = f"localhost.localstack.cloud:{PORT}"


def run(cloud: Cloud, *command: str) -> None:
    environment = cloud.environment() | {"PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    if subprocess.run(command, cwd=ROOT, env=environment).returncode != 0:
        raise Failure(f"{' '.join(command)} failed: see above")


def script() -> None:
    require_docker()
    if not os.environ.get("LOCALSTACK_AUTH_TOKEN"):
        raise Failure("set LOCALSTACK_AUTH_TOKEN to the auth token of your LocalStack account")
    cloud = Cloud(STATE / "localstack-image", PORT, PORT)
    cloud.folder.mkdir(parents=True, exist_ok=True)
    run(cloud, "docker", "compose", "-f", "localstack/compose.yaml", "up", "--detach", "--wait")
    run(cloud, "sam", "build", "--parameter-overrides", f"Architecture={ARCHITECTURE}")
    session().client("sesv2", endpoint_url=cloud.endpoint).create_email_identity(EmailIdentity=SENDER)
    template = ROOT / ".aws-sam" / "build" / "template.yaml"
    sam_deploy(cloud, template, [*PARAMETERS, f"EndpointUrl=http://{HOST}"])
    cloudformation = session().client("cloudformation", endpoint_url=cloud.endpoint)
    api = cloudformation.describe_stack_resource(StackName=STACK_NAME, LogicalResourceId="HttpApi")
    url = f"http://{api['StackResourceDetail']['PhysicalResourceId']}.execute-api.{HOST}"
    echo(f"Running at  {url}")
    echo("Test it:    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1")
    echo(f"            make e2e AWS_ENDPOINT_URL={cloud.endpoint} API_URL={url}")


if __name__ == "__main__":
    main(script)
