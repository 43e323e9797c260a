"""The MiniStack process: on the loopback address, with IAM enforced and its state in a folder."""

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


def is_ready(cloud: Cloud) -> bool:
    """Whether MiniStack responds on the port of the cloud."""
    try:
        with urllib.request.urlopen(f"{cloud.endpoint}/_ministack/health", timeout=2) as response:
            return "services" in json.load(response)
    except (OSError, ValueError):
        return False


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_in_use(cloud: Cloud) -> Failure:
    return Failure(
        f"port {cloud.port} is in use: stop the process that listens there, or choose another: make run PORT=4600"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(cloud: Cloud) -> dict[str, str]:
    """The environment of MiniStack, which the functions inherit: nothing else of the user's environment."""
    for part in ("state", "objects", "tmp"):
        (cloud.folder / part).mkdir(parents=True, exist_ok=True)
    return ADMINISTRATOR | {
        "PATH": os.environ["PATH"],
        "HOME": str(cloud.folder),
        "TMPDIR": str(cloud.folder / "tmp"),
        "BIND_HOST": "127.0.0.1",
        # The host in the URLs that it returns. `localhost` may resolve to ::1, where it does not listen.
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(cloud.port),
        "MINISTACK_REGION": REGION,
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(cloud.folder / "state"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(cloud.folder / "objects"),
        # Listeners of unused services. The first would bind to every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # The endpoint of DynamoDB, SNS and SQS for the functions.
        "AWS_ENDPOINT_URL": cloud.endpoint,
    }


def start(cloud: Cloud) -> subprocess.Popen[bytes]:
    """Start MiniStack and wait until it is ready."""
    if not port_is_free(cloud.port):
        raise port_in_use(cloud)
    cloud.folder.mkdir(parents=True, exist_ok=True)
    reset_stream_positions(cloud)
    with cloud.log.open("wb") as log:
        process = subprocess.Popen(
            [TOOLS / "ministack"],
            env=environment(cloud),
            cwd=cloud.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal reaches only the script, which then stops MiniStack in an orderly way.
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(cloud):
        if process.poll() is not None:
            raise Failure(f"MiniStack exited while starting: see {cloud.log}")
        if time.monotonic() > deadline:
            stop(process)
            raise Failure(f"MiniStack was not ready within {START_SECONDS} seconds: see {cloud.log}")
        time.sleep(0.1)
    return process


def reset_stream_positions(cloud: Cloud) -> None:
    """Reset the positions of the event source mappings in their tables' streams.

    MiniStack saves the position of each mapping, but not the streams, which are empty after a start. A mapping would
    skip as many new records as it had read before.
    """
    saved = cloud.folder / "state" / "lambda.json"
    if saved.exists():
        state = json.loads(saved.read_text())
        state["payload"]["dynamodb_stream_positions"]["data"] = {}
        saved.write_text(json.dumps(state))


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop MiniStack with SIGINT, on which it saves its state."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure("MiniStack did not stop and was killed: its last changes are not saved") from None
    terminate_functions(process.pid)


def terminate_functions(pid: int) -> None:
    """Terminate the processes of the functions, which MiniStack leaves running in its process group."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGTERM)


@contextmanager
def running(cloud: Cloud) -> Iterator[subprocess.Popen[bytes]]:
    """Run MiniStack for the duration of a `with` block."""
    process = start(cloud)
    try:
        yield process
    finally:
        stop(process)
