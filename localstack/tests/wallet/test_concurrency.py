"""Concurrent transfers."""

from collections import Counter

from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.problems import problem


def test_concurrent_sends_never_overdraw_an_account(stack, new_user):
    payer, payee = new_user(), new_user()
    wallet, till = payer.open_account(balance=100), payee.open_account()

    def send(number):
        # Retries as a client should: a 503 is retryable, and the key makes the retry safe.
        while True:
            response = payer.try_send(wallet, till, 10, key=f"send-{number}")
            if response.status_code != 503:
                return response
            assert problem(response, 503, "contention")["retryable"]
            assert int(response.headers["Retry-After"]) >= 0

    responses = run_concurrently(50, send)
    assert Counter(response.status_code for response in responses) == {201: 10, 422: 40}
    for response in responses:
        if response.status_code == 422:
            problem(response, 422, "insufficient_funds")
    assert (payer.balance(wallet), payee.balance(till)) == (0, 100)
    assert_ledger_balances(stack)


def test_concurrent_opposite_sends_preserve_the_total(stack, new_user):
    ada, bob = new_user(), new_user()
    wallets = {ada: ada.open_account(balance=100), bob: bob.open_account(balance=100)}

    def send(number):
        payer, payee = (ada, bob) if number % 2 else (bob, ada)
        return payer.try_send(wallets[payer], wallets[payee], 1, key=f"back-and-forth-{number}")

    responses = run_concurrently(20, send)
    assert {response.status_code for response in responses} <= {201, 503}
    assert ada.balance(wallets[ada]) + bob.balance(wallets[bob]) == 200
    assert_ledger_balances(stack)
