"""The end of LocalStack with every process that it started."""

import os
from contextlib import suppress

import psutil


def exit_with_processes(status: int = 0) -> None:
    """Kill functions and DynamoDB, and end this process at once.

    LocalStack would wait for its request threads, which wait for functions or for messages of queues. It has no state
    to save.
    """
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    # Not sys.exit: other threads would keep the process alive.
    os._exit(status)
