"""Payments collected from customers: creation, reading, listing and status transitions by their owner."""

import secrets

import pytest
from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.merchant import (
    collections,
    create_payment,
    create_payment_in,
    get_payment,
    list_payments,
    set_status,
    status_history,
    try_create_payment,
    try_set_status,
    valid_body,
)
from support.problems import invalid, problem
from support.provider import transaction
from support.waiting import wait_until

PAYMENT = {
    "reference",
    "amount",
    "currency",
    "paymentMethod",
    "customerPhone",
    "customerEmail",
    "status",
    "providerName",
    "providerTransactionId",
    "paymentAccountId",
    "createdAt",
    "updatedAt",
    "history",
}
REPLAYED = "Idempotent-Replayed"
STATUSES = ["INITIATED", "PENDING", "SUCCESS", "FAILED"]
LEGAL = [("INITIATED", "PENDING"), ("PENDING", "SUCCESS"), ("PENDING", "FAILED")]
# The transitions that the owner has made before. A repetition changes nothing.
REACHED = {
    "INITIATED": [],
    "PENDING": ["PENDING"],
    "SUCCESS": ["PENDING", "SUCCESS"],
    "FAILED": ["PENDING", "FAILED"],
}
UNKNOWN = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4"


# --- creation ------------------------------------------------------------------------------------------


def test_created_payment_is_initiated_with_canonical_customer(ada, ada_wallet):
    customer = {"customerPhone": "+250 (788) 123-456", "customerEmail": "Cus.Tomer@Example.COM"}
    payment = create_payment(ada, amount=1050, paymentAccountId=ada_wallet, **customer)
    assert payment.keys() == PAYMENT
    assert payment["reference"].startswith("PAY-")
    assert len(payment["reference"]) == 30
    assert (payment["customerPhone"], payment["customerEmail"]) == ("+250788123456", "cus.tomer@example.com")
    assert (payment["amount"], payment["currency"], payment["paymentMethod"]) == (1050, "USD", "MOBILE_MONEY")
    assert (payment["status"], payment["paymentAccountId"]) == ("INITIATED", ada_wallet)
    assert payment["providerName"]
    assert payment["providerTransactionId"] is None
    assert payment["history"] == [{"status": "INITIATED", "at": payment["createdAt"], "by": "OWNER"}]
    assert payment["updatedAt"] == payment["createdAt"]
    assert get_payment(ada, payment) == payment


def test_create_payment_without_account_succeeds(new_user):
    merchant = new_user()
    payment = create_payment_in(merchant, "SUCCESS")
    assert payment["paymentAccountId"] is None
    assert merchant.histories() == []


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"amount": 0}, "/amount", id="an amount of zero"),
        pytest.param({"amount": -1}, "/amount", id="a negative amount"),
        pytest.param({"amount": 10.5}, "/amount", id="a float for an amount"),
        pytest.param({"amount": 2**53}, "/amount", id="an amount of 2^53"),
        pytest.param({"amount": "1050"}, "/amount", id="a string for an amount"),
        pytest.param({"amount": None}, "/amount", id="null for an amount"),
        pytest.param({"currency": "FRW"}, "/currency", id="an unknown currency"),
        pytest.param({"currency": 840}, "/currency", id="a number for a currency"),
        pytest.param({"currency": None}, "/currency", id="null for a currency"),
        pytest.param({"paymentMethod": "CASH"}, "/paymentMethod", id="an unknown method"),
        pytest.param({"paymentMethod": 7}, "/paymentMethod", id="a number for a method"),
        pytest.param({"customerPhone": "0788123456"}, "/customerPhone", id="a phone in national format"),
        pytest.param({"customerPhone": "+25078812345678901"}, "/customerPhone", id="a phone that is too long"),
        pytest.param({"customerPhone": 250788123456}, "/customerPhone", id="a number for a phone"),
        pytest.param({"customerEmail": "nobody"}, "/customerEmail", id="an invalid e-mail"),
        pytest.param({"customerEmail": ["a@example.com"]}, "/customerEmail", id="a list for an e-mail"),
        pytest.param({"paymentAccountId": "a b"}, "/paymentAccountId", id="an invalid account id"),
        pytest.param({"paymentAccountId": 7}, "/paymentAccountId", id="a number for an account"),
        pytest.param({"status": "SUCCESS"}, "/status", id="a status"),
        pytest.param({"ownerId": "user"}, "/ownerId", id="an unknown field"),
    ],
)
def test_create_payment_with_invalid_field_points_to_it(ada, change, pointer):
    invalid(try_create_payment(ada, **change), pointer)


