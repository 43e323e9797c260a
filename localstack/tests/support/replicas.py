"""The payment context's copies of users."""

from support.tables import published
from support.waiting import wait_until


def await_replicas(stack, users):
    """Waits until each replica equals what the account context stores of the user."""
    for user in users:

        def is_current(user=user):
            replica, stored = stack.tables.user_replica(user.id), stack.tables.user(user.id)
            assert published(replica or {}) == stored, f"{replica} instead of {stored}"
            return True

        wait_until(is_current, deadline_seconds=60)
