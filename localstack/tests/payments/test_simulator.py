"""The provider simulator: each outcome of the test phone numbers."""

import json
from datetime import datetime, timedelta

import pytest
from support.merchant import SILENT_CUSTOMER, await_settlement, create_payment_in, get_payment, status_history
from support.template import ROOT
from support.waiting import wait_until

# The test phone numbers and their outcomes (docs/simulator.md).
SUCCESS = "+12025550100"
FAILURE = "+12025550101"
DUPLICATE = "+12025550102"
LATE = "+12025550103"
CONTRADICTORY = "+12025550104"
AMOUNT = 12_50
COLLECTED = [("INITIATED", "OWNER"), ("PENDING", "OWNER"), ("SUCCESS", "PROVIDER")]


@pytest.fixture
def wallet(ada):
    return ada.open_account()


def pending(merchant, wallet, customer_phone):
    """Creates a PENDING payment."""
    body = {"amount": AMOUNT, "customerPhone": customer_phone, "paymentAccountId": wallet}
    return create_payment_in(merchant, "PENDING", **body)


def simulated_outcome(stack, payment):
    """Waits until the simulator logs that it has sent every webhook of a payment, and returns the outcome."""
    log_group = stack.configuration("ProviderSimulatorFunction")["LoggingConfig"]["LogGroup"]
    pages = stack.client("logs").get_paginator("filter_log_events")

    def logged():
        for page in pages.paginate(logGroupName=log_group):
            for event in page["events"]:
                if payment["reference"] in event["message"] and '"outcome":' in event["message"]:
                    return json.loads(event["message"])["outcome"]
        return None

    return wait_until(logged)


@pytest.mark.parametrize("customer_phone", [SUCCESS, "+250 788 123 456"])
def test_paying_customer_credits_the_merchant(ada, wallet, customer_phone):
    payment = await_settlement(ada, pending(ada, wallet, customer_phone))
    assert status_history(payment) == COLLECTED
    assert payment["providerTransactionId"] == f"SIM-{payment['reference']}"
    assert ada.balance(wallet) == AMOUNT


def test_failing_customer_fails_the_payment(ada, wallet):
    payment = await_settlement(ada, pending(ada, wallet, FAILURE))
    assert status_history(payment)[-1] == ("FAILED", "PROVIDER")
    assert ada.balance(wallet) == 0


def test_duplicate_webhook_customer_credits_once(stack, ada, wallet):
    payment = pending(ada, wallet, DUPLICATE)
    assert simulated_outcome(stack, payment) == "Duplicate"
    assert status_history(get_payment(ada, payment)) == COLLECTED
    assert ada.balance(wallet) == AMOUNT


def test_late_customer_succeeds_after_the_long_delay(stack, ada, wallet):
    payment = await_settlement(ada, pending(ada, wallet, LATE))
    at = {step["status"]: datetime.fromisoformat(step["at"].replace("Z", "+00:00")) for step in payment["history"]}
    late = timedelta(seconds=int(stack.environment("ProviderSimulatorFunction")["LATE_SECONDS"]))
    assert at["SUCCESS"] - at["PENDING"] >= late
    assert ada.balance(wallet) == AMOUNT


def test_contradictory_customer_keeps_webhook_to_reconcile(stack, ada, wallet):
    payment = pending(ada, wallet, CONTRADICTORY)
    assert simulated_outcome(stack, payment) == "Contradictory"
    assert status_history(get_payment(ada, payment)) == COLLECTED
    assert ada.balance(wallet) == AMOUNT
    (webhook,) = wait_until(lambda: stack.tables.webhooks_to_reconcile(payment))
    assert webhook["webhookId"] == f"sim-{payment['reference']}-2"


def test_silent_customer_leaves_payment_pending(stack, ada, wallet):
    payment = pending(ada, wallet, SILENT_CUSTOMER)
    assert simulated_outcome(stack, payment) == "Never"
    assert get_payment(ada, payment)["status"] == "PENDING"
    assert ada.balance(wallet) == 0


def test_message_rejected_by_webhook_is_reported_as_failed(stack):
    # The payment of the sample exists in no stack: the webhook returns 404.
    event = json.loads((ROOT / "events" / "provider-simulator.json").read_text())
    (record,) = event["Records"]
    response = stack.invoke("ProviderSimulatorFunction", event)
    assert response == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
