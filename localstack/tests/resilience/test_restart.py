"""The engine is stopped, as by `make stop`, and started again while clients move money."""

from support.load import NO_RESPONSE, Load
from support.waiting import wait_until

CLIENTS = 20
# How many transfers are acknowledged before a stop, and after a start.
BUSY = 50


def test_restart_under_load_loses_no_acknowledged_transfer(platform):
    load = Load(platform.stack, CLIENTS, tolerates_interruptions=True)

    def await_progress():
        enough = load.acknowledged() + BUSY
        wait_until(lambda: load.acknowledged() >= enough, deadline_seconds=60)

    def restarts():
        for _ in range(2):
            await_progress()
            platform.stop()
            platform.start()
        await_progress()

    load.run(during=restarts)
    assert load.statuses[NO_RESPONSE] > 0
    load.assert_nothing_is_lost()
