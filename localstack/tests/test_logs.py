"""No log tells who somebody is, or holds what they sign in with."""

import secrets
import time

import pytest
from codes import another, codes_to
from contexts import ACCOUNT, PAYMENT, SIMULATOR
from eventually import eventually
from merchant import ask_and_move, settled
from person import Person, unique_email, unique_phone

# A clock of the engine's host may stand a little before this one.
CLOCK_SKEW_MILLISECONDS = 5_000


@pytest.fixture(scope="module")
def log_groups(stack):
    """The log group of every function that hears of people."""
    configured = (
        stack.functions.get_function_configuration(FunctionName=stack.function(function))["LoggingConfig"]
        for function in ACCOUNT + PAYMENT + SIMULATOR
    )
    return {logging["LogGroup"] for logging in configured}


def logged(stack, log_groups, since):
    """Everything logged since a time, as one text."""
    pages = stack.client("logs").get_paginator("filter_log_events")
    return "\n".join(
        event["message"]
        for group in log_groups
        for page in pages.paginate(logGroupName=group, startTime=since)
        for event in page["events"]
    )


def test_no_log_holds_a_password_a_token_an_email_or_a_phone(stack, http, log_groups):
    since = int(time.time() * 1000) - CLOCK_SKEW_MILLISECONDS
    password = f"secret {secrets.token_hex(16)}"
    somebody = Person(stack.api_url, http, unique_email(), unique_phone(), password)
    identity = {"email": somebody.email, "phone": somebody.phone, "password": password}
    somebody.sign_up()
    somebody.sign_in()
    # Refusals too, which are what tempts to log the request.
    refused = [
        somebody.post("/auth/signup", identity),
        somebody.post("/auth/signup", identity | {"email": f"{somebody.email} ", "phone": f"{somebody.phone}x"}),
        somebody.post("/auth/signin", {"email": somebody.email, "password": password[:-1]}),
        somebody.post("/auth/signin", {"phone": somebody.phone, "password": [password]}),
        somebody.post("/api/auth/register", identity),
        somebody.post("/api/auth/login", {"phone": somebody.phone, "password": password[:-1]}),
        somebody.get("/auth/me", headers={"Authorization": f"Bearer {somebody.token}x"}),
    ]
    assert [answer.status_code for answer in refused] == [409, 400, 401, 400, 409, 401, 401]
    bearer = somebody.post("/api/auth/login", {"phone": somebody.phone, "password": password}).json()["access_token"]
    assert somebody.get("/api/auth/validate", headers={"Authorization": f"Bearer {bearer}"}).json()["valid"]
    for identifier in ("email", "phone"):
        assert somebody.post("/auth/verifications", {"identifier": identifier}).status_code == 202
    wrong = {"identifier": "email", "code": another(*codes_to(stack, somebody.email))}
    assert somebody.post("/auth/verifications/confirm", wrong).status_code == 400
    wallet = somebody.open_account(balance=5)
    customer = {"customerEmail": unique_email(), "customerPhone": unique_phone()}
    settled(somebody, ask_and_move(somebody, "PENDING", **customer))
    last = somebody.try_withdraw(wallet, 6)
    assert last.status_code == 422

    def complete():
        text = logged(stack, log_groups, since)
        return text if last.headers["Request-Id"] in text and somebody.id in text else None

    text = eventually(complete)
    for secret in (
        password,
        somebody.token,
        somebody.token.rsplit(".", 1)[1],
        bearer.rsplit(".", 1)[1],
        somebody.email,
        somebody.email.split("@")[0],
        somebody.phone,
        somebody.phone.removeprefix("+"),
        # Six digits are in every log; the sentence around a code is not.
        "is your code",
        customer["customerEmail"],
        customer["customerPhone"].removeprefix("+"),
    ):
        assert secret not in text
