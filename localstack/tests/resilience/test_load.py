"""Many concurrent clients, for RESILIENCE_SECONDS: `make stress` runs it for a minute."""

import time

from support.load import CLIENTS, SECONDS, Load


def test_concurrent_clients_lose_nothing(platform, capsys):
    load = Load(platform.stack, CLIENTS)
    load.run(during=lambda: time.sleep(SECONDS))
    with capsys.disabled():
        print(f"\n{CLIENTS} clients, {SECONDS:.0f} s: {report(load.statuses)}")
    load.assert_nothing_is_lost()


def report(statuses):
    total = sum(statuses.values())
    each = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
    return f"{total} responses, {total / SECONDS:.0f} a second ({each})"
