"""Idempotency-Key: a request with a key is executed once."""

from collections import Counter

import pytest
from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.problems import problem
from support.users import completed_transfer

REPLAYED = "Idempotent-Replayed"


def test_concurrent_keyed_sends_post_one_transfer(stack, new_user, bob, bob_wallet):
    user = new_user()
    wallet = user.open_account(balance=1_000)
    before = bob.balance(bob_wallet)
    responses = run_concurrently(20, lambda _: user.try_send(wallet, bob_wallet, 7, key="rent-october"))
    transfers = [completed_transfer(response) for response in responses]
    assert all(transfer == transfers[0] for transfer in transfers)
    assert sum(response.headers.get(REPLAYED) == "true" for response in responses) == 19
    assert (user.balance(wallet), bob.balance(bob_wallet)) == (993, before + 7)
    assert_ledger_balances(stack)


@pytest.mark.parametrize("move", ["try_deposit", "try_withdraw"])
def test_keyed_deposit_or_withdrawal_acts_once(new_user, move):
    user = new_user()
    wallet = user.open_account(balance=100)
    first, again = (getattr(user, move)(wallet, 30, key="once") for _ in range(2))
    assert completed_transfer(first) == completed_transfer(again)
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert user.balance(wallet) == {"try_deposit": 130, "try_withdraw": 70}[move]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"amount": 8}, id="another amount"),
        pytest.param({"note": "another"}, id="another note"),
        pytest.param({"currency": "JPY"}, id="another currency"),
    ],
)
def test_idempotency_key_with_other_body_returns_422(new_user, bob_wallet, change):
    user = new_user()
    wallet = user.open_account(balance=100)
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": bob_wallet, "amount": 7, "note": "one"}
    completed_transfer(user.post("/payments/send", body, key="reused"))
    problem(user.post("/payments/send", body | change, key="reused"), 422, "idempotency_key_reused")
    assert user.balance(wallet) == 93


def test_concurrent_sends_sharing_a_key_post_one_transfer(stack, new_user, bob_wallet):
    user = new_user()
    wallet = user.open_account(balance=100)
    responses = run_concurrently(12, lambda number: user.try_send(wallet, bob_wallet, 1 + number % 3, key="contested"))
    (amount,) = {completed_transfer(response)["amount"] for response in responses if response.status_code == 201}
    assert Counter(response.status_code for response in responses) == {201: 4, 422: 8}
    assert user.balance(wallet) == 100 - amount
    assert_ledger_balances(stack)


def test_concurrent_keyed_loans_are_disbursed_once(stack, new_user):
    user = new_user()
    wallet = user.open_account()
    loan = {"paymentAccountType": "LOAN", "principal": 70, "disburseTo": wallet}
    responses = run_concurrently(8, lambda _: user.post("/payments/accounts", loan, key="one-loan"))
    assert {response.status_code for response in responses} == {201}
    assert len({response.json()["paymentAccountId"] for response in responses}) == 1
    assert user.balance(wallet) == 70
    assert_ledger_balances(stack)


def test_idempotency_key_is_scoped_to_the_user(new_user, bob_wallet):
    for user in (new_user(), new_user()):
        wallet = user.open_account(balance=10)
        response = user.try_send(wallet, bob_wallet, 1, key="same-key")
        completed_transfer(response)
        assert REPLAYED not in response.headers


def test_idempotency_key_is_scoped_to_the_route(new_user):
    user = new_user()
    wallet = user.open_account(balance=10)
    completed_transfer(user.try_deposit(wallet, 3, key="shared"))
    completed_transfer(user.try_withdraw(wallet, 3, key="shared"))
    assert user.balance(wallet) == 10


def test_quoted_and_unquoted_key_are_the_same(new_user):
    user = new_user()
    wallet = user.open_account(balance=10)
    assert completed_transfer(user.try_deposit(wallet, 3, key="plain")) == completed_transfer(
        user.try_deposit(wallet, 3, key='"plain"')
    )
    assert user.balance(wallet) == 13


@pytest.mark.parametrize(
    "key", ["k" * 256, '""', "caf\u00e9", "a,b", "a, a"], ids=["too long", "empty", "not ASCII", "two", "twice"]
)
def test_invalid_idempotency_key_returns_400(ada, ada_wallet, key):
    before = ada.balance(ada_wallet)
    response = ada.try_deposit(ada_wallet, 1, key=key.encode())
    problem(response, 400, "invalid_request")
    assert ada.balance(ada_wallet) == before


def test_rejected_keyed_send_is_replayed_after_a_deposit(new_user, bob_wallet):
    user = new_user()
    wallet = user.open_account()
    rejected = user.try_send(wallet, bob_wallet, 5, key="too-early")
    problem(rejected, 422, "insufficient_funds")
    assert REPLAYED not in rejected.headers

    user.deposit(wallet, 100)
    again = user.try_send(wallet, bob_wallet, 5, key="too-early")
    problem(again, 422, "insufficient_funds")
    assert again.headers[REPLAYED] == "true"
    assert user.balance(wallet) == 100
    completed_transfer(user.try_send(wallet, bob_wallet, 5, key="in-time"))
    assert user.balance(wallet) == 95
