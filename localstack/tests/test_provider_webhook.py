"""The provider's word: webhooks that are authentic move payments on, each of them once, and nothing else does."""

import base64
import json
import time

import pytest
import templates
from boto3.dynamodb.conditions import Key
from books import assert_books_balance
from concurrency import at_once
from eventually import eventually
from invoke import invoke
from merchant import ask, ask_and_move, collections, read, steps
from problems import invalid, problem
from webhooks import PATH, Provider, Vault, new_id, new_secret, saying, signed

# A new secret is looked for at most every 30 seconds.
ROTATION_SECONDS = 45
FIVE_MINUTES_SECONDS = 300
RETENTION_SECONDS = 90 * 24 * 3600
NOBODYS = {"reference": "PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4"}


@pytest.fixture(scope="module")
def shop(person):
    """A merchant and the account that their payments credit: each test compares its balance before and after."""
    merchant = person()
    return merchant, merchant.open_account()


@pytest.fixture
def pending(shop):
    """The merchant, their account, and a new payment of theirs that is with the provider."""
    merchant, wallet = shop
    return merchant, wallet, ask_and_move(merchant, "PENDING", amount=100, paymentAccountId=wallet)


def record(stack, webhook_id):
    """What is remembered of a webhook, or None."""
    key = {"pk": f"WEBHOOK#{webhook_id}", "sk": "WEBHOOK"}
    return stack.payments.get_item(Key=key, ConsistentRead=True).get("Item")


def awaiting_reconciliation(stack, payment):
    """The webhooks about a payment that contradict it, as an operator finds them."""
    found = stack.payments.query(
        IndexName="byOwnerStatus", KeyConditionExpression=Key("ownerStatus").eq("RECONCILIATION")
    )["Items"]
    return [item for item in found if item["reference"] == payment["reference"]]


# --- authentic or not ----------------------------------------------------------------------------------------------


def test_while_the_secret_is_changed_the_old_one_and_the_new_one_are_both_good(stack, provider, shop):
    merchant, wallet = shop
    vault, new = Vault(stack), new_secret()
    before = vault.read()
    first, second, third = (ask_and_move(merchant, "PENDING", paymentAccountId=wallet) for _ in range(3))
    vault.write(before | {"next": new})
    try:
        newly = Provider(merchant, new)
        eventually(lambda: newly.try_tell(first, "SUCCESS").status_code == 200, deadline_seconds=ROTATION_SECONDS)
        provider.tell(second, "SUCCESS")
        body = saying(third, "SUCCESS")
        assert provider.post(body, signed(body, new, provider.secret)).status_code == 200
    finally:
        vault.write(before)
    assert {read(merchant, payment)["status"] for payment in (first, second, third)} == {"SUCCESS"}


def refused(provider, body, headers):
    problem(provider.post(body, headers), 401, "invalid_signature")


@pytest.fixture
def nothing_happens(pending):
    """Fails the test if, at its end, the payment has moved."""
    merchant, wallet, payment = pending
    balance = merchant.balance(wallet)
    yield payment
    assert (read(merchant, payment), merchant.balance(wallet)) == (payment, balance)


def test_a_body_that_was_tampered_with_is_refused(provider, nothing_happens):
    body = saying(nothing_happens, "FAILED", providerTransactionId="momo-1")
    headers = signed(body, provider.secret)
    for tampered in (body.replace(b"FAILED", b"SUCCESS"), body.replace(b"momo-1", b"momo-2"), body + b" ", b"", b"{}"):
        refused(provider, tampered, headers)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp"])
