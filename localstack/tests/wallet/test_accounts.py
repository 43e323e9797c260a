"""POST and GET /payments/accounts: DEBIT, CREDIT and LOAN accounts and their limits."""

import secrets
from collections import Counter

import pytest
from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.problems import invalid, problem
from support.waiting import wait_until

ACCOUNT = {
    "id",
    "paymentAccountId",
    "paymentAccountType",
    "currency",
    "balance",
    "available",
    "status",
    "createdAt",
    "userId",
}


def unique_account_id():
    return f"wallet-{secrets.token_hex(8)}"


def test_debit_account_opens_empty_and_active(new_user):
    user = new_user()
    response = user.try_open_account()
    assert response.status_code == 201, response.text
    account = response.json()
    assert account.keys() >= ACCOUNT
    assert account["id"] == account["paymentAccountId"]
    assert (account["paymentAccountType"], account["status"]) == ("DEBIT", "ACTIVE")
    assert (account["balance"], account["available"]) == (0, 0)
    assert account["userId"] == user.id


def test_list_accounts_returns_own_accounts_on_both_routes(new_user, ada, ada_wallet):
    user = new_user()
    assert user.accounts() == {}
    opened = {user.open_account(), user.open_account(paymentAccountType="CREDIT", creditLimit=100)}
    assert user.accounts().keys() == opened
    assert user.get("/payments/account").json() == user.get("/payments/accounts").json()
    assert ada_wallet not in user.accounts()
    assert not opened & ada.accounts().keys()


def test_chosen_account_id_is_taken_once(new_user):
    chosen = unique_account_id()
    user, another = new_user(), new_user()
    assert user.open_account(paymentAccountId=chosen) == chosen
    for owner in (user, another):
        problem(owner.try_open_account(paymentAccountId=chosen), 409, "account_id_taken")
    assert chosen not in another.accounts()


def test_opening_balance_is_recorded_as_a_transfer(new_user):
    user = new_user()
    account = user.open_account(balance=5_00)
    assert user.balance(account) == 5_00
    (opening,) = wait_until(user.histories)
    assert (opening["amount"], opening["direction"], opening["status"]) == (5_00, "IN", "COMPLETED")
    assert (opening["fromPaymentAccountId"], opening["toPaymentAccountId"]) == (None, account)


def test_credit_account_sends_down_to_its_limit(new_user, bob, bob_wallet):
    user = new_user()
    card = user.open_account(paymentAccountType="CREDIT", creditLimit=100)
    assert user.accounts()[card]["available"] == 100
    user.send(card, bob_wallet, 99)
    problem(user.try_send(card, bob_wallet, 2), 422, "insufficient_funds")
    user.send(card, bob_wallet, 1)
    problem(user.try_send(card, bob_wallet, 1), 422, "insufficient_funds")
    assert (user.balance(card), user.accounts()[card]["available"]) == (-100, 0)
    user.deposit(card, 150)
    assert (user.balance(card), user.accounts()[card]["available"]) == (50, 150)


def test_loan_is_disbursed_and_repaid_up_to_zero(new_user):
    user = new_user()
    wallet = user.open_account()
    loan = user.open_account(paymentAccountType="LOAN", principal=1_000, disburseTo=wallet)
    assert (user.balance(loan), user.balance(wallet)) == (-1_000, 1_000)

    # More money than debt, so that the loan account rejects and not the wallet.
    user.deposit(wallet, 1)
    user.send(wallet, loan, 600)
    problem(user.try_send(wallet, loan, 401), 422, "headroom_exceeded")
    user.send(wallet, loan, 400)
    problem(user.try_send(wallet, loan, 1), 422, "headroom_exceeded")
    problem(user.try_deposit(loan, 1), 422, "headroom_exceeded")
    assert (user.balance(loan), user.balance(wallet)) == (0, 1)


def test_loan_account_cannot_send_or_withdraw(new_user, bob, bob_wallet):
    user = new_user()
    wallet = user.open_account()
    loan = user.open_account(paymentAccountType="LOAN", principal=1_000, disburseTo=wallet)
    for rejected in (user.try_send(loan, bob_wallet, 1), user.try_withdraw(loan, 1)):
        assert rejected.status_code == 422, rejected.text
        assert rejected.json()["code"] in ("insufficient_funds", "wrong_account_type")
    assert user.balance(loan) == -1_000


