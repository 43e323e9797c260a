"""The file in which `make run` records the process and the URL of the running stack for other commands."""

import json
import os
from dataclasses import asdict, dataclass

from console import Failure
from server import is_ready
from settings import STATE, Cloud

PIDFILE = STATE / "running.json"


def local_cloud(port: int) -> Cloud:
    """The cloud of make run. Each port has its own state, because MiniStack stores URLs that contain the port."""
    return Cloud(STATE / str(port), port)


@dataclass(frozen=True)
class Running:
    """The process and port of MiniStack, and the base URL of the API."""

    pid: int
    port: int
    url: str


def write_pidfile(running: Running) -> None:
    PIDFILE.write_text(json.dumps(asdict(running)))


def remove_pidfile() -> None:
    PIDFILE.unlink(missing_ok=True)


def find() -> Running | None:
    """The running stack, or None. A file whose process has ended is ignored."""
    try:
        running = Running(**json.loads(PIDFILE.read_text()))
        os.kill(running.pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, TypeError):
        return None
    return running if is_ready(local_cloud(running.port)) else None


def require() -> Running:
    """The running stack. Fails if there is none."""
    running = find()
    if running is None:
        raise Failure("nothing is running: start it with make run")
    return running
