"""Waiting for a fact that other parts of the system bring about: poll it until a deadline, never sleep and hope."""

import time

POLL_SECONDS = 0.05


def eventually(fact, deadline_seconds=20):
    """The first truthy value of `fact()`. A fact may also raise AssertionError while it does not hold yet.

    Fails with the fact's own last complaint, so that a timeout says what was missing.
    """
    give_up_at = time.monotonic() + deadline_seconds
    while True:
        try:
            value = fact()
            complaint = f"still {value!r}"
            if value:
                return value
        except AssertionError as not_yet:
            complaint = str(not_yet)
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {deadline_seconds} s: {complaint}")
        time.sleep(POLL_SECONDS)
