"""`make stop`: end the running stack in good order and wait until it has ended."""

import os
import signal
import time

from console import Failure, main, say
from running import local_cloud, remove_note, require
from server import STOP_SECONDS, answers, end_functions


def script() -> None:
    running = require()
    remove_note()
    os.kill(running.pid, signal.SIGINT)
    cloud = local_cloud(running.port)
    deadline = time.monotonic() + STOP_SECONDS
    while exists(running.pid) or answers(cloud):
        if time.monotonic() > deadline:
            raise Failure(f"MiniStack (process {running.pid}) has not ended within {STOP_SECONDS} seconds")
        time.sleep(0.1)
    end_functions(running.pid)
    say("stopped; make run continues where it was, make clean-state forgets it")


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(script)
