"""A revoked token moves no money, though it has not expired."""

import copy

import pytest
from eventually import eventually
from problems import problem


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
        somebody.post("/payments/accounts", {"paymentAccountType": "DEBIT"}),
        somebody.post("/api/payments", collection(wallet)),
    ):
        problem(refused, 401, "unauthenticated")


def collection(account):
    return {
        "amount": 100,
        "currency": "USD",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250788123456",
        "customerEmail": "customer@example.com",
        "paymentAccountId": account,
    }


def await_fence(somebody, *accounts):
    """Waits until the fence stands around each account. The probe asks for more than there is, so it never moves money."""
    for account in accounts:

        def fenced(account=account):
            status = somebody.try_withdraw(account, 1_000_000).status_code
            assert status in (401, 422), status
            return status == 401

        eventually(fenced)


def stolen_from(somebody):
    """Whoever has a copy of somebody's token."""
    return copy.copy(somebody)


def sign_out(_stack, somebody):
    thief = stolen_from(somebody)
    somebody.sign_out()
    somebody.sign_in()
    return thief


def end_a_session_of_the_list(_stack, somebody):
    thief = somebody.elsewhere()
    assert somebody.end_session(thief.session_id).status_code == 204
    return thief


def sign_out_everywhere(_stack, somebody):
    thief = somebody.elsewhere()
    somebody.sign_out("global")
    somebody.sign_in()
    return thief


def sign_out_everywhere_else(_stack, somebody):
    thief = somebody.elsewhere()
    somebody.token = somebody.sign_out("others").json()["access_token"]
    return thief


def keep_an_older_token_of_the_session_that_stays(_stack, somebody):
    thief = stolen_from(somebody)
    somebody.token = somebody.sign_out("others").json()["access_token"]
    return thief


def change_the_password(_stack, somebody):
    thief = somebody.elsewhere()
    answer = somebody.try_change_password("another correct horse battery")
    assert answer.status_code == 200, answer.text
    somebody.token = answer.json()["access_token"]
    return thief


def use_a_spent_refresh_token(_stack, somebody):
    thief = somebody.elsewhere()
    spent = thief.refresh_token
    thief.refresh()
    thief.refresh()
    problem(thief.try_refresh(spent), 401, "invalid_refresh_token")
    return thief


def suspend_and_reactivate(stack, somebody):
    thief = stolen_from(somebody)
    stack.set_person_status(somebody.id, "SUSPENDED")
    problem(somebody.try_sign_in(), 401, "invalid_credentials")
    stack.set_person_status(somebody.id, "ACTIVE")
    somebody.sign_in()
    return thief


CLOSINGS = [
    sign_out,
    end_a_session_of_the_list,
    sign_out_everywhere,
    sign_out_everywhere_else,
    keep_an_older_token_of_the_session_that_stays,
    change_the_password,
    use_a_spent_refresh_token,
    suspend_and_reactivate,
]


@pytest.mark.parametrize("close", CLOSINGS, ids=lambda close: close.__name__)
def test_the_gate_closes_for_the_older_token_and_one_issued_after_moves_money(stack, owner, close):
    somebody, wallet, other = owner
    thief = close(stack, somebody)
    await_fence(thief, wallet, other)
    assert_fenced(thief, wallet, other)
    assert somebody.balance(wallet) == 100
    somebody.send(wallet, other, 1)
    assert somebody.balance(wallet) == 99


def test_whoever_is_suspended_moves_no_money_and_signs_in_again_only_when_reactivated(stack, owner):
    somebody, wallet, other = owner
    stack.set_person_status(somebody.id, "SUSPENDED")
    await_fence(somebody, wallet, other)
    assert_fenced(somebody, wallet, other)
    assert not somebody.is_signed_in()
    problem(somebody.try_refresh(), 401, "invalid_refresh_token")


def test_an_account_opened_after_a_session_ended_is_fenced_off_it_too(owner):
    somebody, wallet, other = owner
    thief = end_a_session_of_the_list(None, somebody)
    await_fence(thief, wallet, other)
    new_account = somebody.open_account(balance=5)
    assert_fenced(thief, new_account, wallet)
    somebody.send(new_account, wallet, 5)


def test_an_account_opened_after_all_sessions_were_revoked_is_fenced_too(owner):
    somebody, wallet, other = owner
    thief = sign_out_everywhere(None, somebody)
    await_fence(thief, wallet, other)
    new_account = somebody.open_account(balance=5)
    assert_fenced(thief, new_account, wallet)
    somebody.send(new_account, wallet, 5)


def test_others_still_pay_into_an_account_whose_owner_revoked_their_sessions(stack, owner, ada, ada_wallet):
    somebody, wallet, other = owner
    thief = sign_out_everywhere(stack, somebody)
    await_fence(thief, wallet, other)
    ada.send(ada_wallet, wallet, 1)
    assert somebody.balance(wallet) == 101
