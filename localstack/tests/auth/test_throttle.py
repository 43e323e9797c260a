"""Throttling of password attempts."""

import math
import time

import pytest
from support.concurrency import run_concurrently
from support.problems import problem
from support.users import PASSWORD, User, unique_email, unique_phone
from support.waiting import wait_until

BURST = 5
# A last attempt in the future keeps a wait from ending on a slow machine.
AHEAD_SECONDS = 1_000
ROUTES = ["/auth/signin", "/api/auth/login"]


def attempt(anonymous, identifier, route="/auth/signin", password="not " + PASSWORD):
    return anonymous.post(route, identifier | {"password": password})


def retry_after(response):
    """Asserts that an attempt is throttled, and returns its Retry-After in seconds."""
    assert problem(response, 429, "too_many_attempts")["retryable"] is True
    return int(response.headers["Retry-After"])


@pytest.fixture
def known(new_user):
    """The identifier of a user."""
    return {"email": new_user().email}


@pytest.fixture(params=["known", "unknown"])
def identifier(request, known):
    """The identifier of a user, and one that no user has."""
    return known if request.param == "known" else {"email": unique_email()}


@pytest.mark.parametrize("route", ROUTES)
def test_sixth_attempt_is_throttled_for_any_identifier(stack, anonymous, identifier, route):
    for made in range(BURST):
        if made:
            # As if all attempts were made at the same time, however slow this machine is.
            stack.tables.set_sign_in_attempts(identifier, made, seconds_ago=-AHEAD_SECONDS)
        problem(attempt(anonymous, identifier, route), 401, "invalid_credentials")
        assert stack.tables.sign_in_attempts(identifier) == made + 1
    stack.tables.set_sign_in_attempts(identifier, BURST, seconds_ago=-AHEAD_SECONDS)
    retry_after(attempt(anonymous, identifier, route))
    assert stack.tables.sign_in_attempts(identifier) == BURST


@pytest.mark.parametrize(("attempts", "wait"), [(5, 1), (6, 2), (9, 16), (14, 512), (15, 900), (99, 900)])
def test_wait_doubles_up_to_15_minutes(stack, anonymous, identifier, attempts, wait):
    attempt(anonymous, identifier)
    began_at = time.monotonic()
    stack.tables.set_sign_in_attempts(identifier, attempts, seconds_ago=-AHEAD_SECONDS)
    seconds = retry_after(attempt(anonymous, identifier))
    took = time.monotonic() - began_at
    assert AHEAD_SECONDS + wait - took - 1 <= seconds <= AHEAD_SECONDS + wait
    stack.tables.set_sign_in_attempts(identifier, attempts, seconds_ago=wait)
    problem(attempt(anonymous, identifier), 401, "invalid_credentials")


def test_throttled_attempt_does_not_extend_the_wait(stack, anonymous, known):
    attempt(anonymous, known)
    stack.tables.set_sign_in_attempts(known, 12, seconds_ago=0)
    waits = [retry_after(attempt(anonymous, known, password=PASSWORD)) for _ in range(5)]
    assert waits == sorted(waits, reverse=True)
    assert stack.tables.sign_in_attempts(known) == 12
    stack.tables.set_sign_in_attempts(known, 12, seconds_ago=128)
    assert attempt(anonymous, known, password=PASSWORD).status_code == 200
    assert stack.tables.sign_in_attempts(known) is None, "a success resets the count"


def test_retry_after_is_accurate(stack, anonymous, known):
    # On a slow machine the first waits end before the next attempt. They grow until one does not.
    responses = (attempt(anonymous, known) for _ in range(4 * BURST))
    response = next((response for response in responses if response.status_code == 429), None)
    assert response is not None, "no attempt was throttled"
    rejected_at, wait = time.monotonic(), retry_after(response)

    def signed_in():
        asked_at = time.monotonic()
        again = attempt(anonymous, known, password=PASSWORD)
        if asked_at - rejected_at >= wait:
            assert again.status_code == 200, "Retry-After has passed"
        return again.status_code == 200

    wait_until(signed_in, deadline_seconds=wait + 20)
    # Retry-After is rounded up to whole seconds.
    assert time.monotonic() - rejected_at > wait - 1


@pytest.mark.parametrize("route", ROUTES)
def test_concurrent_attempts_get_no_more_tries_than_serial(anonymous, identifier, route):
    began_at = time.monotonic()
    responses = run_concurrently(50, lambda _: attempt(anonymous, identifier, route))
    took = time.monotonic() - began_at
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {401, 429}
    # Five without a wait, the next after one second, the next after two more, and so on.
    assert BURST <= statuses.count(401) <= BURST + int(math.log2(took + 1))


@pytest.mark.parametrize("route", ROUTES)
def test_concurrent_correct_sign_ins_all_succeed(anonymous, known, route):
    responses = run_concurrently(12, lambda _: attempt(anonymous, known, route, PASSWORD))
    assert [response.status_code for response in responses] == [200] * 12, [response.text for response in responses]


def test_throttled_email_does_not_throttle_the_phone(stack, anonymous, new_user):
    user = new_user(phone=unique_phone())
    attempt(anonymous, {"email": user.email})
    stack.tables.set_sign_in_attempts({"email": user.email}, 20, seconds_ago=0)
    assert attempt(anonymous, {"phone": user.phone}, password=PASSWORD).status_code == 200
    retry_after(attempt(anonymous, {"email": user.email}, password=PASSWORD))


def test_throttled_unknown_identifier_can_still_sign_up(stack, http):
    user = User(stack.api_url, http)
    attempt(user, {"email": user.email})
    stack.tables.set_sign_in_attempts({"email": user.email}, 20, seconds_ago=0)
    user.sign_up()
    user.sign_in()
