"""What merchants ask of their customers: payments asked for, read, listed and moved on by their owner."""

import secrets

import pytest
from books import assert_books_balance
from concurrency import at_once
from eventually import eventually
from merchant import ask, ask_and_move, collections, listed, move, read, steps, try_ask, try_move, wish
from problems import invalid, problem

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
STATES = ["INITIATED", "PENDING", "SUCCESS", "FAILED"]
LEGAL = [("INITIATED", "PENDING"), ("PENDING", "SUCCESS"), ("PENDING", "FAILED")]
NOBODYS = "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4"


# --- asking for a payment ------------------------------------------------------------------------------------------


def test_a_payment_begins_initiated_with_its_customer_in_canonical_form(ada, ada_wallet):
    asked = {"customerPhone": "+250 (788) 123-456", "customerEmail": "Cus.Tomer@Example.COM"}
    payment = ask(ada, amount=1050, paymentAccountId=ada_wallet, **asked)
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
    assert read(ada, payment) == payment


def test_a_payment_needs_no_account_of_the_merchants(person):
    merchant = person()
    payment = ask_and_move(merchant, "SUCCESS")
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
        pytest.param({"currency": "FRW"}, "/currency", id="a currency that is none"),
        pytest.param({"currency": 840}, "/currency", id="a number for a currency"),
        pytest.param({"currency": None}, "/currency", id="null for a currency"),
        pytest.param({"paymentMethod": "CASH"}, "/paymentMethod", id="another method"),
        pytest.param({"paymentMethod": 7}, "/paymentMethod", id="a number for a method"),
        pytest.param({"customerPhone": "0788123456"}, "/customerPhone", id="a phone in national form"),
        pytest.param({"customerPhone": "+25078812345678901"}, "/customerPhone", id="a phone that is too long"),
        pytest.param({"customerPhone": 250788123456}, "/customerPhone", id="a number for a phone"),
        pytest.param({"customerEmail": "nobody"}, "/customerEmail", id="an e-mail address that is none"),
        pytest.param({"customerEmail": ["a@example.com"]}, "/customerEmail", id="a list for an e-mail address"),
        pytest.param({"paymentAccountId": "a b"}, "/paymentAccountId", id="an account's id that cannot be"),
        pytest.param({"paymentAccountId": 7}, "/paymentAccountId", id="a number for an account"),
        pytest.param({"status": "SUCCESS"}, "/status", id="a status"),
        pytest.param({"ownerId": "somebody"}, "/ownerId", id="an unknown field"),
    ],
)
def test_a_wrong_field_is_a_400_that_names_it(ada, change, pointer):
    invalid(try_ask(ada, **change), pointer)


@pytest.mark.parametrize("field", ["amount", "currency", "paymentMethod", "customerPhone", "customerEmail"])
def test_a_missing_field_is_a_400_that_names_it(ada, field):
    body = wish()
    del body[field]
    invalid(ada.post("/api/payments", body), f"/{field}")


def test_everything_that_is_wrong_is_told_at_once(ada):
    wrong = {"amount": 0, "currency": "frw", "customerPhone": "1", "customerEmail": "n", "paymentAccountId": ""}
    invalid(try_ask(ada, **wrong), *(f"/{field}" for field in wrong))


def test_anothers_account_and_one_that_does_not_exist_cannot_be_credited(ada, bob_wallet):
    for account in (bob_wallet, f"nobody-{secrets.token_hex(8)}"):
        problem(try_ask(ada, paymentAccountId=account), 404, "account_not_found")


def test_an_account_of_another_currency_cannot_be_credited(ada, ada_wallet):
    problem(try_ask(ada, paymentAccountId=ada_wallet, currency="JPY"), 422, "currency_mismatch")


def test_a_loan_cannot_be_credited_and_a_credit_account_can(person):
    merchant = person()
    wallet = merchant.open_account()
    loan = merchant.open_account(paymentAccountType="LOAN", principal=5_000, disburseTo=wallet)
    problem(try_ask(merchant, paymentAccountId=loan), 422, "wrong_account_type")
    card = merchant.open_account(paymentAccountType="CREDIT", creditLimit=1_000)
    ask_and_move(merchant, "SUCCESS", amount=70, paymentAccountId=card)
    assert merchant.balance(card) == 70


def test_a_refused_payment_is_not_there(person, bob_wallet):
    merchant = person()
    problem(try_ask(merchant, paymentAccountId=bob_wallet), 404, "account_not_found")
    invalid(try_ask(merchant, amount=0), "/amount")
    assert listed(merchant) == []


