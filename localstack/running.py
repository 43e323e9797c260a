"""The note that a running stack leaves for the other commands: which process it is and where it answers."""

import json
import os
from dataclasses import asdict, dataclass

from console import Failure
from server import answers
from settings import STATE, Cloud

NOTE = STATE / "running.json"


def local_cloud(port: int) -> Cloud:
    """The cloud of make run. Each port keeps a state of its own: what MiniStack stores names the port."""
    return Cloud(STATE / str(port), port)


@dataclass(frozen=True)
class Running:
    """MiniStack's process, the port it listens on and the API's base URL."""

    pid: int
    port: int
    url: str


def leave_note(running: Running) -> None:
    NOTE.write_text(json.dumps(asdict(running)))


def remove_note() -> None:
    NOTE.unlink(missing_ok=True)


def find() -> Running | None:
    """The running stack, if there is one. A note that outlived its process counts for nothing."""
    try:
        running = Running(**json.loads(NOTE.read_text()))
        os.kill(running.pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, TypeError):
        return None
    return running if answers(local_cloud(running.port)) else None


def require() -> Running:
    running = find()
    if running is None:
        raise Failure("nothing is running: start it with make run")
    return running
