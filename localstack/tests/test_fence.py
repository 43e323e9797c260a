"""A revoked token moves no money, though it has not expired."""

import pytest
from eventually import eventually
from problems import problem
from tokens import parts


@pytest.fixture
def owner(person):
    """Somebody with two accounts and money on the first."""
    somebody = person()
    return somebody, somebody.open_account(balance=100), somebody.open_account()


def assert_fenced(somebody, wallet, other):
    for refused in (
        somebody.try_send(wallet, other, 1),
        somebody.try_withdraw(wallet, 1),
        somebody.try_deposit(wallet, 1),
    ):
        problem(refused, 401, "unauthenticated")


def test_after_all_sessions_are_revoked_an_older_token_moves_no_money_and_a_new_one_does(stack, owner):
    somebody, wallet, other = owner
    stack.raise_epoch(somebody.id)
    for account in (wallet, other):
        eventually(lambda account=account: stack.payment_account(account)["ownerEpoch"] == 1)
    assert_fenced(somebody, wallet, other)
    assert stack.payment_account(wallet)["balance"] == 100

    somebody.sign_in()
    somebody.send(wallet, other, 1)
    assert somebody.balance(wallet) == 99


def test_an_account_opened_after_the_revocation_is_fenced_too(stack, owner):
    somebody, wallet, _other = owner
    old_token = somebody.token
    stack.raise_epoch(somebody.id)
    eventually(lambda: stack.replica(somebody.id)["epoch"] == 1)
    somebody.sign_in()
    new_account = somebody.open_account(balance=5)
    somebody.token = old_token
    assert_fenced(somebody, new_account, wallet)
    problem(somebody.post("/payments/accounts", {"paymentAccountType": "DEBIT"}), 401, "unauthenticated")


def test_a_session_on_an_accounts_list_moves_no_money_and_the_persons_other_session_does(stack, owner):
    somebody, wallet, other = owner
    stack.revoke_session(wallet, parts(somebody.token)[1]["sid"])
    assert_fenced(somebody, wallet, other)
    somebody.sign_in()
    somebody.send(wallet, other, 1)
    assert somebody.balance(wallet) == 99


def test_others_still_pay_into_an_account_whose_owner_revoked_their_sessions(stack, owner, ada, ada_wallet):
    somebody, wallet, _other = owner
    stack.raise_epoch(somebody.id)
    eventually(lambda: stack.payment_account(wallet)["ownerEpoch"] == 1)
    ada.send(ada_wallet, wallet, 1)
    assert stack.payment_account(wallet)["balance"] == 101
