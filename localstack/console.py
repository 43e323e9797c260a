"""What the scripts of this folder echo to the person who runs them."""

import sys
from collections.abc import Callable


class Failure(Exception):
    """Something that stops a script: one line that says what is wrong and what to do about it."""


def echo(text: str) -> None:
    """Print a line at once, also where the output is a pipe."""
    print(text, flush=True)


def main(script: Callable[[], int | None]) -> None:
    """Run a script. A failure is its one line and exit status 1, never a traceback."""
    try:
        sys.exit(script() or 0)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr, flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
