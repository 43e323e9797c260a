"""The open edition of LocalStack with the plugins in localstack/native. It keeps no state."""

import os
import shutil
import subprocess
from pathlib import Path

import boto3
from console import Failure
from settings import ROOT, Cloud

# make installs it.
PYTHON = ROOT / ".venv-localstack" / "bin" / "python"
# Serves DynamoDB.
DYNOXIDED = ROOT / "target" / "debug" / "dynoxided"


def build_dynoxided() -> None:
    # All crates are selected, so that the features of dependencies are those of `cargo test`.
    if subprocess.run(["cargo", "build", "--workspace", "--bin", "dynoxided"], cwd=ROOT).returncode != 0:
        raise Failure("dynoxided does not compile: see cargo's message above")


class LocalStack:
    key = "localstack"
    name = "LocalStack"
    serves_containers = False
    health_path = "/_localstack/health"

    def command(self, cloud: Cloud) -> list[str | Path]:
        return [
            PYTHON,
            "-m",
            "localstack_native",
            f"--port={cloud.port}",
            f"--api-port={cloud.api_port}",
            f"--state={cloud.folder / 'state'}",
            f"--dynoxided={DYNOXIDED}",
        ]

    def environment(self, cloud: Cloud) -> dict[str, str]:
        return {"PATH": os.environ["PATH"]}

    def prepare(self, cloud: Cloud) -> None:
        """Compile the program that serves DynamoDB, and remove what the last run left: its deployment is gone."""
        build_dynoxided()
        (cloud.folder / "deployed").unlink(missing_ok=True)
        shutil.rmtree(cloud.folder / "state", ignore_errors=True)

    def complete(self, cloud: Cloud, session: boto3.Session, template: Path, resources: dict[str, str]) -> None:
        """Its CloudFormation leaves nothing out."""
