"""POST /api/payments/webhook/provider: verification, deduplication and effects of provider webhooks."""

import base64
import json
import re
import time

import pytest
from support import template
from support.concurrency import run_concurrently
from support.ledger_invariants import assert_ledger_balances
from support.merchant import collections, create_payment, create_payment_in, get_payment, status_history
from support.problems import problem
from support.provider import PATH, Provider, WebhookSecrets, new_id, new_secret, signed, transaction, webhook_body
from support.waiting import wait_until

# Functions reload the secrets at most every 30 seconds.
ROTATION_SECONDS = 45
TOLERANCE_SECONDS = 300
RETENTION_SECONDS = 90 * 24 * 3600
UNKNOWN = {"reference": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4"}


@pytest.fixture(scope="module")
def shop(new_user):
    """A merchant and the account that payments credit. Tests compare its balance before and after."""
    merchant = new_user()
    return merchant, merchant.open_account()


@pytest.fixture
def pending(shop):
    """The merchant, the account, and a new PENDING payment."""
    merchant, wallet = shop
    return merchant, wallet, create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet)


# --- authenticity --------------------------------------------------------------------------------------------------


def test_both_secrets_are_accepted_during_rotation(stack, provider, shop):
    merchant, wallet = shop
    store, new = WebhookSecrets(stack), new_secret()
    before = store.read()
    first, second, third = (create_payment_in(merchant, "PENDING", paymentAccountId=wallet) for _ in range(3))
    store.write(before | {"next": new})
    try:
        rotated = Provider(merchant, new)
        wait_until(lambda: rotated.try_notify(first, "SUCCESS").status_code == 200, deadline_seconds=ROTATION_SECONDS)
        provider.notify(second, "SUCCESS")
        body = webhook_body(third, "SUCCESS")
        assert provider.post(body, signed(body, new, provider.secret)).status_code == 200
    finally:
        store.write(before)
    assert {get_payment(merchant, payment)["status"] for payment in (first, second, third)} == {"SUCCESS"}


def rejected(provider, body, headers):
    problem(provider.post(body, headers), 401, "invalid_signature")


@pytest.fixture
def unchanged(pending):
    """A PENDING payment. Asserts that the test changes neither the payment nor the balance."""
    merchant, wallet, payment = pending
    balance = merchant.balance(wallet)
    yield payment
    assert (get_payment(merchant, payment), merchant.balance(wallet)) == (payment, balance)


