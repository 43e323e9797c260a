"""Opening and listing payment accounts: DEBIT, CREDIT and LOAN, and what each may hold."""

import secrets
from collections import Counter

import pytest
from books import assert_books_balance
from concurrency import at_once
from eventually import eventually
from problems import invalid, problem

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


def test_a_debit_account_opens_empty_and_active(person):
    somebody = person()
    answer = somebody.try_open_account()
    assert answer.status_code == 201, answer.text
    account = answer.json()
    assert account.keys() >= ACCOUNT
    assert account["id"] == account["paymentAccountId"]
    assert (account["paymentAccountType"], account["status"]) == ("DEBIT", "ACTIVE")
    assert (account["balance"], account["available"]) == (0, 0)
    assert account["userId"] == somebody.id


def test_both_list_routes_show_a_persons_own_accounts_and_nobody_elses(person, ada, ada_wallet):
    somebody = person()
    assert somebody.accounts() == {}
    opened = {somebody.open_account(), somebody.open_account(paymentAccountType="CREDIT", creditLimit=100)}
    assert somebody.accounts().keys() == opened
    assert somebody.get("/payments/account").json() == somebody.get("/payments/accounts").json()
    assert ada_wallet not in somebody.accounts()
    assert not opened & ada.accounts().keys()


def test_a_client_may_choose_the_account_id_and_nobody_may_take_it_again(person):
    chosen = unique_account_id()
    somebody, another = person(), person()
    assert somebody.open_account(paymentAccountId=chosen) == chosen
    for taker in (somebody, another):
        problem(taker.try_open_account(paymentAccountId=chosen), 409, "account_id_taken")
    assert chosen not in another.accounts()


def test_an_opening_balance_is_a_transfer_like_any_other(person):
    somebody = person()
    account = somebody.open_account(balance=5_00)
    assert somebody.balance(account) == 5_00
    (opening,) = eventually(somebody.histories)
    assert (opening["amount"], opening["direction"], opening["status"]) == (5_00, "IN", "COMPLETED")
    assert (opening["fromPaymentAccountId"], opening["toPaymentAccountId"]) == (None, account)


def test_a_credit_account_pays_down_to_its_limit_and_not_below(person, bob, bob_wallet):
    somebody = person()
    card = somebody.open_account(paymentAccountType="CREDIT", creditLimit=100)
    assert somebody.accounts()[card]["available"] == 100
    somebody.send(card, bob_wallet, 99)
    problem(somebody.try_send(card, bob_wallet, 2), 422, "insufficient_funds")
    somebody.send(card, bob_wallet, 1)
    problem(somebody.try_send(card, bob_wallet, 1), 422, "insufficient_funds")
    assert (somebody.balance(card), somebody.accounts()[card]["available"]) == (-100, 0)
    somebody.deposit(card, 150)
    assert (somebody.balance(card), somebody.accounts()[card]["available"]) == (50, 150)


def test_a_loan_opens_owing_what_it_disburses_and_is_repaid_to_zero_and_not_past_it(person):
    somebody = person()
    wallet = somebody.open_account()
    loan = somebody.open_account(paymentAccountType="LOAN", principal=1_000, disburseTo=wallet)
    assert (somebody.balance(loan), somebody.balance(wallet)) == (-1_000, 1_000)

    # More money than debt, so that it is the loan that refuses.
    somebody.deposit(wallet, 1)
    somebody.send(wallet, loan, 600)
    problem(somebody.try_send(wallet, loan, 401), 422, "headroom_exceeded")
    somebody.send(wallet, loan, 400)
    problem(somebody.try_send(wallet, loan, 1), 422, "headroom_exceeded")
    problem(somebody.try_deposit(loan, 1), 422, "headroom_exceeded")
    assert (somebody.balance(loan), somebody.balance(wallet)) == (0, 1)


def test_no_money_leaves_a_loan(person, bob, bob_wallet):
    somebody = person()
    wallet = somebody.open_account()
    loan = somebody.open_account(paymentAccountType="LOAN", principal=1_000, disburseTo=wallet)
    for refused in (somebody.try_send(loan, bob_wallet, 1), somebody.try_withdraw(loan, 1)):
        assert refused.status_code == 422, refused.text
        assert refused.json()["code"] in ("insufficient_funds", "wrong_account_type")
    assert somebody.balance(loan) == -1_000


