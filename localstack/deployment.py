"""Deployment of the built template to a local cloud with `sam deploy`, unless it is deployed already."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import botocore.session
from botocore.exceptions import ClientError
from console import Failure, echo
from engines import Engine
from samcli.yamlhelper import yaml_parse
from settings import ADMINISTRATOR, ARCHITECTURE, REGION, ROOT, STACK_NAME, TOOLS, Cloud
from simulator import point_webhook_at

BUCKET = "deployment-packages"
READY_SECONDS = 60
# The sender of e-mails with verification codes.
SENDER = "codes@example.com"
# Parameters that differ from the defaults of the template. The delays are short because users and tests wait for them.
PARAMETERS = [
    f"Architecture={ARCHITECTURE}",
    "SelfDeposit=enabled",
    "SelfCredit=enabled",
    "CookiePrefixes=disabled",
    "ProviderSimulator=enabled",
    "ProviderDelaySeconds=1",
    "ProviderLateSeconds=5",
    f"VerificationSender={SENDER}",
]


def session() -> boto3.Session:
    """An administrator's session, without the user's profile."""
    no_profile = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.Session(
        aws_access_key_id=ADMINISTRATOR["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ADMINISTRATOR["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
        botocore_session=botocore.session.Session(no_profile),
    )


def parameters(cloud: Cloud) -> list[str]:
    return [*PARAMETERS, f"EndpointUrl={cloud.endpoint}"]


def fingerprint(cloud: Cloud, template: Path) -> str:
    """A digest of everything that a deploy depends on: parameters, the template, its nested templates and packages."""
    document = yaml_parse(template.read_text())
    properties = [resource.get("Properties", {}) for resource in document["Resources"].values()]
    parts = [each[key] for each in properties for key in ("CodeUri", "TemplateURL") if key in each]
    digest = hashlib.sha256("\n".join(parameters(cloud)).encode())
    for part in [str(template), *parts]:
        digest.update(Path(part).read_bytes())
    return digest.hexdigest()


def deploy(engine: Engine, cloud: Cloud, template: Path) -> dict[str, str]:
    """Deploy the template if the cloud does not hold it yet. Returns its resources: logical id -> physical id."""
    cloudformation = session().client("cloudformation", endpoint_url=cloud.endpoint)
    session().client("sesv2", endpoint_url=cloud.endpoint).create_email_identity(EmailIdentity=SENDER)
    deployed, expected = cloud.folder / "deployed", fingerprint(cloud, template)
    if not (deployed.exists() and deployed.read_text() == expected and is_complete(cloudformation)):
        deployed.unlink(missing_ok=True)
        sam_deploy(cloud, template, parameters(cloud))
        deployed.write_text(expected)
    resources = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        for resource in page["StackResourceSummaries"]
    }
    engine.complete(cloud, session(), template, resources)
    functions = session().client("lambda", endpoint_url=cloud.endpoint)
    point_webhook_at(functions, resources["ProviderSimulatorFunction"], cloud.api_url)
    wait_until(
        f"the first signing key has not reached the payment context: see {cloud.log}",
        lambda: has_public_key(cloud, cloudformation),
    )
    return resources


def resources_of(cloudformation, stack: str) -> dict[str, str]:
    """The resources of a stack, including its nested stacks: logical id -> physical id."""
    found, waiting = {}, [stack]
    while waiting:
        pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=waiting.pop())
        for resource in (resource for page in pages for resource in page["StackResourceSummaries"]):
            if resource["ResourceType"] == "AWS::CloudFormation::Stack":
                waiting.append(resource["PhysicalResourceId"])
            found[resource["LogicalResourceId"]] = resource["PhysicalResourceId"]
    return found


def is_complete(cloudformation) -> bool:
    try:
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError:
        return False
    return stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def sam_deploy(cloud: Cloud, template: Path, overrides: list[str]) -> None:
    session().client("s3", endpoint_url=cloud.endpoint).create_bucket(Bucket=BUCKET)
    log = cloud.folder / "deploy.log"
    with log.open("wb") as output:
        sam = subprocess.run(
            [
                TOOLS / "sam",
                "deploy",
                "--template-file",
                template,
                "--stack-name",
                STACK_NAME,
                "--s3-bucket",
                BUCKET,
                "--capabilities",
                "CAPABILITY_IAM",
                "--no-confirm-changeset",
                "--no-fail-on-empty-changeset",
                # An environment that samconfig.toml leaves empty: every parameter is set here.
                "--config-env",
                "local",
                "--parameter-overrides",
                *overrides,
            ],
            cwd=ROOT,
            env=cloud.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if sam.returncode != 0:
        echo("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        raise Failure("sam deploy failed: see its message above (make clean-state starts over)")


def has_public_key(cloud: Cloud, cloudformation) -> bool:
    """Whether the payment context can verify tokens: the first signing key has been created and replicated."""
    stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    keys = (
        session()
        .client("dynamodb", endpoint_url=cloud.endpoint)
        .query(
            TableName=outputs["PaymentTableName"],
            KeyConditionExpression="pk = :keys",
            ExpressionAttributeValues={":keys": {"S": "SIGNING_KEYS"}},
        )
    )
    return keys["Count"] > 0


def wait_until(failure: str, condition: Callable[[], bool]) -> None:
    """Poll a condition that another part of the system brings about."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"after {READY_SECONDS} seconds {failure}")
        time.sleep(0.1)
