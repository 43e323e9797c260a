"""CREDIT and LOAN accounts that an operator opens for a user."""

import secrets

import pytest
from support.ledger_invariants import assert_ledger_balances
from support.problems import problem
from support.stack import OPEN_CREDIT
from support.waiting import wait_until


@pytest.fixture
def user(stack, new_user):
    """A user whom the payment context knows."""
    user = new_user()
    wait_until(lambda: stack.tables.user_replica(user.id))
    return user


def command(user, **changes):
    return {
        "userId": user.id,
        "paymentAccountType": "CREDIT",
        "currency": "USD",
        "amount": 1_000,
        "key": secrets.token_hex(8),
        "reason": "a test",
    } | changes


def test_operator_opens_credit_that_the_user_can_spend(stack, user):
    wallet = user.open_account()
    event = command(user)
    opened = stack.invoke(OPEN_CREDIT, event)
    assert (opened["userId"], opened["replayed"]) == (user.id, False)
    assert stack.invoke(OPEN_CREDIT, event) == opened | {"replayed": True}
    user.send(opened["paymentAccountId"], wallet, 400)
    assert user.balance(opened["paymentAccountId"]) == -400
    assert_ledger_balances(stack)


def test_operator_opens_a_loan_into_the_users_account(stack, user):
    wallet = user.open_account()
    stack.invoke(OPEN_CREDIT, command(user, paymentAccountType="LOAN", disburseTo=wallet))
    assert user.balance(wallet) == 1_000
    assert_ledger_balances(stack)


def test_credit_above_the_limit_of_a_user_is_rejected(stack, user):
    limits = stack.environment(OPEN_CREDIT)
    most, one = int(limits["MAX_CREDIT_PER_USER"]), int(limits["MAX_CREDIT_LIMIT"])
    for _ in range(most // one):
        stack.invoke(OPEN_CREDIT, command(user, amount=one))
    assert str(most) in stack.invoke_for_error(OPEN_CREDIT, command(user, amount=one))
    own = {"paymentAccountType": "CREDIT", "creditLimit": 1}
    problem(user.try_open_account(**own), 422, "limit_exceeded")
    stack.invoke(OPEN_CREDIT, command(user, amount=1, currency="EUR"))


def test_users_open_no_credit_where_self_credit_is_disabled(stack, user):
    before = stack.environment("OpenAccountFunction")
    stack.set_environment("OpenAccountFunction", before | {"SELF_CREDIT": "disabled"})
    try:
        problem(user.try_open_account(paymentAccountType="CREDIT"), 403, "self_credit_disabled")
        user.open_account()
    finally:
        stack.set_environment("OpenAccountFunction", before)
