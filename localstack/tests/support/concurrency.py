"""Concurrent requests."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def run_concurrently(count, request):
    """Calls `request(0)` to `request(count - 1)`, all released together, and returns the responses in order."""
    start = Barrier(count, timeout=30)

    def run(number):
        start.wait()
        return request(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
