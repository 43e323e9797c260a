"""Output and exit status of the scripts in this folder."""

import sys
from collections.abc import Callable


class Failure(Exception):
    """An expected error: one line that names the problem and, where possible, the remedy."""


def echo(text: str) -> None:
    """Print a line and flush it, so that it also appears in a pipe."""
    print(text, flush=True)


def main(script: Callable[[], int | None]) -> None:
    """Run a script. A Failure is printed as one line, with exit status 1 and without a traceback."""
    try:
        sys.exit(script() or 0)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
