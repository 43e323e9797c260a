"""Many sends from one account at the same moment."""

from collections import Counter

from books import assert_books_balance
from concurrency import at_once
from problems import problem


def test_fifty_sends_at_once_from_an_account_that_affords_ten_are_ten_transfers(stack, person):
    payer, payee = person(), person()
    wallet, till = payer.open_account(balance=100), payee.open_account()

    def send(number):
        # As a client should: a 503 says that it may be sent again, and the key that it then still acts once.
        while True:
            answer = payer.try_send(wallet, till, 10, key=f"send-{number}")
            if answer.status_code != 503:
                return answer
            assert problem(answer, 503, "contention")["retryable"]
            assert int(answer.headers["Retry-After"]) >= 0

    answers = at_once(50, send)
    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 40}
    for answer in answers:
        if answer.status_code == 422:
            problem(answer, 422, "insufficient_funds")
    assert (payer.balance(wallet), payee.balance(till)) == (0, 100)
    assert_books_balance(stack)


def test_two_people_who_send_to_each_other_at_once_lose_nothing(stack, person):
    ada, bob = person(), person()
    wallets = {ada: ada.open_account(balance=100), bob: bob.open_account(balance=100)}

    def send(number):
        payer, payee = (ada, bob) if number % 2 else (bob, ada)
        return payer.try_send(wallets[payer], wallets[payee], 1, key=f"back-and-forth-{number}")

    answers = at_once(20, send)
    assert {answer.status_code for answer in answers} <= {201, 503}
    assert ada.balance(wallets[ada]) + bob.balance(wallets[bob]) == 200
    assert_books_balance(stack)
