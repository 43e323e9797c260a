"""The engines that serve the local cloud."""

import os
from pathlib import Path
from typing import Protocol

import boto3
from console import Failure
from settings import Cloud

from engines.localstack import LocalStack
from engines.ministack import MiniStack


class Engine(Protocol):
    """A program that serves AWS services and the HTTP API at the addresses and ports of a cloud."""

    key: str
    name: str
    # Whether it can listen on other addresses than that of loopback.
    serves_containers: bool
    # The path of a page that responds with JSON that has `services`, once it is ready.
    health_path: str

    def command(self, cloud: Cloud) -> list[str | Path]:
        """The program and its arguments."""

    def environment(self, cloud: Cloud) -> dict[str, str]:
        """The whole environment of the program, which its functions may inherit. Of the user's own it has PATH only."""

    def prepare(self, cloud: Cloud) -> None:
        """Prepare the folder of the cloud for a start."""

    def complete(self, cloud: Cloud, session: boto3.Session, template: Path, resources: dict[str, str]) -> None:
        """Set what the engine's CloudFormation leaves out. `resources` is logical id -> physical id."""


ENGINES: dict[str, Engine] = {engine.key: engine for engine in (MiniStack(), LocalStack())}


def engine_with(key: str) -> Engine:
    if key not in ENGINES:
        raise Failure(f"there is no engine {key}: use one of {', '.join(ENGINES)}")
    return ENGINES[key]


def chosen_engine() -> Engine:
    """The engine in the variable ENGINE, MiniStack by default."""
    return engine_with(os.environ.get("ENGINE") or MiniStack.key)
