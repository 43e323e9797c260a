"""The local cloud's process: MiniStack, on the loopback address, with IAM enforced and its state in a folder."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from console import Failure
from settings import ADMINISTRATOR, REGION, TOOLS, Cloud

START_SECONDS = 60
STOP_SECONDS = 60


def answers(cloud: Cloud) -> bool:
    """Whether a MiniStack listens on the cloud's port."""
    try:
        with urllib.request.urlopen(f"{cloud.endpoint}/_ministack/health", timeout=2) as answer:
            return "services" in json.load(answer)
    except (OSError, ValueError):
        return False


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers bind it: a port that is only cooling down after a stop is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_in_use(cloud: Cloud) -> Failure:
    return Failure(f"port {cloud.port} is in use: stop what listens there, or choose another: make run PORT=4600")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(cloud: Cloud) -> dict[str, str]:
    """MiniStack's environment, which the functions inherit: only what both need, nothing of the person's own."""
    for part in ("state", "objects", "tmp"):
        (cloud.folder / part).mkdir(parents=True, exist_ok=True)
    return ADMINISTRATOR | {
        "PATH": os.environ["PATH"],
        "HOME": str(cloud.folder),
        "TMPDIR": str(cloud.folder / "tmp"),
        "BIND_HOST": "127.0.0.1",
        # The host in the addresses that it gives out. `localhost` may be ::1 first, where it does not listen.
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(cloud.port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(cloud.folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(cloud.folder / "objects"),
        # Listeners of services that are not used here, the first on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # Where the functions find DynamoDB, SNS and SQS.
        "AWS_ENDPOINT_URL": cloud.endpoint,
    }


def start(cloud: Cloud) -> subprocess.Popen[bytes]:
    """Start MiniStack and wait until it answers."""
    if not port_is_free(cloud.port):
        raise port_in_use(cloud)
    cloud.folder.mkdir(parents=True, exist_ok=True)
    forget_stream_positions(cloud)
    with cloud.log.open("wb") as log:
        process = subprocess.Popen(
            [TOOLS / "ministack"],
            env=environment(cloud),
            cwd=cloud.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal reaches the script alone, which then ends MiniStack in good order.
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not answers(cloud):
        if process.poll() is not None:
            raise Failure(f"MiniStack ended while starting: see {cloud.log}")
        if time.monotonic() > deadline:
            stop(process)
            raise Failure(f"MiniStack did not answer within {START_SECONDS} seconds: see {cloud.log}")
        time.sleep(0.1)
    return process


def forget_stream_positions(cloud: Cloud) -> None:
    """Let the event source mappings read their tables' streams from the beginning again.

    MiniStack saves how far each has read, but not the streams themselves. They are empty after a start, and the mapping
    would skip as many new records as it had read before.
    """
    saved = cloud.folder / "state" / "lambda.json"
    if saved.exists():
        state = json.loads(saved.read_text())
        state["payload"]["dynamodb_stream_positions"]["data"] = {}
        saved.write_text(json.dumps(state))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End MiniStack by the signal on which it saves its state."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("MiniStack did not stop and was killed: its last changes are not saved") from None
    end_functions(process.pid)


def end_functions(pid: int) -> None:
    """End the functions' processes, which MiniStack leaves behind: it led their group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)


@contextmanager
def running(cloud: Cloud) -> Iterator[subprocess.Popen[bytes]]:
    """MiniStack for the time of a `with` block."""
    process = start(cloud)
    try:
        yield process
    finally:
        stop(process)
