"""A LocalStack process under test."""

import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from queue import Queue

import boto3

START_SECONDS = 60
STOP_SECONDS = 20
READY = "Ready."


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


class LocalStack:
    def __init__(self, dynoxided: Path, state: Path, *arguments: str):
        self.port, self.api_port = free_ports(2)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.origin = f"http://localhost:{self.api_port}"
        self.output: list[str] = []
        self._ready: Queue[bool] = Queue()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "localstack_native"),
                *("--port", str(self.port), "--api-port", str(self.api_port)),
                *("--state", state, "--dynoxided", dynoxided, *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)
            if line.strip() == READY:
                self._ready.put(True)
        self._ready.put(False)

    def wait_until_ready(self):
        assert self._ready.get(timeout=START_SECONDS), "".join(self.output)

    def wait_until_exit(self) -> int:
        status = self.process.wait(START_SECONDS)
        self._reader.join()
        return status

    def client(self, service: str):
        """A client of the administrator."""
        return boto3.client(
            service,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
            endpoint_url=self.endpoint,
        )

    def stop(self) -> int:
        """Stop it with SIGTERM. Returns the exit status."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
