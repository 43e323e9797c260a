"""Replication of users to the payment context by events: at least once, applied once, in any order."""

import uuid

import pytest
from support.problems import problem
from support.sync_queue import await_dead_letter, await_drained, paused_sync, quick_redelivery, record, send
from support.waiting import wait_until

NOTHING_FAILED = {"batchItemFailures": []}


def newer(event, version, **data):
    """A later event of the same user."""
    return event | {
        "id": f"{event['aggregateId']}.{version}",
        "type": "user:updated",
        "aggregateVersion": version,
        "data": event["data"] | data,
    }


def of_another_user(event):
    """The same event of another user, who exists in no table."""
    user_id = str(uuid.uuid4())
    return event | {
        "id": f"{user_id}.1",
        "aggregateId": user_id,
        "data": event["data"] | {"id": user_id, "email": f"{user_id}@example.com"},
    }


def test_sign_up_publishes_user_created_without_secrets(account_events, new_user):
    user = new_user()
    event = account_events.event(user.id, version=1)
    assert event.keys() == {
        "id",
        "type",
        "schemaVersion",
        "aggregateId",
        "aggregateVersion",
        "occurredAt",
        "data",
    }
    assert (event["type"], event["schemaVersion"]) == ("user:created", 1)
    assert event["data"] == {"id": user.id, "email": user.email, "status": "ACTIVE", "epoch": 0}


def test_new_user_is_replicated_to_the_payment_context(stack, new_user):
    user = new_user()
    replica = wait_until(lambda: stack.tables.user_replica(user.id))
    assert (replica["email"], replica["status"], replica["version"]) == (user.email, "ACTIVE", 1)
    assert not [name for name in replica if "password" in name.lower()]


def test_paused_sync_catches_up_without_loss(stack, new_user):
    with paused_sync(stack):
        users = [new_user() for _ in range(12)]
        for user in users[:2]:
            response = user.post("/payments/accounts", {"paymentAccountType": "DEBIT"})
            assert problem(response, 503, "user_not_synced")["retryable"] is True
        assert not [user.id for user in users if stack.tables.user_replica(user.id)]
    for user in users:
        wait_until(lambda person=user: stack.tables.user_replica(person.id))
    wallet = users[0].open_account(balance=5)
    assert users[0].balance(wallet) == 5


def test_redelivered_event_changes_nothing(stack, account_events, new_user):
    user = new_user()
    user.open_account()
    event = account_events.event(user.id, version=1)
    before = stack.tables.user_replica(user.id)
    send(stack, event, event, event)
    await_drained(stack)
    assert stack.tables.user_replica(user.id) == before
    assert stack.invoke("SyncFunction", {"Records": [record("again", event)]}) == NOTHING_FAILED
    assert stack.tables.user_replica(user.id) == before


def test_late_older_event_changes_nothing(stack, account_events, new_user):
    user = new_user()
    wallet = user.open_account()
    first = account_events.event(user.id, version=1)
    third = newer(first, 3, email="third@example.com", epoch=3)
    second = newer(first, 2, email="second@example.com", epoch=2)

    assert stack.invoke("SyncFunction", {"Records": [record("3", third)]}) == NOTHING_FAILED
    before = stack.tables.user_replica(user.id), stack.tables.payment_account(wallet)
    assert (before[0]["email"], before[0]["version"]) == ("third@example.com", 3)
    assert before[1]["ownerEpoch"] == 3

    late = {"Records": [record("2", second), record("1", first)]}
    assert stack.invoke("SyncFunction", late) == NOTHING_FAILED
    assert (stack.tables.user_replica(user.id), stack.tables.payment_account(wallet)) == before
    send(stack, second, first)
    await_drained(stack)
    assert (stack.tables.user_replica(user.id), stack.tables.payment_account(wallet)) == before


def test_events_of_a_user_in_any_order_end_at_the_newest(stack, account_events, new_user):
    event = of_another_user(account_events.event(new_user().id, version=1))
    batch = [newer(event, 3, epoch=3), event, newer(event, 4, epoch=4), newer(event, 2, epoch=2)]
    records = [record(str(number), body) for number, body in enumerate(batch)]
    assert stack.invoke("SyncFunction", {"Records": records}) == NOTHING_FAILED
    replica = stack.tables.user_replica(event["aggregateId"])
    assert (replica["version"], replica["epoch"]) == (4, 4)


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param("not JSON", id="not JSON"),
        pytest.param("{}", id="no envelope"),
        pytest.param({"schemaVersion": 2}, id="a newer schema"),
        pytest.param({"type": "user:vanished"}, id="an unknown type"),
        pytest.param({"data": {"id": "user"}}, id="incomplete data"),
    ],
)
def test_poison_message_fails_alone_in_its_batch(stack, account_events, new_user, poison):
    event = account_events.event(new_user().id, version=1)
    first, last = of_another_user(event), of_another_user(event)
    bad = event | poison if isinstance(poison, dict) else poison
    records = [record("first", first), record("poison", bad), record("last", last)]
    response = stack.invoke("SyncFunction", {"Records": records})
    assert response == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    assert stack.tables.user_replica(first["aggregateId"])
    assert stack.tables.user_replica(last["aggregateId"])


def test_poison_message_goes_to_the_dead_letter_queue(stack, account_events, new_user):
    event = account_events.event(new_user().id, version=1)
    first, last = of_another_user(event), of_another_user(event)
    poison = f"poison {uuid.uuid4()}"
    with quick_redelivery(stack):
        send(stack, first, poison, last)
        for good in (first, last):
            wait_until(lambda event=good: stack.tables.user_replica(event["aggregateId"]))
        await_dead_letter(stack, poison)
        await_drained(stack)


def test_changed_user_reaches_replica_and_every_account(stack, account_events, new_user):
    user = new_user()
    wallets = [user.open_account(), user.open_account()]
    user.sign_out("global")
    event = account_events.event(user.id, version=2)
    assert (event["type"], event["data"]["epoch"]) == ("user:updated", 1)
    wait_until(lambda: stack.tables.user_replica(user.id)["epoch"] == 1)
    for wallet in wallets:
        wait_until(lambda account=wallet: stack.tables.payment_account(account)["ownerEpoch"] == 1)
