"""The process of an engine that serves a local cloud."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from console import Failure, echo
from engines import Engine
from settings import Cloud

START_SECONDS = 60
STOP_SECONDS = 60


def is_ready(engine: Engine, cloud: Cloud) -> bool:
    """Whether the engine responds on the port of the cloud."""
    try:
        with urllib.request.urlopen(f"{cloud.endpoint}{engine.health_path}", timeout=2) as response:
            return "services" in json.load(response)
    except (OSError, ValueError):
        return False


def require_free_ports(cloud: Cloud) -> None:
    for port in (cloud.port, cloud.api_port):
        if not all(is_free(address, port) for address in cloud.addresses):
            raise Failure(
                f"port {port} is in use: stop the process that listens there, or choose another and its successor: "
                "make run PORT=4600"
            )


def is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def start(engine: Engine, cloud: Cloud) -> subprocess.Popen[bytes]:
    """Start the engine and wait until it is ready."""
    cloud.folder.mkdir(parents=True, exist_ok=True)
    engine.prepare(cloud)
    require_free_ports(cloud)
    with cloud.log.open("wb") as log:
        process = subprocess.Popen(
            engine.command(cloud),
            env=engine.environment(cloud),
            cwd=cloud.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal reaches only the script, which then stops the engine in an orderly way.
            start_new_session=True,
        )
    try:
        wait_until_ready(engine, cloud, process)
    except BaseException as cause:
        if isinstance(cause, Failure):
            # The log of a temporary cloud is about to be deleted.
            echo("\n".join(cloud.log.read_text(errors="replace").splitlines()[-20:]))
        stop(engine, process)
        raise
    return process


def wait_until_ready(engine: Engine, cloud: Cloud, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(engine, cloud):
        if process.poll() is not None:
            raise Failure(f"{engine.name} exited while starting: see its messages above")
        if time.monotonic() > deadline:
            raise Failure(f"{engine.name} was not ready within {START_SECONDS} seconds: see its messages above")
        time.sleep(0.1)


def stop(engine: Engine, process: subprocess.Popen[bytes]) -> None:
    """Stop the engine with SIGINT, on which it saves its state, and then its functions."""
    try:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Failure(f"{engine.name} did not stop and was killed: its last changes are not saved") from None
    finally:
        terminate_functions(process.pid)


def terminate_functions(pid: int) -> None:
    """Terminate the processes of the functions, which an engine may leave running in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)


@contextmanager
def running(engine: Engine, cloud: Cloud) -> Iterator[subprocess.Popen[bytes]]:
    """Run the engine for the duration of a `with` block."""
    process = start(engine, cloud)
    try:
        yield process
    finally:
        stop(engine, process)