def test_webhook_with_altered_body_is_rejected(provider, unchanged):
    body = webhook_body(unchanged, "FAILED", providerTransactionId="momo-1")
    headers = signed(body, provider.secret)
    for tampered in (body.replace(b"FAILED", b"SUCCESS"), body.replace(b"momo-1", b"momo-2"), body + b" ", b"", b"{}"):
        rejected(provider, tampered, headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_webhook_with_altered_id_or_timestamp_is_rejected(provider, unchanged, header):
    body = webhook_body(unchanged, "SUCCESS")
    headers = signed(body, provider.secret)
    other = {"webhook-id": new_id(), "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    rejected(provider, body, headers | {header: other[header]})


@pytest.mark.parametrize("later_seconds", [-TOLERANCE_SECONDS - 1, TOLERANCE_SECONDS + 30], ids=["old", "future"])
def test_webhook_outside_time_tolerance_is_rejected(provider, unchanged, later_seconds):
    body = webhook_body(unchanged, "SUCCESS")
    rejected(provider, body, signed(body, provider.secret, later_seconds=later_seconds))


@pytest.mark.parametrize("later_seconds", [30 - TOLERANCE_SECONDS, TOLERANCE_SECONDS - 1], ids=["past", "future"])
def test_webhook_within_time_tolerance_is_applied(provider, pending, later_seconds):
    _merchant, _wallet, payment = pending
    body = webhook_body(payment, "SUCCESS")
    response = provider.post(body, signed(body, provider.secret, later_seconds=later_seconds))
    assert response.json()["status"] == "SUCCESS", response.text


def test_webhook_signed_with_unknown_secret_is_rejected(provider, unchanged):
    body = webhook_body(unchanged, "SUCCESS")
    rejected(provider, body, signed(body, new_secret()))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_webhook_with_missing_header_is_rejected(provider, unchanged, header):
    body = webhook_body(unchanged, "SUCCESS")
    headers = signed(body, provider.secret)
    rejected(provider, body, headers | {header: ""})
    del headers[header]
    rejected(provider, body, headers)


@pytest.mark.parametrize(
    "signature", ["v1,", "v1,bm90IGl0", "nonsense", "v1a,{tag}", "v2,{tag}", "{tag}"], ids=lambda signature: signature
)
def test_webhook_without_v1_signature_is_rejected(provider, unchanged, signature):
    body = webhook_body(unchanged, "SUCCESS")
    headers = signed(body, provider.secret)
    tag = headers["webhook-signature"].removeprefix("v1,")
    rejected(provider, body, headers | {"webhook-signature": signature.format(tag=tag)})


def test_webhook_with_one_valid_signature_is_accepted(provider, pending):
    _merchant, _wallet, payment = pending
    body = webhook_body(payment, "SUCCESS")
    headers = signed(body, new_secret(), provider.secret, new_secret())
    headers["webhook-signature"] = f"v1a,asymmetric {headers['webhook-signature']}"
    assert provider.post(body, headers).status_code == 200


def test_webhook_with_access_token_instead_is_rejected(pending):
    merchant, _wallet, payment = pending
    problem(merchant.request("POST", PATH, data=webhook_body(payment, "SUCCESS")), 401, "invalid_signature")
    assert get_payment(merchant, payment) == payment


def test_forged_webhooks_all_get_the_same_problem(provider, unchanged):
    body = webhook_body(unchanged, "SUCCESS")
    unknown = webhook_body(UNKNOWN, "SUCCESS")
    responses = [
        provider.post(body, signed(body, new_secret())),
        provider.post(unknown, signed(unknown, new_secret())),
        provider.post(body, signed(body, provider.secret, later_seconds=-3_600)),
        provider.post(b"not even json", signed(b"", provider.secret)),
    ]
    problems = [problem(response, 401, "invalid_signature") | {"requestId": ""} for response in responses]
    assert problems == [problems[0]] * len(responses)


def errors_for_reconciliation(stack, webhook_id):
    """The log lines of a webhook that the metric filter of the alarm counts."""
    pattern = template.read("template.yaml")["Resources"]["WebhookReconciliationFilter"]["Properties"]["FilterPattern"]
    field, value = re.fullmatch(r'\{ \$\.(\w+) = "(\w+)" \}', pattern).groups()
    group = stack.configuration("ProviderWebhookFunction")["LoggingConfig"]["LogGroup"]
    pages = stack.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    lines = (event["message"] for page in pages for event in page["events"] if webhook_id in event["message"])
    return [line for line in lines if json.loads(line).get(field) == value]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"status": "INITIATED"}, "/status", id="the first status"),
        pytest.param({"status": "PAID"}, "/status", id="an unknown status"),
        pytest.param({"reference": "x"}, "/reference", id="an invalid reference"),
        pytest.param({"providerTransactionId": "a b"}, "/providerTransactionId", id="an invalid transaction id"),
        pytest.param({"amount": "1.00"}, "/amount", id="text for an amount"),
        pytest.param({"amount": 1.5}, "/amount", id="a fraction for an amount"),
        pytest.param({"currency": 840}, "/currency", id="a number for a currency"),
        pytest.param({"webhookId": ""}, "/webhookId", id="an empty id"),
        pytest.param({"status": None}, "/status", id="no status"),
    ],
)
def test_webhook_with_invalid_field_is_kept_to_reconcile(stack, provider, unchanged, change, pointer):
    body = json.dumps({"reference": unchanged["reference"], "status": "SUCCESS"} | change).encode()
    headers = signed(body, provider.secret)
    errors = problem(provider.post(body, headers), 422, "unprocessable_webhook")["errors"]
    assert [error["pointer"] for error in errors] == [pointer]
    recorded = stack.tables.webhook(headers["webhook-id"])
    assert (recorded["outcome"], recorded["reconciliation"]) == ("UNPROCESSABLE", "OPEN")
    assert json.loads(recorded["body"]) == json.loads(body)
    wait_until(lambda: errors_for_reconciliation(stack, headers["webhook-id"]))


def test_webhook_with_unknown_fields_is_applied(provider, pending):
    _merchant, _wallet, payment = pending
    fields = {"fees": {"amount": 1}, "timestamp": "yesterday", "channel": "A_NEW_ONE", "customer": None}
    assert provider.notify(payment, "SUCCESS", **fields)["status"] == "SUCCESS"


