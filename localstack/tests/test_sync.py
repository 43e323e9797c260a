"""People travel from the account side to the payment side by events: none is lost, and none counts twice."""

import uuid

import pytest
from eventually import eventually
from invoke import invoke
from problems import problem
from published import listening
from sync_queue import await_dead_letter, await_drained, quick_redelivery, record, send, stopped_sync

NOTHING_FAILED = {"batchItemFailures": []}


@pytest.fixture(scope="module")
def published(stack):
    with listening(stack) as published:
        yield published


def newer(event, version, **data):
    """A later event of the same person."""
    return event | {
        "id": f"{event['aggregateId']}.{version}",
        "type": "user:updated",
        "aggregateVersion": version,
        "data": event["data"] | data,
    }


def somebody_new(event):
    """The event of a sign-up that never was: for the payment side, another person."""
    user_id = str(uuid.uuid4())
    return event | {
        "id": f"{user_id}.1",
        "aggregateId": user_id,
        "data": event["data"] | {"id": user_id, "email": f"{user_id}@example.com"},
    }


def test_signing_up_publishes_user_created_and_no_secret(published, person):
    somebody = person()
    event = published.of(somebody.id, version=1)
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
    assert event["data"] == {"id": somebody.id, "email": somebody.email, "status": "ACTIVE", "epoch": 0}


def test_a_person_arrives_on_the_payment_side(stack, person):
    somebody = person()
    replica = eventually(lambda: stack.replica(somebody.id))
    assert (replica["email"], replica["status"], replica["version"]) == (somebody.email, "ACTIVE", 1)
    assert not [name for name in replica if "password" in name.lower()]


def test_a_stopped_sync_catches_up_with_nothing_lost(stack, person):
    with stopped_sync(stack):
        meanwhile = [person() for _ in range(12)]
        for somebody in meanwhile[:2]:
            answer = somebody.post("/payments/accounts", {"paymentAccountType": "DEBIT"})
            assert problem(answer, 503, "user_not_synced")["retryable"] is True
        assert not [somebody.id for somebody in meanwhile if stack.replica(somebody.id)]
    for somebody in meanwhile:
        eventually(lambda person=somebody: stack.replica(person.id))
    wallet = meanwhile[0].open_account(balance=5)
    assert meanwhile[0].balance(wallet) == 5


def test_an_event_delivered_again_changes_nothing(stack, published, person):
    somebody = person()
    somebody.open_account()
    event = published.of(somebody.id, version=1)
    before = stack.replica(somebody.id)
    send(stack, event, event, event)
    await_drained(stack)
    assert stack.replica(somebody.id) == before
    assert invoke(stack, "SyncFunction", {"Records": [record("again", event)]}) == NOTHING_FAILED
    assert stack.replica(somebody.id) == before


def test_an_older_event_that_comes_late_changes_nothing(stack, published, person):
    somebody = person()
    wallet = somebody.open_account()
    first = published.of(somebody.id, version=1)
    third = newer(first, 3, email="third@example.com", epoch=3)
    second = newer(first, 2, email="second@example.com", epoch=2)

    assert invoke(stack, "SyncFunction", {"Records": [record("3", third)]}) == NOTHING_FAILED
    before = stack.replica(somebody.id), stack.payment_account(wallet)
    assert (before[0]["email"], before[0]["version"]) == ("third@example.com", 3)
    assert before[1]["ownerEpoch"] == 3

    late = {"Records": [record("2", second), record("1", first)]}
    assert invoke(stack, "SyncFunction", late) == NOTHING_FAILED
    assert (stack.replica(somebody.id), stack.payment_account(wallet)) == before
    send(stack, second, first)
    await_drained(stack)
    assert (stack.replica(somebody.id), stack.payment_account(wallet)) == before


def test_events_of_one_person_in_one_batch_end_at_the_newest_in_any_order(stack, published, person):
    event = somebody_new(published.of(person().id, version=1))
    batch = [newer(event, 3, epoch=3), event, newer(event, 4, epoch=4), newer(event, 2, epoch=2)]
    records = [record(str(number), body) for number, body in enumerate(batch)]
    assert invoke(stack, "SyncFunction", {"Records": records}) == NOTHING_FAILED
    replica = stack.replica(event["aggregateId"])
    assert (replica["version"], replica["epoch"]) == (4, 4)


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param("not JSON", id="no JSON"),
        pytest.param("{}", id="no envelope"),
        pytest.param({"schemaVersion": 2}, id="a newer schema"),
        pytest.param({"type": "user:vanished"}, id="an unknown type"),
        pytest.param({"data": {"id": "somebody"}}, id="half the data"),
    ],
)
def test_a_poison_message_fails_alone_in_its_batch(stack, published, person, poison):
    event = published.of(person().id, version=1)
    first, last = somebody_new(event), somebody_new(event)
    bad = event | poison if isinstance(poison, dict) else poison
    records = [record("first", first), record("poison", bad), record("last", last)]
    answer = invoke(stack, "SyncFunction", {"Records": records})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "poison"}]}
    assert stack.replica(first["aggregateId"])
    assert stack.replica(last["aggregateId"])


def test_a_poison_message_ends_in_the_dead_letter_queue_and_its_neighbours_are_applied(stack, published, person):
    event = published.of(person().id, version=1)
    first, last = somebody_new(event), somebody_new(event)
    poison = f"poison {uuid.uuid4()}"
    with quick_redelivery(stack):
        send(stack, first, poison, last)
        for good in (first, last):
            eventually(lambda event=good: stack.replica(event["aggregateId"]))
        await_dead_letter(stack, poison)
        await_drained(stack)


def test_a_changed_person_is_published_and_reaches_the_replica_and_every_account(stack, published, person):
    somebody = person()
    wallets = [somebody.open_account(), somebody.open_account()]
    somebody.sign_out("global")
    event = published.of(somebody.id, version=2)
    assert (event["type"], event["data"]["epoch"]) == ("user:updated", 1)
    eventually(lambda: stack.replica(somebody.id)["epoch"] == 1)
    for wallet in wallets:
        eventually(lambda account=wallet: stack.payment_account(account)["ownerEpoch"] == 1)
