"""`make stop`: shuts down the running stack and waits until it has stopped."""

import os
import signal
import time

from console import Failure, echo, main
from pidfile import remove_pidfile, require
from server import STOP_SECONDS, is_ready, terminate_functions


def script() -> None:
    running = require()
    remove_pidfile()
    os.kill(running.pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    while exists(running.pid) or is_ready(running.engine, running.cloud):
        if time.monotonic() > deadline:
            raise Failure(
                f"{running.engine.name} (process {running.pid}) has not stopped within {STOP_SECONDS} seconds"
            )
        time.sleep(0.1)
    terminate_functions(running.pid)
    echo("stopped; make run continues with the same state, make clean-state deletes it")


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(script)
