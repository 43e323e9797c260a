"""Accounts that many pay at once: they take in money in shards, and show and spend it as one balance."""

from collections import Counter

from books import assert_books_balance
from concurrency import at_once
from problems import invalid, problem


def test_an_account_opens_with_as_many_shards_as_it_asks_for(person):
    merchant = person()
    shop = merchant.try_open_account(intakeShards=8)
    assert shop.status_code == 201, shop.text
    assert shop.json()["intakeShards"] == 8
    assert merchant.accounts()[shop.json()["id"]] == shop.json()
    purse = merchant.open_account()
    assert "intakeShards" not in merchant.accounts()[purse]


def test_only_a_debit_account_has_them_and_one_to_sixteen(person):
    merchant = person()
    for wish in (0, 17, -1, 1.5, "8", True):
        invalid(merchant.try_open_account(intakeShards=wish), "/intakeShards")
    for other in ({"paymentAccountType": "CREDIT"}, {"paymentAccountType": "LOAN", "principal": 1, "disburseTo": "x"}):
        invalid(merchant.try_open_account(intakeShards=8, **other), "/intakeShards")
    assert merchant.accounts() == {}


def test_what_shards_hold_is_shown_and_spent_to_the_last_unit_and_no_further(stack, person, ada, ada_wallet):
    merchant = person()
    shop = merchant.open_account(intakeShards=3, balance=100)
    stack.move_to_shards(shop, [20, 30, 40])
    account = merchant.accounts()[shop]
    assert (account["balance"], account["available"]) == (100, 100)
    merchant.send(shop, ada_wallet, 60)
    assert merchant.balance(shop) == 40
    problem(merchant.try_withdraw(shop, 41), 422, "insufficient_funds")
    merchant.withdraw(shop, 40)
    assert merchant.balance(shop) == 0
    assert_books_balance(stack)


def test_of_many_who_spend_at_once_nobody_spends_what_another_has_spent(stack, person):
    merchant = person()
    shop = merchant.open_account(intakeShards=4, balance=100)
    stack.move_to_shards(shop, [25, 25, 25, 25])

    def withdraw(number):
        while True:
            answer = merchant.try_withdraw(shop, 10, key=f"withdrawal-{number}")
            if answer.status_code != 503:
                return answer
            problem(answer, 503, "contention")

    answers = at_once(20, withdraw)
    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 10}
    assert merchant.balance(shop) == 0
    assert_books_balance(stack)
