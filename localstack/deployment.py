"""Puts the built template into a cloud with `sam deploy`, unless that cloud already holds it."""

import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from samcli.yamlhelper import yaml_parse

import routes
import simulator
from console import Failure, say
from settings import ADMINISTRATOR, ARCHITECTURE, REGION, ROOT, STACK_NAME, TOOLS, Cloud

BUCKET = "deployment-packages"
READY_SECONDS = 60
# Whom e-mails with verification codes are from.
SENDER = "codes@example.com"
# What the stack is told beside the template's defaults. The simulated provider is quick: somebody waits for it.
SETTINGS = [
    "SelfDeposit=enabled",
    "ProviderSimulator=enabled",
    "ProviderDelaySeconds=1",
    "ProviderLateSeconds=5",
    f"VerificationSender={SENDER}",
]


def session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=ADMINISTRATOR["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=ADMINISTRATOR["AWS_SECRET_ACCESS_KEY"],
        region_name=REGION,
    )


def fingerprint(template: Path) -> str:
    """What a deploy of the template would bring: the template, its nested stacks and the packages."""
    document = yaml_parse(template.read_text())
    properties = [resource.get("Properties", {}) for resource in document["Resources"].values()]
    parts = [each[key] for each in properties for key in ("CodeUri", "TemplateURL") if key in each]
    digest = hashlib.sha256()
    for part in [str(template), *parts]:
        digest.update(Path(part).read_bytes())
    return digest.hexdigest()


def deploy(cloud: Cloud, template: Path) -> str:
    """Bring the cloud to the template; the API's base URL there."""
    cloudformation = session().client("cloudformation", endpoint_url=cloud.endpoint)
    session().client("sesv2", endpoint_url=cloud.endpoint).create_email_identity(EmailIdentity=SENDER)
    deployed, wanted = cloud.folder / "deployed", fingerprint(template)
    if not (deployed.exists() and deployed.read_text() == wanted and is_complete(cloudformation)):
        deployed.unlink(missing_ok=True)
        sam_deploy(cloud, template)
        deployed.write_text(wanted)
    resources = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
        for resource in page["StackResourceSummaries"]
    }
    api_id = resources["HttpApi"]
    routes.give(session().client("apigatewayv2", endpoint_url=cloud.endpoint), api_id, template, resources)
    # By path: an API's own host name, under *.localhost, does not resolve everywhere.
    url = f"{cloud.endpoint}/_aws/execute-api/{api_id}"
    functions = session().client("lambda", endpoint_url=cloud.endpoint)
    simulator.lead_to(functions, resources["ProviderSimulatorFunction"], url)
    until("the first signing key has not reached the payment side", lambda: has_public_key(cloud, cloudformation))
    return url


def is_complete(cloudformation) -> bool:
    try:
        stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    except ClientError:
        return False
    return stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def sam_deploy(cloud: Cloud, template: Path) -> None:
    session().client("s3", endpoint_url=cloud.endpoint).create_bucket(Bucket=BUCKET)
    log = cloud.folder / "deploy.log"
    with log.open("wb") as output:
        sam = subprocess.run(
            [
                TOOLS / "sam", "deploy",
                "--template-file", template,
                "--stack-name", STACK_NAME,
                "--s3-bucket", BUCKET,
                "--capabilities", "CAPABILITY_IAM",
                "--no-confirm-changeset",
                "--no-fail-on-empty-changeset",
                # The environment of samconfig.toml that says nothing: the settings are all here.
                "--config-env", "local",
                "--parameter-overrides", f"Architecture={ARCHITECTURE}", *SETTINGS,
            ],
            cwd=ROOT,
            env=cloud.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if sam.returncode != 0:
        say("\n".join(log.read_text(errors="replace").splitlines()[-20:]))
        raise Failure("sam deploy failed: see its message above (make clean-state, to begin afresh)")


def has_public_key(cloud: Cloud, cloudformation) -> bool:
    """Whether the payment side can verify a token: the deploy minted a key and its event has arrived."""
    stack = cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    keys = session().client("dynamodb", endpoint_url=cloud.endpoint).query(
        TableName=outputs["PaymentTableName"],
        KeyConditionExpression="pk = :keys",
        ExpressionAttributeValues={":keys": {"S": "SIGNING_KEYS"}},
    )
    return keys["Count"] > 0


def until(complaint: str, fact: Callable[[], bool]) -> None:
    """Wait for something that another part of the system brings about."""
    deadline = time.monotonic() + READY_SECONDS
    while not fact():
        if time.monotonic() > deadline:
            raise Failure(f"{complaint} after {READY_SECONDS} seconds: see the log of MiniStack")
        time.sleep(0.1)