@pytest.mark.parametrize("field", ["amount", "currency", "paymentMethod", "customerPhone", "customerEmail"])
def test_create_payment_with_missing_field_points_to_it(ada, field):
    body = valid_body()
    del body[field]
    invalid(ada.post("/api/payments", body), f"/{field}")


def test_create_payment_reports_all_invalid_fields_together(ada):
    wrong = {"amount": 0, "currency": "frw", "customerPhone": "1", "customerEmail": "n", "paymentAccountId": ""}
    invalid(try_create_payment(ada, **wrong), *(f"/{field}" for field in wrong))


def test_payment_into_foreign_or_unknown_account_returns_404(ada, bob_wallet):
    for account in (bob_wallet, f"unknown-{secrets.token_hex(8)}"):
        problem(try_create_payment(ada, paymentAccountId=account), 404, "account_not_found")


def test_payment_in_other_currency_than_account_is_rejected(ada, ada_wallet):
    problem(try_create_payment(ada, paymentAccountId=ada_wallet, currency="JPY"), 422, "currency_mismatch")


def test_payment_into_loan_is_rejected_and_into_credit_accepted(new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    loan = merchant.open_account(paymentAccountType="LOAN", principal=5_000, disburseTo=wallet)
    problem(try_create_payment(merchant, paymentAccountId=loan), 422, "wrong_account_type")
    card = merchant.open_account(paymentAccountType="CREDIT", creditLimit=1_000)
    create_payment_in(merchant, "SUCCESS", amount=70, paymentAccountId=card)
    assert merchant.balance(card) == 70


def test_rejected_payment_is_not_stored(new_user, bob_wallet):
    merchant = new_user()
    problem(try_create_payment(merchant, paymentAccountId=bob_wallet), 404, "account_not_found")
    invalid(try_create_payment(merchant, amount=0), "/amount")
    assert list_payments(merchant) == []


def test_payment_endpoints_accept_the_cookie(ada, anonymous):
    cookie = {"Cookie": f"access_token={ada.token}"}
    made = anonymous.post("/api/payments", valid_body(), headers=cookie)
    assert made.status_code == 201, made.text
    path = f"/api/payments/{made.json()['reference']}"
    assert anonymous.post(f"{path}/status", {"status": "PENDING"}, headers=cookie).status_code == 200
    assert anonymous.get(path, headers=cookie).json()["status"] == "PENDING"
    assert anonymous.get("/api/payments", headers=cookie).status_code == 200


def test_payment_endpoints_without_token_return_401(ada, anonymous):
    payment = create_payment(ada)
    path = f"/api/payments/{payment['reference']}"
    for response in (
        anonymous.post("/api/payments", valid_body()),
        anonymous.get("/api/payments"),
        anonymous.get(path),
        anonymous.post(f"{path}/status", {"status": "PENDING"}),
    ):
        problem(response, 401, "unauthenticated")
    assert get_payment(ada, payment) == payment


# --- idempotency ----------------------------------------------------------------------------------------


def test_replay_returns_first_response_after_status_change(ada):
    key = secrets.token_hex(8)
    first = try_create_payment(ada, key=key)
    set_status(ada, first.json(), "PENDING", providerTransactionId="momo-1")
    again = try_create_payment(ada, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert again.json() == first.json()


def test_concurrent_keyed_requests_create_one_payment(new_user):
    merchant = new_user()
    responses = run_concurrently(20, lambda _: try_create_payment(merchant, key="one-order"))
    assert {response.status_code for response in responses} == {201}
    assert all(response.json() == responses[0].json() for response in responses)
    assert sum(response.headers.get(REPLAYED) == "true" for response in responses) == 19
    assert [payment["reference"] for payment in list_payments(merchant)] == [responses[0].json()["reference"]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"amount": 2_501}, id="another amount"),
        pytest.param({"currency": "JPY"}, id="another currency"),
        pytest.param({"customerPhone": "+250788123456"}, id="another customer"),
    ],
)
def test_idempotency_key_with_other_payload_returns_422(ada, change):
    key = secrets.token_hex(8)
    payment = create_payment(ada, key=key)
    problem(try_create_payment(ada, key=key, **change), 422, "idempotency_key_reused")
    assert get_payment(ada, payment) == payment


