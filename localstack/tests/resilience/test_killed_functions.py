"""Functions whose process is killed in the middle of their work, without a warning."""

import pytest
from support.interception import intercepted
from support.ledger_invariants import assert_ledger_balances
from support.replicas import await_replicas
from support.sync_queue import await_drained, dead_letters_of, messages_in, paused_sync, quick_redelivery
from support.users import completed_transfer
from support.waiting import wait_until

REPLAYED = "Idempotent-Replayed"

moments = pytest.mark.parametrize("executed", [False, True], ids=["before the request", "before the response"])


@moments
def test_send_killed_in_mid_request_acts_once_by_its_key(stack, new_user, executed):
    payer, payee = new_user(), new_user()
    wallet, till = payer.open_account(balance=100), payee.open_account()
    with intercepted(stack, "SendFunction") as requests:
        requests.kill_at("TransactWriteItems", executed=executed)
        assert payer.try_send(wallet, till, 10, key="once").status_code >= 500
        assert requests.killed
        retry = payer.try_send(wallet, till, 10, key="once")
    transfer = completed_transfer(retry)
    assert retry.headers.get(REPLAYED) == ("true" if executed else None)
    assert (payer.balance(wallet), payee.balance(till)) == (90, 10)
    assert [entry["id"] for entry in payee.histories()] == [transfer["id"]]
    assert_ledger_balances(stack)


@moments
def test_sync_killed_in_mid_batch_applies_every_event(stack, new_user, executed):
    with quick_redelivery(stack), intercepted(stack, "SyncFunction") as requests:
        with paused_sync(stack):
            users = [new_user() for _ in range(6)]
            wait_until(lambda: messages_in(stack, stack.sync_queue_url)[0] >= len(users))
            requests.kill_at("PutItem", "UpdateItem", number=3, executed=executed)
        await_replicas(stack, users)
        assert requests.killed
        await_drained(stack)
    assert messages_in(stack, dead_letters_of(stack)) == (0, 0)


@moments
def test_publisher_killed_in_mid_batch_publishes_every_event(stack, new_user, executed):
    with intercepted(stack, "PublisherFunction") as requests:
        requests.kill_at("PublishBatch", executed=executed)
        users = [new_user() for _ in range(3)]
        await_replicas(stack, users)
        assert requests.killed
    await_drained(stack)
    assert messages_in(stack, dead_letters_of(stack)) == (0, 0)
    assert messages_in(stack, stack.resources["PublisherFailureQueue"]) == (0, 0)
