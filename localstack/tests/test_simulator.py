"""The provider simulator: each outcome that a customer's phone number fixes, from a pending payment to its end."""

import json
from datetime import datetime, timedelta

import pytest
from eventually import eventually
from invoke import invoke
from merchant import SILENT_CUSTOMER, ask_and_move, read, settled, steps
from templates import ROOT

# What the simulator makes of a payment by its customer's phone number (docs/simulator.md).
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
    """A payment that is with the provider."""
    asked = {"amount": AMOUNT, "customerPhone": customer_phone, "paymentAccountId": wallet}
    return ask_and_move(merchant, "PENDING", **asked)


def dealt_with(stack, payment):
    """Waits until the simulator says that all it has to tell of a payment was told; what it made of it."""
    function = stack.functions.get_function_configuration(FunctionName=stack.function("ProviderSimulatorFunction"))
    pages = stack.client("logs").get_paginator("filter_log_events")

    def said():
        for page in pages.paginate(logGroupName=function["LoggingConfig"]["LogGroup"]):
            for event in page["events"]:
                if payment["reference"] in event["message"] and '"message":"dealt with"' in event["message"]:
                    return json.loads(event["message"])["outcome"]
        return None

    return eventually(said)


@pytest.mark.parametrize("customer_phone", [SUCCESS, "+250 788 123 456"])
def test_a_payment_succeeds_and_credits_the_merchant(ada, wallet, customer_phone):
    payment = settled(ada, pending(ada, wallet, customer_phone))
    assert steps(payment) == COLLECTED
    assert payment["providerTransactionId"] == f"SIM-{payment['reference']}"
    assert ada.balance(wallet) == AMOUNT


def test_a_payment_fails_and_credits_nobody(ada, wallet):
    payment = settled(ada, pending(ada, wallet, FAILURE))
    assert steps(payment)[-1] == ("FAILED", "PROVIDER")
    assert ada.balance(wallet) == 0


def test_a_success_that_is_told_twice_credits_once(stack, ada, wallet):
    payment = pending(ada, wallet, DUPLICATE)
    assert dealt_with(stack, payment) == "Duplicate"
    assert steps(read(ada, payment)) == COLLECTED
    assert ada.balance(wallet) == AMOUNT


def test_a_late_payment_takes_the_longer_delay(stack, ada, wallet):
    payment = settled(ada, pending(ada, wallet, LATE))
    at = {step["status"]: datetime.fromisoformat(step["at"].replace("Z", "+00:00")) for step in payment["history"]}
    late = timedelta(seconds=int(stack.environment("ProviderSimulatorFunction")["LATE_SECONDS"]))
    assert at["SUCCESS"] - at["PENDING"] >= late
    assert ada.balance(wallet) == AMOUNT


def test_a_contradiction_changes_nothing_and_is_kept_for_reconciliation(stack, ada, wallet):
    payment = pending(ada, wallet, CONTRADICTORY)
    assert dealt_with(stack, payment) == "Contradictory"
    assert steps(read(ada, payment)) == COLLECTED
    assert ada.balance(wallet) == AMOUNT
    key = {"pk": f"WEBHOOK#sim-{payment['reference']}-2", "sk": "WEBHOOK"}
    assert stack.payments.get_item(Key=key, ConsistentRead=True)["Item"]["ownerStatus"] == "RECONCILIATION"


def test_a_payment_of_which_the_provider_says_nothing_stays_pending(stack, ada, wallet):
    payment = pending(ada, wallet, SILENT_CUSTOMER)
    assert dealt_with(stack, payment) == "Never"
    assert read(ada, payment)["status"] == "PENDING"
    assert ada.balance(wallet) == 0


def test_a_message_that_the_webhook_does_not_take_fails_and_comes_again(stack):
    # Its sample is of a payment that no stack has: the webhook answers 404.
    event = json.loads((ROOT / "events" / "provider-simulator.json").read_text())
    (record,) = event["Records"]
    answer = invoke(stack, "ProviderSimulatorFunction", event)
    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
