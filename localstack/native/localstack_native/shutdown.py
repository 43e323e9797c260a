"""The end of LocalStack with every process that it started."""

import os
from contextlib import suppress

import psutil

TERMINATE_SECONDS = 3


def exit_with_processes() -> None:
    """End functions, DynamoDB and this process at once.

    LocalStack would wait for its request threads, which wait for functions or for messages of queues. It has no state
    to save.
    """
    processes = psutil.Process().children(recursive=True)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=TERMINATE_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    # Not sys.exit: other threads would keep the process alive.
    os._exit(0)
