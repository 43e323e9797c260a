"""Logs contain neither credentials nor contact data."""

import secrets
import time

import pytest
from support.codes import codes_to, different_code, lines_with_code
from support.merchant import await_settlement, create_payment_in
from support.template import in_context
from support.users import User, unique_email, unique_phone
from support.waiting import wait_until

# The engine's clock may be slightly behind this one.
CLOCK_SKEW_MILLISECONDS = 5_000


@pytest.fixture(scope="module")
def log_groups(stack):
    """The log groups of all functions that process users' data."""
    functions = in_context("account", "payment", "simulator")
    return {stack.configuration(function)["LoggingConfig"]["LogGroup"] for function in functions}


def logged(stack, log_groups, since):
    """The messages logged since a time, in milliseconds, as one text."""
    pages = stack.client("logs").get_paginator("filter_log_events")
    return "\n".join(
        event["message"]
        for group in log_groups
        for page in pages.paginate(logGroupName=group, startTime=since)
        for event in page["events"]
    )


def test_logs_contain_no_secret_and_no_contact_data(stack, http, log_groups):
    since = int(time.time() * 1000) - CLOCK_SKEW_MILLISECONDS
    password = f"secret {secrets.token_hex(16)}"
    user = User(stack.api_url, http, unique_email(), unique_phone(), password)
    identity = {"email": user.email, "phone": user.phone, "password": password}
    user.sign_up()
    user.sign_in()
    # Refused requests too: errors are where requests tend to be logged.
    rejected = [
        user.post("/auth/signup", identity),
        user.post("/auth/signup", identity | {"email": f"{user.email} ", "phone": f"{user.phone}x"}),
        user.post("/auth/signin", {"email": user.email, "password": password[:-1]}),
        user.post("/auth/signin", {"phone": user.phone, "password": [password]}),
        user.post("/api/auth/register", identity),
        user.post("/api/auth/login", {"phone": user.phone, "password": password[:-1]}),
        user.get("/auth/me", headers={"Authorization": f"Bearer {user.token}x"}),
    ]
    assert [response.status_code for response in rejected] == [409, 400, 401, 400, 409, 401, 401]
    bearer = user.post("/api/auth/login", {"phone": user.phone, "password": password}).json()["access_token"]
    assert user.get("/api/auth/validate", headers={"Authorization": f"Bearer {bearer}"}).json()["valid"]
    for identifier in ("email", "phone"):
        assert user.post("/auth/verifications", {"identifier": identifier}).status_code == 202
    wrong = {"identifier": "email", "code": different_code(*codes_to(stack, user.email))}
    assert user.post("/auth/verifications/confirm", wrong).status_code == 400
    wallet = user.open_account(balance=5)
    customer = {"customerEmail": unique_email(), "customerPhone": unique_phone()}
    await_settlement(user, create_payment_in(user, "PENDING", **customer))
    last = user.try_withdraw(wallet, 6)
    assert last.status_code == 422

    def complete():
        text = logged(stack, log_groups, since)
        return text if last.headers["Request-Id"] in text and user.id in text else None

    text = wait_until(complete)
    # Six digits occur in any log, so the line that contains the code is searched for.
    sent = [line for receiver in (user.email, user.phone) for line in lines_with_code(stack, receiver)]
    assert len(sent) == 2
    for secret in (
        *sent,
        password,
        user.token,
        user.token.rsplit(".", 1)[1],
        bearer.rsplit(".", 1)[1],
        user.email,
        user.email.split("@")[0],
        user.phone,
        user.phone.removeprefix("+"),
        customer["customerEmail"],
        customer["customerPhone"].removeprefix("+"),
    ):
        assert secret not in text