def test_idempotency_key_is_scoped_to_the_merchant(ada, bob):
    key = secrets.token_hex(8)
    assert create_payment(ada, key=key)["reference"] != create_payment(bob, key=key)["reference"]


# --- ownership ---------------------------------------------------------------------------------------------------


def test_payment_of_another_user_returns_404(ada, ada_wallet, bob):
    payment = create_payment(ada, paymentAccountId=ada_wallet)
    problem(bob.get(f"/api/payments/{payment['reference']}"), 404, "payment_not_found")
    for status in STATUSES:
        problem(try_set_status(bob, payment, status), 404, "payment_not_found")
    set_status(ada, payment, "PENDING")
    pending = get_payment(ada, payment)
    problem(try_set_status(bob, payment, "SUCCESS"), 404, "payment_not_found")
    assert get_payment(ada, payment) == pending
    assert payment["reference"] not in {other["reference"] for other in list_payments(bob)}


@pytest.mark.parametrize("reference", [UNKNOWN, "no-such-payment", "%20", UNKNOWN.lower()])
def test_unknown_payment_returns_404(ada, reference):
    problem(ada.get(f"/api/payments/{reference}"), 404, "payment_not_found")
    problem(try_set_status(ada, {"reference": reference}, "PENDING"), 404, "payment_not_found")


# --- listing ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(new_user):
    """A merchant with seven payments in all statuses, and their (reference, status) oldest first."""
    merchant = new_user()
    statuses = ["SUCCESS", "INITIATED", "PENDING", "FAILED", "INITIATED", "SUCCESS", "PENDING"]
    payments = [create_payment_in(merchant, status) for status in statuses]
    wait_until(lambda: sorted(payment["status"] for payment in list_payments(merchant)) == sorted(statuses))
    return merchant, [(payment["reference"], payment["status"]) for payment in payments]


def shown(payments):
    return [(payment["reference"], payment["status"]) for payment in payments]


def test_list_payments_returns_newest_first(shop):
    merchant, payments = shop
    lines = list_payments(merchant)
    assert shown(lines) == payments[::-1]
    assert lines[0] == get_payment(merchant, lines[0])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_list_payments_pages_hold_each_payment_once(shop, limit):
    merchant, payments = shop
    assert shown(list_payments(merchant, limit=limit)) == payments[::-1]


def test_list_payments_last_page_has_no_cursor(shop):
    merchant, _payments = shop
    first = merchant.get("/api/payments", limit=4).json()
    assert len(first["data"]) == 4
    last = merchant.get("/api/payments", limit=4, cursor=first["nextCursor"]).json()
    assert len(last["data"]) == 3
    assert last["nextCursor"] is None


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("limit", [1, 100])
def test_list_payments_filters_by_status(shop, status, limit):
    merchant, payments = shop
    expected = [payment for payment in payments if payment[1] == status]
    assert shown(list_payments(merchant, status=status, limit=limit)) == expected[::-1]


def test_payment_moves_between_status_lists(new_user):
    merchant = new_user()
    payment = create_payment_in(merchant, "PENDING")
    wait_until(lambda: shown(list_payments(merchant, status="PENDING")) == [(payment["reference"], "PENDING")])
    set_status(merchant, payment, "FAILED")
    wait_until(lambda: shown(list_payments(merchant, status="FAILED")) == [(payment["reference"], "FAILED")])
    wait_until(lambda: list_payments(merchant, status="PENDING") == [])