# --- effects --------------------------------------------------------------------------------------------------------


def test_success_webhook_credits_the_account(stack, provider, pending):
    merchant, wallet, payment = pending
    before, lines = merchant.balance(wallet), len(collections(merchant, wallet))
    fields = {"providerTransactionId": transaction(payment), "timestamp": "2026-01-31T11:59:58Z"}
    notified = provider.notify(payment, "SUCCESS", **fields)
    assert (notified["status"], notified["providerTransactionId"]) == ("SUCCESS", transaction(payment))
    assert status_history(notified) == [("INITIATED", "OWNER"), ("PENDING", "OWNER"), ("SUCCESS", "PROVIDER")]
    assert get_payment(merchant, payment) == notified
    assert merchant.balance(wallet) == before + 100
    newest, *others = wait_until(lambda: (seen := collections(merchant, wallet)) and len(seen) == lines + 1 and seen)
    assert (newest["amount"], newest["direction"], newest["createdAt"]) == (100, "IN", notified["updatedAt"])
    assert (newest["fromPaymentAccountId"], newest["toPaymentAccountId"]) == (None, wallet)
    assert newest["id"] not in {line["id"] for line in others}
    assert_ledger_balances(stack)


def test_failure_webhook_credits_nothing(provider, pending):
    merchant, wallet, payment = pending
    before = merchant.balance(wallet)
    assert status_history(provider.notify(payment, "FAILED"))[2:] == [("FAILED", "PROVIDER")]
    assert merchant.balance(wallet) == before


def test_pending_webhook_is_applied(provider, shop):
    merchant, _wallet = shop
    payment = create_payment(merchant)
    provider.notify(payment, "PENDING", providerTransactionId=transaction(payment))
    ended = provider.notify(payment, "SUCCESS")
    assert status_history(ended) == [("INITIATED", "OWNER"), ("PENDING", "PROVIDER"), ("SUCCESS", "PROVIDER")]
    assert ended["providerTransactionId"] == transaction(payment)