def test_another_id_or_time_than_was_signed_is_refused(provider, nothing_happens, header):
    body = saying(nothing_happens, "SUCCESS")
    headers = signed(body, provider.secret)
    other = {"webhook-id": new_id(), "webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}
    refused(provider, body, headers | {header: other[header]})


@pytest.mark.parametrize("later_seconds", [-FIVE_MINUTES_SECONDS - 1, FIVE_MINUTES_SECONDS + 30], ids=["old", "future"])
def test_a_webhook_of_another_time_than_now_is_refused(provider, nothing_happens, later_seconds):
    body = saying(nothing_happens, "SUCCESS")
    refused(provider, body, signed(body, provider.secret, later_seconds=later_seconds))


@pytest.mark.parametrize("later_seconds", [30 - FIVE_MINUTES_SECONDS, FIVE_MINUTES_SECONDS - 1], ids=["past", "future"])
def test_a_webhook_may_be_nearly_five_minutes_away(provider, pending, later_seconds):
    _merchant, _wallet, payment = pending
    body = saying(payment, "SUCCESS")
    answer = provider.post(body, signed(body, provider.secret, later_seconds=later_seconds))
    assert answer.json()["status"] == "SUCCESS", answer.text


def test_a_webhook_by_another_secret_is_refused(provider, nothing_happens):
    body = saying(nothing_happens, "SUCCESS")
    refused(provider, body, signed(body, new_secret()))


@pytest.mark.parametrize("header", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_webhook_without_one_of_its_headers_is_refused(provider, nothing_happens, header):
    body = saying(nothing_happens, "SUCCESS")
    headers = signed(body, provider.secret)
    refused(provider, body, headers | {header: ""})
    del headers[header]
    refused(provider, body, headers)


@pytest.mark.parametrize(
    "signature", ["v1,", "v1,bm90IGl0", "nonsense", "v1a,{tag}", "v2,{tag}", "{tag}"], ids=lambda signature: signature
)
def test_what_is_no_signature_of_the_first_version_is_refused(provider, nothing_happens, signature):
    body = saying(nothing_happens, "SUCCESS")
    headers = signed(body, provider.secret)
    tag = headers["webhook-signature"].removeprefix("v1,")
    refused(provider, body, headers | {"webhook-signature": signature.format(tag=tag)})


def test_one_good_signature_among_others_will_do(provider, pending):
    _merchant, _wallet, payment = pending
    body = saying(payment, "SUCCESS")
    headers = signed(body, new_secret(), provider.secret, new_secret())
    headers["webhook-signature"] = f"v1a,asymmetric {headers['webhook-signature']}"
    assert provider.post(body, headers).status_code == 200


def test_the_owners_token_is_no_signature(pending):
    merchant, _wallet, payment = pending
    problem(merchant.request("POST", PATH, data=saying(payment, "SUCCESS")), 401, "invalid_signature")
    assert read(merchant, payment) == payment


def test_a_forger_is_told_the_same_whatever_is_wrong_and_whether_the_payment_exists(provider, nothing_happens):
    body = saying(nothing_happens, "SUCCESS")
    elsewhere = saying(NOBODYS, "SUCCESS")
    answers = [
        provider.post(body, signed(body, new_secret())),
        provider.post(elsewhere, signed(elsewhere, new_secret())),
        provider.post(body, signed(body, provider.secret, later_seconds=-3_600)),
        provider.post(b"not even json", signed(b"", provider.secret)),
    ]
    told = [problem(answer, 401, "invalid_signature") for answer in answers]
    assert [said | {"requestId": ""} for said in told] == [told[0] | {"requestId": ""}] * len(answers)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"status": "INITIATED"}, "/status", id="the first status"),
        pytest.param({"status": "PAID"}, "/status", id="a status that is none"),
        pytest.param({"reference": "x"}, "/reference", id="a reference that is none"),
        pytest.param({"providerTransactionId": "a b"}, "/providerTransactionId", id="a provider's id that is none"),
        pytest.param({"timestamp": "yesterday"}, "/timestamp", id="a time in words"),
        pytest.param({"webhookId": ""}, "/webhookId", id="an empty id"),
        pytest.param({"amount": 1}, "/amount", id="an unknown field"),
    ],
)
def test_an_authentic_webhook_that_cannot_be_read_is_a_400_that_names_the_field(
    provider, nothing_happens, change, pointer
):
    body = json.dumps({"reference": nothing_happens["reference"], "status": "SUCCESS"} | change).encode()
    invalid(provider.post(body, signed(body, provider.secret)), pointer)