def test_the_cookie_is_as_good_as_the_bearer_token(ada, anyone):
    cookie = {"Cookie": f"access_token={ada.token}"}
    made = anyone.post("/api/payments", wish(), headers=cookie)
    assert made.status_code == 201, made.text
    path = f"/api/payments/{made.json()['reference']}"
    assert anyone.post(f"{path}/status", {"status": "PENDING"}, headers=cookie).status_code == 200
    assert anyone.get(path, headers=cookie).json()["status"] == "PENDING"
    assert anyone.get("/api/payments", headers=cookie).status_code == 200


def test_without_a_token_nobody_has_to_do_with_payments(ada, anyone):
    payment = ask(ada)
    path = f"/api/payments/{payment['reference']}"
    for answer in (
        anyone.post("/api/payments", wish()),
        anyone.get("/api/payments"),
        anyone.get(path),
        anyone.post(f"{path}/status", {"status": "PENDING"}),
    ):
        problem(answer, 401, "unauthenticated")
    assert read(ada, payment) == payment


# --- the same request again ----------------------------------------------------------------------------------------


def test_a_keyed_request_is_answered_as_the_first_time_though_the_payment_has_moved_on(ada):
    key = secrets.token_hex(8)
    first = try_ask(ada, key=key)
    move(ada, first.json(), "PENDING", providerTransactionId="momo-1")
    again = try_ask(ada, key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.headers.get(REPLAYED), again.headers.get(REPLAYED)) == (None, "true")
    assert again.json() == first.json()


def test_twenty_keyed_requests_at_once_are_one_payment(person):
    merchant = person()
    answers = at_once(20, lambda _: try_ask(merchant, key="one-order"))
    assert {answer.status_code for answer in answers} == {201}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert sum(answer.headers.get(REPLAYED) == "true" for answer in answers) == 19
    assert [payment["reference"] for payment in listed(merchant)] == [answers[0].json()["reference"]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"amount": 2_501}, id="another amount"),
        pytest.param({"currency": "JPY"}, id="another currency"),
        pytest.param({"customerPhone": "+250788123456"}, id="another customer"),
    ],
)
def test_the_same_key_with_another_request_is_a_422(ada, change):
    key = secrets.token_hex(8)
    payment = ask(ada, key=key)
    problem(try_ask(ada, key=key, **change), 422, "idempotency_key_reused")
    assert read(ada, payment) == payment


def test_a_key_is_the_merchants_own(ada, bob):
    key = secrets.token_hex(8)
    assert ask(ada, key=key)["reference"] != ask(bob, key=key)["reference"]


# --- whose it is ---------------------------------------------------------------------------------------------------


def test_anothers_payment_is_as_if_it_did_not_exist(ada, ada_wallet, bob):
    payment = ask(ada, paymentAccountId=ada_wallet)
    problem(bob.get(f"/api/payments/{payment['reference']}"), 404, "payment_not_found")
    for step in STATES:
        problem(try_move(bob, payment, step), 404, "payment_not_found")
    move(ada, payment, "PENDING")
    pending = read(ada, payment)
    problem(try_move(bob, payment, "SUCCESS"), 404, "payment_not_found")
    assert read(ada, payment) == pending
    assert payment["reference"] not in {other["reference"] for other in listed(bob)}


@pytest.mark.parametrize("reference", [NOBODYS, "no-such-payment", "%20", NOBODYS.lower()])
def test_a_payment_that_does_not_exist_is_a_404(ada, reference):
    problem(ada.get(f"/api/payments/{reference}"), 404, "payment_not_found")
    problem(try_move(ada, {"reference": reference}, "PENDING"), 404, "payment_not_found")


# --- the list ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(person):
    """A merchant with seven payments in every state, and the payments' references oldest first."""
    merchant = person()
    states = ["SUCCESS", "INITIATED", "PENDING", "FAILED", "INITIATED", "SUCCESS", "PENDING"]
    payments = [ask_and_move(merchant, state) for state in states]
    eventually(lambda: sorted(payment["status"] for payment in listed(merchant)) == sorted(states))
    return merchant, [(payment["reference"], payment["status"]) for payment in payments]


def shown(payments):
    return [(payment["reference"], payment["status"]) for payment in payments]


def test_the_newest_payment_comes_first_whatever_its_state(shop):
    merchant, payments = shop
    lines = listed(merchant)
    assert shown(lines) == payments[::-1]
    assert lines[0] == read(merchant, lines[0])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_any_size_hold_each_payment_once_and_in_order(shop, limit):
    merchant, payments = shop
    assert shown(listed(merchant, limit=limit)) == payments[::-1]


