"""Many requests at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier


def at_once(count, request):
    """The answers of `request(0)` to `request(count - 1)`, all let go together."""
    start = Barrier(count, timeout=30)

    def run(number):
        start.wait()
        return request(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
