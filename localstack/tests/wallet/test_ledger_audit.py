"""The audit of the ledger on the deployed stack: its finding, its alarm, and that the account alone is frozen."""

import re
import time

import pytest
from audit import audit
from support import template
from support.log_filter import record_of
from support.problems import problem
from support.stack import AUDIT_LEDGER, SET_ACCOUNT_STATUS
from support.waiting import wait_until


def run(stack, scope="INCREMENTAL"):
    _, findings = audit(stack.functions, stack.function(AUDIT_LEDGER), scope)
    return findings


def counted(stack, metric_filter, since, text=""):
    """The log lines with a text that a metric filter counts, since a time."""
    pattern = template.read("template.yaml")["Resources"][metric_filter]["Properties"]["FilterPattern"]
    field, value = re.fullmatch(r'\{ \$\.(\w+) = "(.+)" \}', pattern).groups()
    group = stack.configuration(AUDIT_LEDGER)["LoggingConfig"]["LogGroup"]
    # MiniStack returns the first 10,000 events only.
    paginator = stack.client("logs").get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=group, startTime=int(since * 1000))
    lines = (record_of(event["message"]) for page in pages for event in page["events"] if text in event["message"])
    return [line for line in lines if field in line and value in ("*", line[field])]


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


def test_completed_audit_is_counted_at_log_level_error(stack):
    variables = stack.environment(AUDIT_LEDGER)
    try:
        stack.set_environment(AUDIT_LEDGER, variables | {"LOG_LEVEL": "ERROR"})
        started = time.time()
        run(stack)
    finally:
        stack.set_environment(AUDIT_LEDGER, variables)
    wait_until(lambda: counted(stack, "LedgerAuditFilter", started))


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
        wait_until(lambda: counted(stack, "LedgerFindingFilter", started, account))
        # It is found until the account is repaired.
        assert [finding["paymentAccountId"] for finding in run(stack)] == [account]
    finally:
        forge(stack, account, -1000)
    assert run(stack) == []
    stack.invoke(SET_ACCOUNT_STATUS, {"paymentAccountId": account, "status": "ACTIVE", "reason": "repaired"})
    eve.withdraw(account, 1)
