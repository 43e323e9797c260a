"""`make stress`: many concurrent clients for a minute, on a stack of their own, and what it served.

RESILIENCE_SECONDS and RESILIENCE_CLIENTS choose another load.
"""

import os
import sys

import e2e
from console import main

SECONDS = "60"


def script() -> int:
    load = {"RESILIENCE_SECONDS": os.environ.get("RESILIENCE_SECONDS", SECONDS)}
    return e2e.pytest(os.environ | load, ["resilience/test_load.py", *sys.argv[1:]])


if __name__ == "__main__":
    main(script)