def test_webhook_is_recorded_for_90_days_with_its_outcome(stack, provider, pending):
    _merchant, _wallet, payment = pending
    webhook_id = new_id()
    provider.notify(payment, "SUCCESS", webhook_id=webhook_id)
    recorded = stack.tables.webhook(webhook_id)
    assert (recorded["reference"], recorded["outcome"]) == (payment["reference"], "APPLIED")
    assert abs(int(recorded["expiresAt"]) - RETENTION_SECONDS - time.time()) < 600
    # The engine under test ignores the setting, so the template is checked.
    table = template.read("infra/payment.yaml")["Resources"]["PaymentTable"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def test_webhook_with_base64_body_is_verified_as_signed(stack, provider, pending):
    merchant, _wallet, payment = pending
    # With indentation and CRLF: the signature covers these exact bytes.
    body = json.dumps({"reference": payment["reference"], "status": "SUCCESS"}, indent=1).replace("\n", "\r\n").encode()
    event = json.loads((template.ROOT / "events" / "provider-webhook.json").read_text())
    headers = event["headers"] | {name.lower(): value for name, value in signed(body, provider.secret).items()}
    encoded = {"headers": headers, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    response = stack.invoke("ProviderWebhookFunction", event | encoded)
    assert response["statusCode"] == 200, response
    assert get_payment(merchant, payment)["status"] == "SUCCESS"


# --- deduplication --------------------------------------------------------------------------------------------------


def test_repeated_webhook_changes_nothing(stack, provider, pending):
    merchant, wallet, payment = pending
    webhook_id = new_id()
    first = provider.notify(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId=transaction(payment))
    balance, recorded = merchant.balance(wallet), stack.tables.webhook(webhook_id)
    for _ in range(2):
        # With another timestamp and signature: providers sign each delivery.
        assert (
            provider.notify(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId=transaction(payment))
            == first
        )
    assert (merchant.balance(wallet), stack.tables.webhook(webhook_id)) == (balance, recorded)


def test_webhook_id_in_the_body_deduplicates(stack, provider, pending):
    merchant, wallet, payment = pending
    event = {"webhookId": new_id(), "providerTransactionId": transaction(payment)}
    first = provider.notify(payment, "SUCCESS", **event)
    balance = merchant.balance(wallet)
    assert stack.tables.webhook(event["webhookId"])["outcome"] == "APPLIED"
    assert provider.notify(payment, "SUCCESS", **event) == first
    assert merchant.balance(wallet) == balance
    problem(provider.try_notify(payment, "FAILED", **event), 409, "webhook_id_reused")


@pytest.mark.parametrize("copies", [2, 10])
def test_concurrent_deliveries_of_one_webhook_apply_once(stack, provider, pending, copies):
    merchant, wallet, payment = pending
    before, webhook_id = merchant.balance(wallet), new_id()
    responses = run_concurrently(copies, lambda _: provider.try_notify(payment, "SUCCESS", webhook_id=webhook_id))
    assert {response.status_code for response in responses} == {200}, [response.text for response in responses]
    assert {response.json()["status"] for response in responses} == {"SUCCESS"}
    assert status_history(get_payment(merchant, payment))[2:] == [("SUCCESS", "PROVIDER")]
    assert merchant.balance(wallet) == before + 100
    assert_ledger_balances(stack)


def test_concurrent_webhooks_of_one_success_credit_once(stack, provider, pending):
    merchant, wallet, payment = pending
    before = merchant.balance(wallet)
    responses = run_concurrently(6, lambda _: provider.try_notify(payment, "SUCCESS"))
    assert {response.status_code for response in responses} == {200}, [response.text for response in responses]
    assert status_history(get_payment(merchant, payment))[2:] == [("SUCCESS", "PROVIDER")]
    assert merchant.balance(wallet) == before + 100
    assert_ledger_balances(stack)


def test_webhook_id_with_other_data_returns_409(stack, provider, pending):
    merchant, wallet, payment = pending
    webhook_id = new_id()
    settled = provider.notify(payment, "SUCCESS", webhook_id=webhook_id)
    balance = merchant.balance(wallet)
    for status, fields in (("FAILED", {}), ("SUCCESS", {"providerTransactionId": transaction(payment, 2)})):
        response = provider.try_notify(payment, status, webhook_id=webhook_id, **fields)
        problem(response, 409, "webhook_id_reused")
    problem(provider.try_notify(UNKNOWN, "SUCCESS", webhook_id=webhook_id), 409, "webhook_id_reused")
    assert (get_payment(merchant, payment), merchant.balance(wallet)) == (settled, balance)
    assert stack.tables.webhook(webhook_id)["outcome"] == "APPLIED"
    assert stack.tables.webhooks_to_reconcile(payment) == []


def test_concurrent_bodies_under_one_webhook_id_apply_one(provider, pending):
    merchant, _wallet, payment = pending
    webhook_id, ends = new_id(), ["SUCCESS", "FAILED"]
    responses = run_concurrently(2, lambda number: provider.try_notify(payment, ends[number], webhook_id=webhook_id))
    (won,) = [response.json()["status"] for response in responses if response.status_code == 200]
    (lost,) = [response for response in responses if response.status_code != 200]
    problem(lost, 409, "webhook_id_reused")
    assert status_history(get_payment(merchant, payment))[2:] == [(won, "PROVIDER")]


# --- conflicts with the payment -------------------------------------------------------------------------------------


def test_webhook_for_unknown_payment_is_not_recorded(stack, provider):
    webhook_id = new_id()
    problem(provider.try_notify(UNKNOWN, "SUCCESS", webhook_id=webhook_id), 404, "payment_not_found")
    assert stack.tables.webhook(webhook_id) is None


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
def test_terminal_webhook_for_initiated_payment_returns_400(provider, shop, end):
    merchant, wallet = shop
    payment, balance = create_payment(merchant, paymentAccountId=wallet), merchant.balance(wallet)
    detail = problem(provider.try_notify(payment, end), 400, "invalid_transition")["detail"]
    assert "INITIATED" in detail
    assert end in detail
    assert (get_payment(merchant, payment), merchant.balance(wallet)) == (payment, balance)


def test_early_webhook_is_applied_on_redelivery(provider, shop):
    merchant, _wallet = shop
    payment, webhook_id = create_payment(merchant), new_id()
    problem(provider.try_notify(payment, "SUCCESS", webhook_id=webhook_id), 400, "invalid_transition")
    provider.notify(payment, "PENDING")
    assert provider.notify(payment, "SUCCESS", webhook_id=webhook_id)["status"] == "SUCCESS"


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
@pytest.mark.parametrize("again", ["the same end", "PENDING"])
def test_webhook_after_terminal_status_changes_nothing(stack, provider, pending, end, again):
    merchant, wallet, payment = pending
    settled = provider.notify(payment, end, providerTransactionId=transaction(payment))
    balance, webhook_id = merchant.balance(wallet), new_id()
    status = end if again == "the same end" else again
    notified = provider.notify(payment, status, webhook_id=webhook_id, providerTransactionId=transaction(payment))
    assert notified == settled == get_payment(merchant, payment)
    assert merchant.balance(wallet) == balance
    assert stack.tables.webhook(webhook_id)["outcome"] == {"PENDING": "STALE"}.get(status, "REPEATED")
    assert stack.tables.webhooks_to_reconcile(payment) == []


def test_provider_transaction_settles_one_payment(stack, provider, shop):
    merchant, wallet = shop
    one, other = (create_payment_in(merchant, "PENDING", amount=100, paymentAccountId=wallet) for _ in range(2))
    before = merchant.balance(wallet)
    provider.notify(one, "SUCCESS", providerTransactionId=transaction(one))
    assert provider.notify(other, "SUCCESS", providerTransactionId=transaction(one))["status"] == "PENDING"
    assert merchant.balance(wallet) == before + 100
    (item,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(other))
    assert (item["outcome"], item["contradiction"]) == ("CONTRADICTED", "PROVIDER_TRANSACTION")
    assert_ledger_balances(stack)


@pytest.mark.parametrize("stated", [{"amount": 99}, {"amount": 101, "currency": "USD"}, {"currency": "EUR"}])
def test_success_with_other_amount_is_kept_to_reconcile(stack, provider, unchanged, stated):
    assert provider.notify(unchanged, "SUCCESS", **stated)["status"] == "PENDING"
    (item,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(unchanged))
    assert item["contradiction"] == "AMOUNT"


def test_second_provider_transaction_is_kept_to_reconcile(stack, provider, pending):
    merchant, wallet, payment = pending
    settled = provider.notify(payment, "SUCCESS", providerTransactionId=transaction(payment))
    balance, webhook_id = merchant.balance(wallet), new_id()
    notified = provider.notify(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId=transaction(payment, 2))
    assert notified == settled == get_payment(merchant, payment)
    assert merchant.balance(wallet) == balance
    (item,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(payment))
    assert (item["webhookId"], item["outcome"]) == (webhook_id, "CONTRADICTED")


@pytest.mark.parametrize(("end", "contradiction"), [("SUCCESS", "FAILED"), ("FAILED", "SUCCESS")])
def test_contradicting_webhook_is_kept_to_reconcile(stack, provider, pending, end, contradiction):
    merchant, wallet, payment = pending
    settled = provider.notify(payment, end)
    balance, webhook_id = merchant.balance(wallet), new_id()
    for _ in range(2):
        notified = provider.notify(
            payment, contradiction, webhook_id=webhook_id, providerTransactionId=transaction(payment, 2)
        )
        assert notified == settled == get_payment(merchant, payment)
    assert merchant.balance(wallet) == balance
    (item,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(payment))
    assert item["webhookId"] == webhook_id
    assert (item["outcome"], item["status"]) == ("CONTRADICTED", contradiction)
    assert "expiresAt" not in item, "it is kept until it is reconciled"
    assert_ledger_balances(stack)


def test_concurrent_opposite_webhooks_apply_one(stack, provider, pending):
    merchant, wallet, payment = pending
    before, ends = merchant.balance(wallet), ["SUCCESS", "FAILED"]
    responses = run_concurrently(2, lambda number: provider.try_notify(payment, ends[number]))
    assert [response.status_code for response in responses] == [200, 200], [response.text for response in responses]
    (won,) = {response.json()["status"] for response in responses}
    assert status_history(get_payment(merchant, payment))[2:] == [(won, "PROVIDER")]
    (item,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(payment))
    assert {won, item["status"]} == set(ends)
    assert merchant.balance(wallet) == before + (100 if won == "SUCCESS" else 0)
    assert_ledger_balances(stack)


def test_webhook_against_owners_terminal_status_is_kept(stack, provider, shop):
    merchant, _wallet = shop
    payment = create_payment_in(merchant, "FAILED")
    assert provider.notify(payment, "SUCCESS") == payment
    assert wait_until(lambda: stack.tables.webhooks_to_reconcile(payment))
