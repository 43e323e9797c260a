"""A keyed request acts once, however often it is sent."""

from collections import Counter

import pytest
from books import assert_books_balance
from concurrency import at_once
from person import moved
from problems import problem

REPLAYED = "Idempotent-Replayed"


def test_twenty_keyed_sends_at_once_are_one_transfer_and_nineteen_replays(stack, person, bob, bob_wallet):
    somebody = person()
    wallet = somebody.open_account(balance=1_000)
    before = bob.balance(bob_wallet)
    answers = at_once(20, lambda _: somebody.try_send(wallet, bob_wallet, 7, key="rent-october"))
    transfers = [moved(answer) for answer in answers]
    assert all(transfer == transfers[0] for transfer in transfers)
    assert sum(answer.headers.get(REPLAYED) == "true" for answer in answers) == 19
    assert (somebody.balance(wallet), bob.balance(bob_wallet)) == (993, before + 7)
    assert_books_balance(stack)


@pytest.mark.parametrize("move", ["try_deposit", "try_withdraw"])
def test_a_keyed_deposit_or_withdrawal_acts_once(person, move):
    somebody = person()
    wallet = somebody.open_account(balance=100)
    first, again = (getattr(somebody, move)(wallet, 30, key="once") for _ in range(2))
    assert moved(first) == moved(again)
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert somebody.balance(wallet) == {"try_deposit": 130, "try_withdraw": 70}[move]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"amount": 8}, id="another amount"),
        pytest.param({"note": "another"}, id="another note"),
        pytest.param({"currency": "JPY"}, id="another currency"),
    ],
)
def test_the_same_key_with_another_body_is_a_422(person, bob_wallet, change):
    somebody = person()
    wallet = somebody.open_account(balance=100)
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": bob_wallet, "amount": 7, "note": "one"}
    moved(somebody.post("/payments/send", body, key="reused"))
    problem(somebody.post("/payments/send", body | change, key="reused"), 422, "idempotency_key_reused")
    assert somebody.balance(wallet) == 93


def test_one_key_on_different_sends_at_once_is_one_transfer(stack, person, bob_wallet):
    somebody = person()
    wallet = somebody.open_account(balance=100)
    answers = at_once(12, lambda number: somebody.try_send(wallet, bob_wallet, 1 + number % 3, key="contested"))
    (amount,) = {moved(answer)["amount"] for answer in answers if answer.status_code == 201}
    assert Counter(answer.status_code for answer in answers) == {201: 4, 422: 8}
    assert somebody.balance(wallet) == 100 - amount
    assert_books_balance(stack)


def test_one_loan_asked_for_at_once_with_one_key_is_disbursed_once(stack, person):
    somebody = person()
    wallet = somebody.open_account()
    loan = {"paymentAccountType": "LOAN", "principal": 70, "disburseTo": wallet}
    answers = at_once(8, lambda _: somebody.post("/payments/accounts", loan, key="one-loan"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["paymentAccountId"] for answer in answers}) == 1
    assert somebody.balance(wallet) == 70
    assert_books_balance(stack)


def test_a_key_is_the_persons_own(person, bob_wallet):
    for somebody in (person(), person()):
        wallet = somebody.open_account(balance=10)
        answer = somebody.try_send(wallet, bob_wallet, 1, key="everybody's first")
        moved(answer)
        assert REPLAYED not in answer.headers


def test_a_key_is_the_routes_own(person):
    somebody = person()
    wallet = somebody.open_account(balance=10)
    moved(somebody.try_deposit(wallet, 3, key="shared"))
    moved(somebody.try_withdraw(wallet, 3, key="shared"))
    assert somebody.balance(wallet) == 10


def test_the_quoted_form_of_a_key_is_the_same_key(person):
    somebody = person()
    wallet = somebody.open_account(balance=10)
    assert moved(somebody.try_deposit(wallet, 3, key="plain")) == moved(somebody.try_deposit(wallet, 3, key='"plain"'))
    assert somebody.balance(wallet) == 13


@pytest.mark.parametrize("key", ["k" * 256, '""', "caf\u00e9"], ids=["too long", "empty", "not ASCII"])
def test_a_key_that_is_none_is_a_400(ada, ada_wallet, key):
    before = ada.balance(ada_wallet)
    answer = ada.try_deposit(ada_wallet, 1, key=key.encode())
    problem(answer, 400, "invalid_request")
    assert ada.balance(ada_wallet) == before


def test_a_refused_keyed_send_stays_refused_after_money_arrives(person, bob_wallet):
    somebody = person()
    wallet = somebody.open_account()
    refused = somebody.try_send(wallet, bob_wallet, 5, key="too-early")
    problem(refused, 422, "insufficient_funds")
    assert REPLAYED not in refused.headers

    somebody.deposit(wallet, 100)
    again = somebody.try_send(wallet, bob_wallet, 5, key="too-early")
    problem(again, 422, "insufficient_funds")
    assert again.headers[REPLAYED] == "true"
    assert somebody.balance(wallet) == 100
    moved(somebody.try_send(wallet, bob_wallet, 5, key="in-time"))
    assert somebody.balance(wallet) == 95
