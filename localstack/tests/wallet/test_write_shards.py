"""Accounts with write shards (`intakeShards`): concurrent credits go to shards, which are part of the balance."""

from collections import Counter

from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.problems import invalid, problem
from support.stack import SET_WRITE_SHARDS


def test_account_opens_with_requested_number_of_shards(new_user):
    merchant = new_user()
    shop = merchant.try_open_account(intakeShards=8)
    assert shop.status_code == 201, shop.text
    assert shop.json()["intakeShards"] == 8
    assert merchant.accounts()[shop.json()["id"]] == shop.json()
    purse = merchant.open_account()
    assert "intakeShards" not in merchant.accounts()[purse]


def test_invalid_number_of_shards_is_rejected(new_user):
    merchant = new_user()
    for shards in (0, 17, -1, 1.5, "8", True):
        invalid(merchant.try_open_account(intakeShards=shards), "/intakeShards")
    for other in ({"paymentAccountType": "CREDIT"}, {"paymentAccountType": "LOAN", "principal": 1, "disburseTo": "x"}):
        invalid(merchant.try_open_account(intakeShards=8, **other), "/intakeShards")
    assert merchant.accounts() == {}


def test_shard_balances_are_shown_and_spendable(stack, new_user, ada, ada_wallet):
    merchant = new_user()
    shop = merchant.open_account(intakeShards=3, balance=100)
    stack.tables.move_to_shards(shop, [20, 30, 40])
    account = merchant.accounts()[shop]
    assert (account["balance"], account["available"]) == (100, 100)
    merchant.send(shop, ada_wallet, 60)
    assert merchant.balance(shop) == 40
    problem(merchant.try_withdraw(shop, 41), 422, "insufficient_funds")
    merchant.withdraw(shop, 40)
    assert merchant.balance(shop) == 0
    assert_ledger_balances(stack)


def test_concurrent_withdrawals_never_overdraw_shards(stack, new_user):
    merchant = new_user()
    shop = merchant.open_account(intakeShards=4, balance=100)
    stack.tables.move_to_shards(shop, [25, 25, 25, 25])

    def withdraw(number):
        while True:
            response = merchant.try_withdraw(shop, 10, key=f"withdrawal-{number}")
            if response.status_code != 503:
                return response
            problem(response, 503, "contention")

    responses = run_concurrently(20, withdraw)
    assert Counter(response.status_code for response in responses) == {201: 10, 422: 10}
    assert merchant.balance(shop) == 0
    assert_ledger_balances(stack)


def test_shards_are_turned_on_and_off_for_an_existing_account(stack, new_user):
    merchant = new_user()
    shop = merchant.open_account(balance=100)
    response = merchant.try_update_account(shop, intakeShards=4)
    assert response.status_code == 200, response.text
    assert response.json() == merchant.accounts()[shop]
    assert (response.json()["intakeShards"], response.json()["balance"]) == (4, 100)
    stack.tables.move_to_shards(shop, [25, 25, 25, 25])
    off = merchant.try_update_account(shop, intakeShards=0)
    assert off.status_code == 200, off.text
    assert "intakeShards" not in off.json()
    assert off.json()["balance"] == 100
    merchant.withdraw(shop, 60)
    assert merchant.balance(shop) == 40
    assert_ledger_balances(stack)


def test_shards_of_an_account_are_set_by_its_owner_only(new_user, ada, ada_wallet):
    merchant = new_user()
    problem(merchant.try_update_account(ada_wallet, intakeShards=4), 404, "account_not_found")
    assert "intakeShards" not in ada.accounts()[ada_wallet]
    shop = merchant.open_account()
    for shards in (17, -1, 1.5, "8", True, None):
        invalid(merchant.try_update_account(shop, intakeShards=shards), "/intakeShards")
    card = merchant.open_account(paymentAccountType="CREDIT")
    problem(merchant.try_update_account(card, intakeShards=4), 422, "wrong_account_type")


def test_operator_sets_shards_of_an_account(stack, new_user):
    merchant = new_user()
    shop = merchant.open_account(balance=100)
    event = {"paymentAccountId": shop, "intakeShards": 3, "reason": "a test"}
    set_by_operator = stack.invoke(SET_WRITE_SHARDS, event)
    assert set_by_operator == {"paymentAccountId": shop, "userId": merchant.id, "intakeShards": 3}
    assert merchant.accounts()[shop]["intakeShards"] == 3
    stack.tables.move_to_shards(shop, [40, 30, 20])
    merchant.withdraw(shop, 100)
    assert "intakeShards" in stack.invoke_for_error(SET_WRITE_SHARDS, event | {"intakeShards": 17})
    assert_ledger_balances(stack)
