"""Polling for a condition that another part of the system brings about."""

import time

POLL_SECONDS = 0.05


def wait_until(condition, deadline_seconds=20):
    """Returns the first truthy value of `condition()`.

    The condition may raise AssertionError while it does not hold yet. On a timeout the last such message is part of the
    failure.
    """
    give_up_at = time.monotonic() + deadline_seconds
    while True:
        try:
            value = condition()
            last_failure = f"still {value!r}"
            if value:
                return value
        except AssertionError as not_yet:
            last_failure = str(not_yet)
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {deadline_seconds} s: {last_failure}")
        time.sleep(POLL_SECONDS)