def test_loan_is_disbursed_only_to_own_debit_account(new_user, bob_wallet):
    user = new_user()
    card = user.open_account(paymentAccountType="CREDIT", creditLimit=100)
    loan = {"paymentAccountType": "LOAN", "principal": 1_000}
    problem(user.try_open_account(**loan, disburseTo=bob_wallet), 404, "account_not_found")
    problem(user.try_open_account(**loan, disburseTo=unique_account_id()), 404, "account_not_found")
    problem(user.try_open_account(**loan, disburseTo=card), 422, "wrong_account_type")
    assert user.accounts().keys() == {card}


def test_loan_in_other_currency_than_payee_is_rejected(new_user):
    user = new_user()
    wallet = user.open_account(currency="EUR")
    loan = {"paymentAccountType": "LOAN", "principal": 1_000, "disburseTo": wallet, "currency": "JPY"}
    problem(user.try_open_account(**loan), 422, "currency_mismatch")
    assert user.accounts().keys() == {wallet}
    assert user.balance(wallet) == 0


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        pytest.param({"paymentAccountType": "SAVINGS"}, "/paymentAccountType", id="an unknown type"),
        pytest.param({"paymentAccountType": None}, "/paymentAccountType", id="no type"),
        pytest.param({"currency": "usd"}, "/currency", id="a currency in lower case"),
        pytest.param({"currency": "ABC"}, "/currency", id="an unknown currency"),
        pytest.param({"balance": -1}, "/balance", id="a negative balance"),
        pytest.param({"balance": 1.5}, "/balance", id="a float for a balance"),
        pytest.param({"creditLimit": 100}, "/creditLimit", id="a credit limit on a DEBIT account"),
        pytest.param({"principal": 100}, "/principal", id="a principal on a DEBIT account"),
        pytest.param({"paymentAccountType": "LOAN", "disburseTo": "a"}, "/principal", id="a LOAN without a principal"),
        pytest.param({"paymentAccountType": "LOAN", "principal": 1}, "/disburseTo", id="a LOAN without a payee"),
        pytest.param({"paymentAccountId": ""}, "/paymentAccountId", id="an empty id"),
        pytest.param({"userId": "user"}, "/userId", id="a read-only field"),
    ],
)
def test_open_account_with_invalid_field_points_to_it(ada, fields, pointer):
    before = ada.accounts()
    invalid(ada.try_open_account(**fields), pointer)
    assert ada.accounts() == before


def test_account_limits_follow_the_stack_parameters(stack, new_user):
    user = new_user()
    wallet = user.open_account()
    limits = {
        name: int(value) for name, value in stack.environment("OpenAccountFunction").items() if name.startswith("MAX_")
    }
    over = {"paymentAccountType": "CREDIT", "creditLimit": limits["MAX_CREDIT_LIMIT"] + 1}
    problem(user.try_open_account(**over), 422, "limit_exceeded")
    over = {"paymentAccountType": "LOAN", "principal": limits["MAX_LOAN_PRINCIPAL"] + 1, "disburseTo": wallet}
    problem(user.try_open_account(**over), 422, "limit_exceeded")
    for _ in range(limits["MAX_ACCOUNTS_PER_USER"] - 1):
        user.open_account()
    problem(user.try_open_account(), 422, "limit_exceeded")


def test_concurrent_requests_for_one_account_id_open_one(stack, new_user):
    users = [new_user(), new_user()]
    for user in users:
        user.open_account()
    body = {"paymentAccountType": "DEBIT", "paymentAccountId": unique_account_id(), "balance": 5}
    responses = run_concurrently(8, lambda number: users[number % 2].post("/payments/accounts", body))
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 7}
    assert_ledger_balances(stack)


def test_open_account_with_repeated_key_opens_one(new_user):
    user = new_user()
    first = user.try_open_account(key="open-once", balance=7)
    again = user.try_open_account(key="open-once", balance=7)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert user.accounts().keys() == {first.json()["paymentAccountId"]}
    problem(user.try_open_account(key="open-once", balance=8), 422, "idempotency_key_reused")
