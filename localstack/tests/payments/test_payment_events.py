"""Events of payments and transfers, published from the stream of the payment table."""

from support.merchant import await_settlement, collections, create_payment_in
from support.waiting import wait_until

FAILURE = "+12025550101"


def test_successful_payment_publishes_its_events_and_transfer(payment_events, ada):
    wallet = ada.open_account()
    body = {"amount": 7_50, "customerPhone": "+250 788 123 456", "paymentAccountId": wallet}
    payment = create_payment_in(ada, "PENDING", **body)
    pending = payment_events.event(payment["reference"], version=2)
    data = {
        "reference": payment["reference"],
        "ownerId": ada.id,
        "amount": 7_50,
        "currency": "USD",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
        "paymentAccountId": wallet,
    }
    assert (pending["type"], pending["data"]) == ("payment:pending", data | {"status": "PENDING"})

    payment = await_settlement(ada, payment)
    succeeded = payment_events.event(payment["reference"], version=3)
    assert (succeeded["type"], succeeded["occurredAt"]) == ("payment:succeeded", payment["updatedAt"])
    assert succeeded["data"] == data | {
        "status": "SUCCESS",
        "providerTransactionId": payment["providerTransactionId"],
    }

    (collection,) = wait_until(lambda: collections(ada, wallet))
    event = payment_events.event(collection["id"], version=1)
    assert (event["type"], event["schemaVersion"]) == ("transfer:completed", 1)
    assert event["data"] == {
        "id": collection["id"],
        "type": "COLLECTION",
        "to": wallet,
        "amount": 7_50,
        "currency": "USD",
        "createdAt": collection["createdAt"],
    }


def test_failed_payment_publishes_payment_failed(payment_events, ada):
    payment = await_settlement(ada, create_payment_in(ada, "PENDING", customerPhone=FAILURE))
    failed = payment_events.event(payment["reference"], version=3)
    assert (failed["type"], failed["data"]["status"]) == ("payment:failed", "FAILED")
    assert "paymentAccountId" not in failed["data"]


def test_transfer_is_published_and_rejected_one_is_not(payment_events, ada):
    payer, payee = ada.open_account(balance=10), ada.open_account()
    rejected = ada.try_send(payer, payee, 11, key=f"too much from {payer}")
    assert rejected.status_code == 422, rejected.text
    sent = ada.send(payer, payee, 4)
    event = payment_events.event(sent["id"], version=1)
    assert (event["data"]["type"], event["data"]["from"], event["data"]["to"]) == ("SEND", payer, payee)
    assert [each["data"]["amount"] for each in payment_events.received if each["data"].get("from") == payer] == [4]
