"""Payments and transfers are told to whoever subscribes, from the payment table's stream."""

import pytest
from eventually import eventually
from merchant import ask_and_move, collections, settled
from published import listening

FAILURE = "+12025550101"


@pytest.fixture(scope="module")
def published(stack):
    with listening(stack, stack.payment_topic_arn) as published:
        yield published


def test_a_payment_that_succeeds_is_told_with_the_transfer_that_credits_it(published, ada):
    wallet = ada.open_account()
    asked = {"amount": 7_50, "customerPhone": "+250 788 123 456", "paymentAccountId": wallet}
    payment = ask_and_move(ada, "PENDING", **asked)
    pending = published.of(payment["reference"], version=2)
    told = {
        "reference": payment["reference"],
        "ownerId": ada.id,
        "amount": 7_50,
        "currency": "USD",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
        "paymentAccountId": wallet,
    }
    assert (pending["type"], pending["data"]) == ("payment:pending", told | {"status": "PENDING"})

    payment = settled(ada, payment)
    succeeded = published.of(payment["reference"], version=3)
    assert (succeeded["type"], succeeded["occurredAt"]) == ("payment:succeeded", payment["updatedAt"])
    assert succeeded["data"] == told | {
        "status": "SUCCESS",
        "providerTransactionId": payment["providerTransactionId"],
    }

    (collection,) = eventually(lambda: collections(ada, wallet))
    event = published.of(collection["id"], version=1)
    assert (event["type"], event["schemaVersion"]) == ("transfer:completed", 1)
    assert event["data"] == {
        "id": collection["id"],
        "type": "COLLECTION",
        "to": wallet,
        "amount": 7_50,
        "currency": "USD",
        "createdAt": collection["createdAt"],
    }


def test_a_payment_that_fails_is_told(published, ada):
    payment = settled(ada, ask_and_move(ada, "PENDING", customerPhone=FAILURE))
    failed = published.of(payment["reference"], version=3)
    assert (failed["type"], failed["data"]["status"]) == ("payment:failed", "FAILED")
    assert "paymentAccountId" not in failed["data"]


def test_money_between_two_accounts_is_told_and_what_was_refused_is_not(published, ada):
    payer, payee = ada.open_account(balance=10), ada.open_account()
    refused = ada.try_send(payer, payee, 11, key=f"too much from {payer}")
    assert refused.status_code == 422, refused.text
    sent = ada.send(payer, payee, 4)
    event = published.of(sent["id"], version=1)
    assert (event["data"]["type"], event["data"]["from"], event["data"]["to"]) == ("SEND", payer, payee)
    assert [each["data"]["amount"] for each in published.heard if each["data"].get("from") == payer] == [4]