def test_a_page_is_no_longer_than_its_limit_and_the_last_has_no_cursor(shop):
    merchant, _payments = shop
    first = merchant.get("/api/payments", limit=4).json()
    assert len(first["data"]) == 4
    last = merchant.get("/api/payments", limit=4, cursor=first["nextCursor"]).json()
    assert len(last["data"]) == 3
    assert last["nextCursor"] is None


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("limit", [1, 100])
def test_payments_can_be_listed_by_where_they_stand(shop, status, limit):
    merchant, payments = shop
    wanted = [payment for payment in payments if payment[1] == status]
    assert shown(listed(merchant, status=status, limit=limit)) == wanted[::-1]


def test_a_payment_that_moves_on_leaves_the_list_of_where_it_stood(person):
    merchant = person()
    payment = ask_and_move(merchant, "PENDING")
    eventually(lambda: shown(listed(merchant, status="PENDING")) == [(payment["reference"], "PENDING")])
    move(merchant, payment, "FAILED")
    eventually(lambda: shown(listed(merchant, status="FAILED")) == [(payment["reference"], "FAILED")])
    eventually(lambda: listed(merchant, status="PENDING") == [])


def test_a_merchant_without_payments_has_an_empty_list(person):
    assert person().get("/api/payments").json() == {"data": [], "nextCursor": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        pytest.param({"limit": 0}, "/limit", id="a limit of zero"),
        pytest.param({"limit": 101}, "/limit", id="a limit over 100"),
        pytest.param({"limit": "many"}, "/limit", id="a limit in words"),
        pytest.param({"cursor": "made-up"}, "/cursor", id="a cursor that was never given"),
        pytest.param({"status": "PAID"}, "/status", id="a status that is none"),
        pytest.param({"status": "pending"}, "/status", id="a status in lower case"),
        pytest.param({"status": ["PENDING", "FAILED"]}, "/status", id="two statuses"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_a_400_that_names_it(ada, query, pointer):
    invalid(ada.get("/api/payments", **query), pointer)


# --- moving on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
def test_a_payment_keeps_the_history_of_its_states(ada, end):
    payment = ask(ada)
    pending = move(ada, payment, "PENDING", providerTransactionId="momo-1")
    assert (pending["status"], pending["providerTransactionId"]) == ("PENDING", "momo-1")
    ended = move(ada, payment, end)
    assert (ended["status"], ended["providerTransactionId"]) == (end, "momo-1")
    assert steps(ended) == [("INITIATED", "OWNER"), ("PENDING", "OWNER"), (end, "OWNER")]
    times = [step["at"] for step in ended["history"]]
    assert times == sorted(times)
    assert (times[0], times[-1]) == (ended["createdAt"], ended["updatedAt"])
    assert read(ada, payment) == ended


@pytest.mark.parametrize(
    ("start", "to"), [(start, to) for start in STATES for to in STATES if (start, to) not in LEGAL]
)
def test_an_illegal_step_is_a_400_that_names_both_states(person, start, to):
    merchant = person()
    wallet = merchant.open_account()
    payment = ask_and_move(merchant, start, paymentAccountId=wallet)
    balance = merchant.balance(wallet)
    detail = problem(try_move(merchant, payment, to), 400, "invalid_transition")["detail"]
    assert start in detail
    assert to in detail
    assert read(merchant, payment) == payment
    assert merchant.balance(wallet) == balance


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param({"status": "PAID"}, "/status", id="a status that is none"),
        pytest.param({"status": None}, "/status", id="null for a status"),
        pytest.param({}, "/status", id="no status"),
        pytest.param({"status": "PENDING", "providerTransactionId": ""}, "/providerTransactionId", id="an empty id"),
        pytest.param({"status": "PENDING", "amount": 1}, "/amount", id="an unknown field"),
    ],
)
def test_a_step_that_cannot_be_read_is_a_400_that_names_the_field(ada, body, pointer):
    payment = ask(ada)
    invalid(ada.post(f"/api/payments/{payment['reference']}/status", body), pointer)
    assert read(ada, payment) == payment


