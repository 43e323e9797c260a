"""The file in which `make run` records the process and the ports of the running stack for other commands."""

import json
import os
from dataclasses import asdict, dataclass

from console import Failure
from engines import Engine, engine_with
from server import is_ready
from settings import STATE, Cloud

PIDFILE = STATE / "running.json"


@dataclass(frozen=True)
class Running:
    """The process that serves the stack, its engine, and its cloud."""

    pid: int
    engine_key: str
    port: int
    api_port: int
    container_host: str | None

    @property
    def engine(self) -> Engine:
        return engine_with(self.engine_key)

    @property
    def cloud(self) -> Cloud:
        return local_cloud(self.engine, self.port, self.api_port, self.container_host)


def local_cloud(engine: Engine, port: int, api_port: int, container_host: str | None) -> Cloud:
    """The cloud of make run. Each port has its own state, because engines store URLs that contain the port."""
    return Cloud(STATE / engine.key / str(port), port, api_port, container_host)


def write_pidfile(running: Running) -> None:
    PIDFILE.write_text(json.dumps(asdict(running)))


def remove_pidfile() -> None:
    PIDFILE.unlink(missing_ok=True)


def find() -> Running | None:
    """The running stack, or None. A file whose process has ended is ignored."""
    try:
        running = Running(**json.loads(PIDFILE.read_text()))
        os.kill(running.pid, 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError, TypeError):
        return None
    return running if is_ready(running.engine, running.cloud) else None


def require() -> Running:
    """The running stack. Fails if there is none."""
    running = find()
    if running is None:
        raise Failure("nothing is running: start it with make run")
    return running
