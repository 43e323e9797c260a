"""Revoked access tokens move no money, even before they expire."""

import copy

import pytest
from support.merchant import try_create_payment
from support.problems import problem
from support.waiting import wait_until


@pytest.fixture
def owner(new_user):
    """A user, an account with a balance, and an empty account."""
    user = new_user()
    return user, user.open_account(balance=100), user.open_account()


def assert_revoked(user, wallet, other):
    for rejected in (
        user.try_send(wallet, other, 1),
        user.try_withdraw(wallet, 1),
        user.try_deposit(wallet, 1),
        user.post("/payments/accounts", {"paymentAccountType": "DEBIT"}),
        try_create_payment(user, paymentAccountId=wallet),
    ):
        problem(rejected, 401, "unauthenticated")


def await_revocation(user, *accounts):
    """Waits until each account rejects the token. The probe exceeds the balance, so it never moves money."""
    for account in accounts:

        def revoked(account=account):
            status = user.try_withdraw(account, 1_000_000).status_code
            assert status in (401, 422), status
            return status == 401

        wait_until(revoked)


def stolen_from(user):
    """A copy of the user's tokens."""
    return copy.copy(user)


def sign_out(_stack, user):
    thief = stolen_from(user)
    user.sign_out()
    user.sign_in()
    return thief


def end_listed_session(_stack, user):
    thief = user.on_new_device()
    assert user.end_session(thief.session_id).status_code == 204
    return thief


def sign_out_globally(_stack, user):
    thief = user.on_new_device()
    user.sign_out("global")
    user.sign_in()
    return thief


def sign_out_others(_stack, user):
    thief = user.on_new_device()
    user.token = user.sign_out("others").json()["access_token"]
    return thief


def keep_older_token_of_remaining_session(_stack, user):
    thief = stolen_from(user)
    user.token = user.sign_out("others").json()["access_token"]
    return thief


def change_password(_stack, user):
    thief = user.on_new_device()
    response = user.try_change_password("another correct horse battery")
    assert response.status_code == 200, response.text
    user.token = response.json()["access_token"]
    return thief


def reuse_refresh_token(_stack, user):
    thief = user.on_new_device()
    used = thief.refresh_token
    thief.refresh()
    thief.refresh()
    problem(thief.try_refresh(used), 401, "invalid_refresh_token")
    return thief


def suspend_and_reactivate(stack, user):
    thief = stolen_from(user)
    stack.set_user_status(user.id, "SUSPENDED")
    problem(user.try_sign_in(), 401, "invalid_credentials")
    stack.set_user_status(user.id, "ACTIVE")
    user.sign_in()
    return thief


REVOCATIONS = [
    sign_out,
    end_listed_session,
    sign_out_globally,
    sign_out_others,
    keep_older_token_of_remaining_session,
    change_password,
    reuse_refresh_token,
    suspend_and_reactivate,
]


@pytest.mark.parametrize("revoke", REVOCATIONS, ids=lambda revoke: revoke.__name__)
def test_revoked_token_moves_no_money_and_newer_one_does(stack, owner, revoke):
    user, wallet, other = owner
    thief = revoke(stack, user)
    await_revocation(thief, wallet, other)
    assert_revoked(thief, wallet, other)
    assert user.balance(wallet) == 100
    user.send(wallet, other, 1)
    assert user.balance(wallet) == 99


def test_many_ended_sessions_revoke_every_older_token(owner):
    user, wallet, other = owner
    # One more than the payment context stores one by one.
    thieves = [end_listed_session(None, user) for _ in range(11)]
    for revoked in [*thieves, user]:
        await_revocation(revoked, wallet, other)
    assert user.is_signed_in(), "the session that has not ended needs another access token only"

    def accepted():
        user.refresh()
        return user.try_withdraw(wallet, 1).status_code == 201

    wait_until(accepted)
    for thief in thieves:
        assert_revoked(thief, wallet, other)


def test_suspended_user_moves_no_money(stack, owner):
    user, wallet, other = owner
    stack.set_user_status(user.id, "SUSPENDED")
    await_revocation(user, wallet, other)
    assert_revoked(user, wallet, other)
    assert not user.is_signed_in()
    problem(user.try_refresh(), 401, "invalid_refresh_token")


def test_new_account_rejects_tokens_of_ended_sessions(owner):
    user, wallet, other = owner
    thief = end_listed_session(None, user)
    await_revocation(thief, wallet, other)
    new_account = user.open_account(balance=5)
    assert_revoked(thief, new_account, wallet)
    user.send(new_account, wallet, 5)


def test_new_account_rejects_tokens_of_older_epochs(owner):
    user, wallet, other = owner
    thief = sign_out_globally(None, user)
    await_revocation(thief, wallet, other)
    new_account = user.open_account(balance=5)
    assert_revoked(thief, new_account, wallet)
    user.send(new_account, wallet, 5)


def test_account_receives_money_after_owners_revocation(stack, owner, ada, ada_wallet):
    user, wallet, other = owner
    thief = sign_out_globally(stack, user)
    await_revocation(thief, wallet, other)
    ada.send(ada_wallet, wallet, 1)
    assert user.balance(wallet) == 101