def test_list_payments_without_payments_is_empty(new_user):
    page = new_user().get("/api/payments").json()
    assert (page["data"], page["nextCursor"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        pytest.param({"limit": 0}, "/limit", id="a limit of zero"),
        pytest.param({"limit": 101}, "/limit", id="a limit over 100"),
        pytest.param({"limit": "many"}, "/limit", id="a limit that is not a number"),
        pytest.param({"cursor": "made-up"}, "/cursor", id="an invalid cursor"),
        pytest.param({"status": "PAID"}, "/status", id="an unknown status"),
        pytest.param({"status": "pending"}, "/status", id="a status in lower case"),
        pytest.param({"status": ["PENDING", "FAILED"]}, "/status", id="two statuses"),
    ],
)
def test_list_payments_with_invalid_query_points_to_it(ada, query, pointer):
    invalid(ada.get("/api/payments", **query), pointer)


# --- transitions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
def test_payment_records_its_status_history(ada, end):
    payment = create_payment(ada)
    pending = set_status(ada, payment, "PENDING", providerTransactionId=transaction(payment))
    assert (pending["status"], pending["providerTransactionId"]) == ("PENDING", transaction(payment))
    ended = set_status(ada, payment, end)
    assert (ended["status"], ended["providerTransactionId"]) == (end, transaction(payment))
    assert status_history(ended) == [("INITIATED", "OWNER"), ("PENDING", "OWNER"), (end, "OWNER")]
    times = [step["at"] for step in ended["history"]]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (ended["createdAt"], ended["updatedAt"])
    assert get_payment(ada, payment) == ended


@pytest.mark.parametrize(
    ("start", "to"),
    [(start, to) for start in STATUSES for to in STATUSES if (start, to) not in LEGAL and to not in REACHED[start]],
)
def test_illegal_transition_returns_400_naming_both_statuses(new_user, start, to):
    merchant = new_user()
    wallet = merchant.open_account()
    payment = create_payment_in(merchant, start, paymentAccountId=wallet)
    balance = merchant.balance(wallet)
    detail = problem(try_set_status(merchant, payment, to), 400, "invalid_transition")["detail"]
    assert start in detail
    assert to in detail
    assert get_payment(merchant, payment) == payment
    assert merchant.balance(wallet) == balance


@pytest.mark.parametrize(("start", "to"), [(start, to) for start, reached in REACHED.items() for to in reached])
def test_repeated_transition_returns_the_payment(new_user, start, to):
    merchant = new_user()
    wallet = merchant.open_account()
    payment = create_payment_in(merchant, start, paymentAccountId=wallet)
    balance = merchant.balance(wallet)
    assert set_status(merchant, payment, to) == payment
    assert merchant.balance(wallet) == balance


def test_keyed_transition_is_replayed(ada):
    payment = create_payment(ada)
    path, key = f"/api/payments/{payment['reference']}/status", payment["reference"]
    pending = ada.post(path, {"status": "PENDING"}, key)
    set_status(ada, payment, "FAILED")
    replayed = ada.post(path, {"status": "PENDING"}, key)
    assert (replayed.status_code, replayed.json()) == (200, pending.json())
    assert replayed.headers["Idempotent-Replayed"] == "true"
    problem(ada.post(path, {"status": "FAILED"}, key), 422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"status": "PAID"}, "/status", id="an unknown status"),
        pytest.param({"status": None}, "/status", id="null for a status"),
        pytest.param({}, "/status", id="no status"),
        pytest.param({"status": "PENDING", "providerTransactionId": ""}, "/providerTransactionId", id="an empty id"),
        pytest.param({"status": "PENDING", "amount": 1}, "/amount", id="an unknown field"),
    ],
)
def test_set_status_with_invalid_body_points_to_the_field(ada, body, pointer):
    payment = create_payment(ada)
    invalid(ada.post(f"/api/payments/{payment['reference']}/status", body), pointer)
    assert get_payment(ada, payment) == payment


def test_concurrent_success_and_failure_apply_one(stack, new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    credited, ends = 0, ["SUCCESS", "FAILED"]
    for _ in range(5):
        payment = create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet)
        responses = run_concurrently(2, lambda number, payment=payment: try_set_status(merchant, payment, ends[number]))
        (won,) = [end for end, response in zip(ends, responses, strict=True) if response.status_code == 200]
        (lost,) = [response for response in responses if response.status_code != 200]
        problem(lost, 400, "invalid_transition")
        assert status_history(get_payment(merchant, payment))[2:] == [(won, "OWNER")]
        credited += 100 if won == "SUCCESS" else 0
    assert merchant.balance(wallet) == credited
    assert_ledger_balances(stack)


