"""Waits for what LocalStack does in the background and offers no waiter for."""

import time
from collections.abc import Callable

LIMIT_SECONDS = 40


def until[T](read: Callable[[], T]) -> T:
    """Repeat a request until its result is true. Returns that."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (result := read()):
        assert time.monotonic() < deadline, f"not within {LIMIT_SECONDS} seconds"
    return result