def test_a_loan_is_disbursed_only_to_a_debit_account_of_ones_own(person, bob_wallet):
    somebody = person()
    card = somebody.open_account(paymentAccountType="CREDIT", creditLimit=100)
    loan = {"paymentAccountType": "LOAN", "principal": 1_000}
    problem(somebody.try_open_account(**loan, disburseTo=bob_wallet), 404, "account_not_found")
    problem(somebody.try_open_account(**loan, disburseTo=unique_account_id()), 404, "account_not_found")
    problem(somebody.try_open_account(**loan, disburseTo=card), 422, "wrong_account_type")
    assert somebody.accounts().keys() == {card}


def test_a_loan_is_disbursed_in_its_own_currency(person):
    somebody = person()
    wallet = somebody.open_account(currency="EUR")
    loan = {"paymentAccountType": "LOAN", "principal": 1_000, "disburseTo": wallet, "currency": "JPY"}
    problem(somebody.try_open_account(**loan), 422, "currency_mismatch")
    assert somebody.accounts().keys() == {wallet}
    assert somebody.balance(wallet) == 0


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        pytest.param({"paymentAccountType": "SAVINGS"}, "/paymentAccountType", id="an unknown type"),
        pytest.param({"paymentAccountType": None}, "/paymentAccountType", id="no type"),
        pytest.param({"currency": "usd"}, "/currency", id="a currency in lower case"),
        pytest.param({"currency": "ABC"}, "/currency", id="a currency that is none"),
        pytest.param({"balance": -1}, "/balance", id="a negative balance"),
        pytest.param({"balance": 1.5}, "/balance", id="a float for a balance"),
        pytest.param({"creditLimit": 100}, "/creditLimit", id="a credit limit on a DEBIT account"),
        pytest.param({"principal": 100}, "/principal", id="a principal on a DEBIT account"),
        pytest.param({"paymentAccountType": "LOAN", "disburseTo": "a"}, "/principal", id="a LOAN without a principal"),
        pytest.param({"paymentAccountType": "LOAN", "principal": 1}, "/disburseTo", id="a LOAN to nowhere"),
        pytest.param({"paymentAccountId": ""}, "/paymentAccountId", id="an empty id"),
        pytest.param({"userId": "somebody"}, "/userId", id="an owner, whom only the token names"),
    ],
)
def test_a_400_names_the_field_that_is_wrong(ada, fields, pointer):
    before = ada.accounts()
    invalid(ada.try_open_account(**fields), pointer)
    assert ada.accounts() == before


def test_limits_of_credit_and_principal_are_the_stacks(stack, person):
    somebody = person()
    wallet = somebody.open_account()
    function = stack.functions.get_function_configuration(FunctionName=stack.function("OpenAccountFunction"))
    configured = function["Environment"]["Variables"]
    limits = {name: int(value) for name, value in configured.items() if name.startswith("MAX_")}
    over = {"paymentAccountType": "CREDIT", "creditLimit": limits["MAX_CREDIT_LIMIT"] + 1}
    problem(somebody.try_open_account(**over), 422, "limit_exceeded")
    over = {"paymentAccountType": "LOAN", "principal": limits["MAX_LOAN_PRINCIPAL"] + 1, "disburseTo": wallet}
    problem(somebody.try_open_account(**over), 422, "limit_exceeded")
    for _ in range(limits["MAX_ACCOUNTS_PER_USER"] - 1):
        somebody.open_account()
    problem(somebody.try_open_account(), 422, "limit_exceeded")


def test_a_client_chosen_id_that_two_people_want_at_once_goes_to_one(stack, person):
    people = [person(), person()]
    for somebody in people:
        somebody.open_account()
    body = {"paymentAccountType": "DEBIT", "paymentAccountId": unique_account_id(), "balance": 5}
    answers = at_once(8, lambda number: people[number % 2].post("/payments/accounts", body))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert_books_balance(stack)


def test_opening_with_a_key_twice_opens_one_account(person):
    somebody = person()
    first = somebody.try_open_account(key="open-once", balance=7)
    again = somebody.try_open_account(key="open-once", balance=7)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert somebody.accounts().keys() == {first.json()["paymentAccountId"]}
    problem(somebody.try_open_account(key="open-once", balance=8), 422, "idempotency_key_reused")