def test_of_a_success_and_a_failure_at_once_one_wins(stack, person):
    merchant = person()
    wallet = merchant.open_account()
    credited = 0
    for _ in range(5):
        payment = ask_and_move(merchant, "PENDING", amount=100, paymentAccountId=wallet)
        ends = ["SUCCESS", "FAILED"]
        answers = at_once(2, lambda number, payment=payment: try_move(merchant, payment, ends[number]))
        (won,) = [end for end, answer in zip(ends, answers, strict=True) if answer.status_code == 200]
        (lost,) = [answer for answer in answers if answer.status_code != 200]
        problem(lost, 400, "invalid_transition")
        assert steps(read(merchant, payment))[2:] == [(won, "OWNER")]
        credited += 100 if won == "SUCCESS" else 0
    assert merchant.balance(wallet) == credited
    assert_books_balance(stack)


def test_of_ten_hand_overs_at_once_one_wins(ada):
    payment = ask(ada)
    answers = at_once(10, lambda _: try_move(ada, payment, "PENDING"))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert steps(read(ada, payment)) == [("INITIATED", "OWNER"), ("PENDING", "OWNER")]


def test_ten_successes_at_once_credit_once(stack, person):
    merchant = person()
    wallet = merchant.open_account()
    payment = ask_and_move(merchant, "PENDING", amount=100, paymentAccountId=wallet)
    answers = at_once(10, lambda _: try_move(merchant, payment, "SUCCESS"))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 9
    assert merchant.balance(wallet) == 100
    assert len(collections(merchant, wallet)) == 1
    assert_books_balance(stack)


# --- what a success brings -----------------------------------------------------------------------------------------


def test_a_success_credits_the_account_by_a_collection_that_its_histories_show(stack, person):
    merchant = person()
    wallet = merchant.open_account(balance=7)
    payment = ask_and_move(merchant, "SUCCESS", amount=1050, paymentAccountId=wallet)
    assert merchant.balance(wallet) == 1057
    (line,) = eventually(lambda: collections(merchant, wallet))
    assert (line["direction"], line["status"], line["amount"], line["currency"]) == ("IN", "COMPLETED", 1050, "USD")
    assert (line["fromPaymentAccountId"], line["toPaymentAccountId"]) == (None, wallet)
    assert line["createdAt"] == payment["updatedAt"]
    transfer = merchant.get(f"/payments/transfers/{line['id']}")
    assert transfer.json() == {name: value for name, value in line.items() if name != "direction"}
    assert_books_balance(stack)


def test_what_was_collected_can_be_spent(person, bob_wallet):
    merchant = person()
    wallet = merchant.open_account()
    ask_and_move(merchant, "SUCCESS", amount=100, paymentAccountId=wallet)
    merchant.send(wallet, bob_wallet, 100)
    assert merchant.balance(wallet) == 0


@pytest.mark.parametrize("end", ["PENDING", "FAILED"])
def test_only_a_success_credits(person, end):
    merchant = person()
    wallet = merchant.open_account()
    ask_and_move(merchant, end, paymentAccountId=wallet)
    assert merchant.balance(wallet) == 0
    assert merchant.histories() == []


def test_a_frozen_account_takes_what_was_collected(stack, person):
    merchant = person()
    wallet = merchant.open_account()
    payment = ask_and_move(merchant, "PENDING", amount=100, paymentAccountId=wallet)
    stack.freeze(wallet)
    move(merchant, payment, "SUCCESS")
    assert merchant.balance(wallet) == 100
    problem(merchant.try_withdraw(wallet, 1), 422, "account_frozen")


def test_a_success_that_the_account_cannot_take_in_leaves_the_payment_pending(stack, person):
    merchant = person()
    wallet = merchant.open_account()
    payment = ask_and_move(merchant, "PENDING", amount=2, paymentAccountId=wallet)
    merchant.deposit(wallet, 2**53 - 2)
    problem(try_move(merchant, payment, "SUCCESS"), 422, "headroom_exceeded")
    assert read(merchant, payment) == payment
    merchant.withdraw(wallet, 2**53 - 2)
    move(merchant, payment, "SUCCESS")
    assert merchant.balance(wallet) == 2
    assert_books_balance(stack)


def test_a_revoked_token_credits_nothing_and_the_providers_word_does(stack, provider, person):
    merchant = person()
    wallet = merchant.open_account()
    payments = [ask_and_move(merchant, "PENDING", amount=100, paymentAccountId=wallet) for _ in range(2)]
    merchant.sign_out("global")
    eventually(lambda: stack.payment_account(wallet)["ownerEpoch"] == 1)
    problem(try_move(merchant, payments[0], "SUCCESS"), 401, "unauthenticated")
    assert stack.payment_account(wallet)["balance"] == 0

    provider.tell(payments[0], "SUCCESS")
    merchant.sign_in()
    move(merchant, payments[1], "SUCCESS")
    assert merchant.balance(wallet) == 200