# --- what it does --------------------------------------------------------------------------------------------------


def test_a_success_is_applied_and_credited_without_a_token(stack, provider, pending):
    merchant, wallet, payment = pending
    before, lines = merchant.balance(wallet), len(collections(merchant, wallet))
    told = {"providerTransactionId": "momo-42", "timestamp": "2026-01-31T11:59:58Z"}
    answered = provider.tell(payment, "SUCCESS", **told)
    assert (answered["status"], answered["providerTransactionId"]) == ("SUCCESS", "momo-42")
    assert steps(answered) == [("INITIATED", "OWNER"), ("PENDING", "OWNER"), ("SUCCESS", "PROVIDER")]
    assert read(merchant, payment) == answered
    assert merchant.balance(wallet) == before + 100
    newest, *others = eventually(lambda: (seen := collections(merchant, wallet)) and len(seen) == lines + 1 and seen)
    assert (newest["amount"], newest["direction"], newest["createdAt"]) == (100, "IN", answered["updatedAt"])
    assert (newest["fromPaymentAccountId"], newest["toPaymentAccountId"]) == (None, wallet)
    assert newest["id"] not in {line["id"] for line in others}
    assert_books_balance(stack)


def test_a_failure_is_applied_and_credits_nothing(provider, pending):
    merchant, wallet, payment = pending
    before = merchant.balance(wallet)
    assert steps(provider.tell(payment, "FAILED"))[2:] == [("FAILED", "PROVIDER")]
    assert merchant.balance(wallet) == before


def test_the_provider_may_take_a_payment_over_itself(provider, shop):
    merchant, _wallet = shop
    payment = ask(merchant)
    provider.tell(payment, "PENDING", providerTransactionId="momo-7")
    ended = provider.tell(payment, "SUCCESS")
    assert steps(ended) == [("INITIATED", "OWNER"), ("PENDING", "PROVIDER"), ("SUCCESS", "PROVIDER")]
    assert ended["providerTransactionId"] == "momo-7"


def test_a_webhook_is_remembered_for_90_days_with_what_it_did(stack, provider, pending):
    _merchant, _wallet, payment = pending
    webhook_id = new_id()
    provider.tell(payment, "SUCCESS", webhook_id=webhook_id)
    remembered = record(stack, webhook_id)
    assert (remembered["reference"], remembered["outcome"]) == (payment["reference"], "APPLIED")
    assert abs(int(remembered["expiresAt"]) - RETENTION_SECONDS - time.time()) < 600
    # What the engine deletes by it, MiniStack's CloudFormation does not set.
    table = templates.read("infra/payment.yaml")["Resources"]["PaymentTable"]["Properties"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}


