"""The audit of the ledger on the deployed stack: its finding, its alarm, and that the account alone is frozen."""

import json
import re
import time

import pytest
from audit import audit
from support import template
from support.problems import problem
from support.stack import AUDIT_LEDGER, SET_ACCOUNT_STATUS
from support.waiting import wait_until


def run(stack, scope="INCREMENTAL"):
    _, findings = audit(stack.functions, stack.function(AUDIT_LEDGER), scope)
    return findings


def counted_by_the_alarm(stack, account, since):
    """The log lines about an account that the metric filter of the alarm counts, since a time."""
    pattern = template.read("template.yaml")["Resources"]["LedgerFindingFilter"]["Properties"]["FilterPattern"]
    (field,) = re.fullmatch(r'\{ \$\.(\w+) = "\*" \}', pattern).groups()
    group = stack.configuration(AUDIT_LEDGER)["LoggingConfig"]["LogGroup"]
    # MiniStack returns the first 10,000 events only.
    paginator = stack.client("logs").get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=group, startTime=int(since * 1000))
    lines = (json.loads(event["message"]) for page in pages for event in page["events"] if account in event["message"])
    return [line for line in lines if field in line]


def forge(stack, account, minor):
    """Changes a balance without a transfer."""
    stack.tables.payment.update_item(
        Key={"pk": f"ACCOUNT#{account}", "sk": "ACCOUNT"},
        UpdateExpression="SET balance = balance + :minor, available = available + :minor, headroom = headroom - :minor",
        ExpressionAttributeValues={":minor": minor},
    )


@pytest.mark.parametrize("scope", ["INCREMENTAL", "FULL"])
def test_audit_finds_nothing_in_the_ledger_of_other_tests(stack, ada, ada_wallet, scope):
    ada.deposit(ada_wallet, 5)
    assert run(stack, scope) == []


def test_finding_freezes_the_account_alone_and_raises_the_alarm(stack, new_user, ada, ada_wallet):
    eve = new_user()
    account = eve.open_account(balance=100)
    transfer = eve.send(account, ada_wallet, 30)
    started = time.time()
    forge(stack, account, 1000)
    try:
        (finding,) = run(stack)
        assert (finding["kind"], finding["paymentAccountId"]) == ("BALANCE_MISMATCH", account)
        assert transfer["id"] in finding["transfers"]
        problem(eve.try_withdraw(account, 1), 422, "account_frozen")
        ada.withdraw(ada_wallet, 1)
        wait_until(lambda: counted_by_the_alarm(stack, account, started))
        # It is found until the account is repaired.
        assert [finding["paymentAccountId"] for finding in run(stack)] == [account]
    finally:
        forge(stack, account, -1000)
    assert run(stack) == []
    stack.invoke(SET_ACCOUNT_STATUS, {"paymentAccountId": account, "status": "ACTIVE", "reason": "repaired"})
    eve.withdraw(account, 1)