def test_concurrent_transitions_to_pending_apply_one(ada):
    payment = create_payment(ada)
    responses = run_concurrently(10, lambda _: try_set_status(ada, payment, "PENDING"))
    assert {response.status_code for response in responses} == {200}
    assert status_history(get_payment(ada, payment)) == [("INITIATED", "OWNER"), ("PENDING", "OWNER")]


def test_concurrent_successes_credit_once(stack, new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    payment = create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet)
    responses = run_concurrently(10, lambda _: try_set_status(merchant, payment, "SUCCESS"))
    assert {response.status_code for response in responses} == {200}
    assert merchant.balance(wallet) == 100
    assert len(collections(merchant, wallet)) == 1
    assert_ledger_balances(stack)


# --- settlement -----------------------------------------------------------------------------------------


def test_success_credits_the_account_by_a_collection(stack, new_user):
    merchant = new_user()
    wallet = merchant.open_account(balance=7)
    payment = create_payment_in(merchant, "SUCCESS", amount=1050, paymentAccountId=wallet)
    assert merchant.balance(wallet) == 1057
    (line,) = wait_until(lambda: collections(merchant, wallet))
    assert (line["direction"], line["status"], line["amount"], line["currency"]) == ("IN", "COMPLETED", 1050, "USD")
    assert (line["fromPaymentAccountId"], line["toPaymentAccountId"]) == (None, wallet)
    assert line["createdAt"] == payment["updatedAt"]
    transfer = merchant.get(f"/payments/transfers/{line['id']}")
    assert transfer.json() == {name: value for name, value in line.items() if name != "direction"}
    assert_ledger_balances(stack)


def test_collected_amount_can_be_sent(new_user, bob_wallet):
    merchant = new_user()
    wallet = merchant.open_account()
    create_payment_in(merchant, "SUCCESS", amount=100, paymentAccountId=wallet)
    merchant.send(wallet, bob_wallet, 100)
    assert merchant.balance(wallet) == 0


@pytest.mark.parametrize("end", ["PENDING", "FAILED"])
def test_payment_without_success_credits_nothing(new_user, end):
    merchant = new_user()
    wallet = merchant.open_account()
    create_payment_in(merchant, end, paymentAccountId=wallet)
    assert merchant.balance(wallet) == 0
    assert merchant.histories() == []


def test_success_credits_a_frozen_account(stack, new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    payment = create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet)
    stack.freeze(wallet)
    set_status(merchant, payment, "SUCCESS")
    assert merchant.balance(wallet) == 100
    problem(merchant.try_withdraw(wallet, 1), 422, "account_frozen")


def test_success_over_balance_limit_leaves_payment_pending(stack, new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    payment = create_payment_in(merchant, "PENDING", amount=2, paymentAccountId=wallet)
    merchant.deposit(wallet, 2**53 - 2)
    problem(try_set_status(merchant, payment, "SUCCESS"), 422, "headroom_exceeded")
    assert get_payment(merchant, payment) == payment
    merchant.withdraw(wallet, 2**53 - 2)
    set_status(merchant, payment, "SUCCESS")
    assert merchant.balance(wallet) == 2
    assert_ledger_balances(stack)


def test_revoked_token_credits_nothing_but_webhook_does(stack, provider, new_user):
    merchant = new_user()
    wallet = merchant.open_account()
    payments = [create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet) for _ in range(2)]
    merchant.sign_out("global")
    wait_until(lambda: stack.tables.payment_account(wallet)["ownerEpoch"] == 1)
    problem(try_set_status(merchant, payments[0], "SUCCESS"), 401, "unauthenticated")
    assert stack.tables.payment_account(wallet)["balance"] == 0

    provider.notify(payments[0], "SUCCESS")
    merchant.sign_in()
    set_status(merchant, payments[1], "SUCCESS")
    assert merchant.balance(wallet) == 200