def test_a_body_that_api_gateway_hands_on_in_base64_is_verified_as_it_was_signed(stack, provider, pending):
    merchant, _wallet, payment = pending
    # Not in ASCII, and with line ends of its own: what was signed are these very bytes.
    body = json.dumps({"reference": payment["reference"], "status": "SUCCESS"}, indent=1).replace("\n", "\r\n").encode()
    event = json.loads((templates.ROOT / "events" / "provider-webhook.json").read_text())
    headers = event["headers"] | {name.lower(): value for name, value in signed(body, provider.secret).items()}
    encoded = {"headers": headers, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    answer = invoke(stack, "ProviderWebhookFunction", event | encoded)
    assert answer["statusCode"] == 200, answer
    assert read(merchant, payment)["status"] == "SUCCESS"


# --- the same webhook again ----------------------------------------------------------------------------------------


def test_the_same_webhook_again_changes_nothing(stack, provider, pending):
    merchant, wallet, payment = pending
    webhook_id = new_id()
    first = provider.tell(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId="momo-1")
    balance, remembered = merchant.balance(wallet), record(stack, webhook_id)
    for _ in range(2):
        # Its time and so its signature are others: providers sign each delivery anew.
        assert provider.tell(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId="momo-1") == first
    assert (merchant.balance(wallet), record(stack, webhook_id)) == (balance, remembered)


def test_a_webhook_may_carry_its_id_in_its_body(stack, provider, pending):
    merchant, wallet, payment = pending
    event = {"webhookId": new_id(), "providerTransactionId": "momo-1"}
    first = provider.tell(payment, "SUCCESS", **event)
    balance = merchant.balance(wallet)
    assert record(stack, event["webhookId"])["outcome"] == "APPLIED"
    assert provider.tell(payment, "SUCCESS", **event) == first
    assert merchant.balance(wallet) == balance
    problem(provider.try_tell(payment, "FAILED", **event), 409, "webhook_id_reused")


@pytest.mark.parametrize("copies", [2, 10])
def test_the_same_webhook_many_times_at_once_has_one_effect(stack, provider, pending, copies):
    merchant, wallet, payment = pending
    before, webhook_id = merchant.balance(wallet), new_id()
    answers = at_once(copies, lambda _: provider.try_tell(payment, "SUCCESS", webhook_id=webhook_id))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert {answer.json()["status"] for answer in answers} == {"SUCCESS"}
    assert steps(read(merchant, payment))[2:] == [("SUCCESS", "PROVIDER")]
    assert merchant.balance(wallet) == before + 100
    assert_books_balance(stack)


def test_many_webhooks_of_one_success_at_once_credit_once(stack, provider, pending):
    merchant, wallet, payment = pending
    before = merchant.balance(wallet)
    answers = at_once(6, lambda _: provider.try_tell(payment, "SUCCESS"))
    assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
    assert steps(read(merchant, payment))[2:] == [("SUCCESS", "PROVIDER")]
    assert merchant.balance(wallet) == before + 100
    assert_books_balance(stack)


def test_the_same_id_with_another_body_is_a_409_and_changes_nothing(stack, provider, pending):
    merchant, wallet, payment = pending
    webhook_id = new_id()
    told = provider.tell(payment, "SUCCESS", webhook_id=webhook_id)
    balance = merchant.balance(wallet)
    for status, fields in (("FAILED", {}), ("SUCCESS", {"providerTransactionId": "momo-2"})):
        answer = provider.try_tell(payment, status, webhook_id=webhook_id, **fields)
        problem(answer, 409, "webhook_id_reused")
    problem(provider.try_tell(NOBODYS, "SUCCESS", webhook_id=webhook_id), 409, "webhook_id_reused")
    assert (read(merchant, payment), merchant.balance(wallet)) == (told, balance)
    assert record(stack, webhook_id)["outcome"] == "APPLIED"
    assert awaiting_reconciliation(stack, payment) == []


def test_of_two_bodies_under_one_id_at_once_one_is_taken_in(provider, pending):
    merchant, _wallet, payment = pending
    webhook_id, ends = new_id(), ["SUCCESS", "FAILED"]
    answers = at_once(2, lambda number: provider.try_tell(payment, ends[number], webhook_id=webhook_id))
    (won,) = [answer.json()["status"] for answer in answers if answer.status_code == 200]
    (lost,) = [answer for answer in answers if answer.status_code != 200]
    problem(lost, 409, "webhook_id_reused")
    assert steps(read(merchant, payment))[2:] == [(won, "PROVIDER")]


# --- what does not fit the payment ---------------------------------------------------------------------------------


def test_a_webhook_about_an_unknown_payment_is_a_404_and_not_remembered(stack, provider):
    webhook_id = new_id()
    problem(provider.try_tell(NOBODYS, "SUCCESS", webhook_id=webhook_id), 404, "payment_not_found")
    assert record(stack, webhook_id) is None


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
def test_an_end_for_a_payment_that_is_not_with_the_provider_is_a_400_that_names_both_states(provider, shop, end):
    merchant, wallet = shop
    payment, balance = ask(merchant, paymentAccountId=wallet), merchant.balance(wallet)
    detail = problem(provider.try_tell(payment, end), 400, "invalid_transition")["detail"]
    assert "INITIATED" in detail
    assert end in detail
    assert (read(merchant, payment), merchant.balance(wallet)) == (payment, balance)


def test_a_webhook_that_came_too_early_is_applied_when_it_comes_again(provider, shop):
    merchant, _wallet = shop
    payment, webhook_id = ask(merchant), new_id()
    problem(provider.try_tell(payment, "SUCCESS", webhook_id=webhook_id), 400, "invalid_transition")
    provider.tell(payment, "PENDING")
    assert provider.tell(payment, "SUCCESS", webhook_id=webhook_id)["status"] == "SUCCESS"


@pytest.mark.parametrize("end", ["SUCCESS", "FAILED"])
@pytest.mark.parametrize("again", ["the same end", "PENDING"])
def test_an_end_repeated_and_a_pending_after_it_change_nothing(stack, provider, pending, end, again):
    merchant, wallet, payment = pending
    told = provider.tell(payment, end, providerTransactionId="momo-1")
    balance, webhook_id = merchant.balance(wallet), new_id()
    status = end if again == "the same end" else again
    answered = provider.tell(payment, status, webhook_id=webhook_id, providerTransactionId="momo-1")
    assert answered == told == read(merchant, payment)
    assert merchant.balance(wallet) == balance
    assert record(stack, webhook_id)["outcome"] == {"PENDING": "STALE"}.get(status, "REPEATED")
    assert awaiting_reconciliation(stack, payment) == []


def test_a_success_by_another_transaction_of_the_providers_is_recorded_for_reconciliation(stack, provider, pending):
    merchant, wallet, payment = pending
    told = provider.tell(payment, "SUCCESS", providerTransactionId="momo-1")
    balance, webhook_id = merchant.balance(wallet), new_id()
    answered = provider.tell(payment, "SUCCESS", webhook_id=webhook_id, providerTransactionId="momo-2")
    assert answered == told == read(merchant, payment)
    assert merchant.balance(wallet) == balance
    (item,) = eventually(lambda: awaiting_reconciliation(stack, payment))
    assert (item["pk"], item["outcome"]) == (f"WEBHOOK#{webhook_id}", "CONTRADICTED")


@pytest.mark.parametrize(("end", "contradiction"), [("SUCCESS", "FAILED"), ("FAILED", "SUCCESS")])
def test_the_opposite_end_is_recorded_for_reconciliation_and_never_applied(
    stack, provider, pending, end, contradiction
):
    merchant, wallet, payment = pending
    told = provider.tell(payment, end)
    balance, webhook_id = merchant.balance(wallet), new_id()
    for _ in range(2):
        answered = provider.tell(payment, contradiction, webhook_id=webhook_id, providerTransactionId="momo-2")
        assert answered == told == read(merchant, payment)
    assert merchant.balance(wallet) == balance
    (item,) = eventually(lambda: awaiting_reconciliation(stack, payment))
    assert item["pk"] == f"WEBHOOK#{webhook_id}"
    assert (item["outcome"], item["status"]) == ("CONTRADICTED", contradiction)
    assert "expiresAt" not in item, "it stays until somebody has reconciled it"
    assert_books_balance(stack)


def test_of_two_opposite_ends_at_once_one_is_applied_and_the_other_recorded(stack, provider, pending):
    merchant, wallet, payment = pending
    before, ends = merchant.balance(wallet), ["SUCCESS", "FAILED"]
    answers = at_once(2, lambda number: provider.try_tell(payment, ends[number]))
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    (won,) = {answer.json()["status"] for answer in answers}
    assert steps(read(merchant, payment))[2:] == [(won, "PROVIDER")]
    (item,) = eventually(lambda: awaiting_reconciliation(stack, payment))
    assert {won, item["status"]} == set(ends)
    assert merchant.balance(wallet) == before + (100 if won == "SUCCESS" else 0)
    assert_books_balance(stack)


def test_what_the_owner_has_ended_the_provider_contradicts_in_vain(stack, provider, shop):
    merchant, _wallet = shop
    payment = ask_and_move(merchant, "FAILED")
    assert provider.tell(payment, "SUCCESS") == payment
    assert eventually(lambda: awaiting_reconciliation(stack, payment))
