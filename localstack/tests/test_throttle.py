"""How often somebody may guess at a password."""

import math
import time

import pytest
from concurrency import at_once
from eventually import eventually
from person import PASSWORD, Person, unique_email, unique_phone
from problems import problem

FREE_ATTEMPTS = 5
# A last attempt that lies ahead keeps a wait from ending while a slow machine is at work.
AHEAD_SECONDS = 1_000
ROUTES = ["/auth/signin", "/api/auth/login"]


def guess(anyone, identifier, route="/auth/signin", password="not " + PASSWORD):
    return anyone.post(route, identifier | {"password": password})


def retry_after(answer):
    """The whole seconds that a refusal asks to wait."""
    assert problem(answer, 429, "too_many_attempts")["retryable"] is True
    return int(answer.headers["Retry-After"])


@pytest.fixture
def known(person):
    """What somebody signs in by."""
    return {"email": person().email}


@pytest.fixture(params=["known", "unknown"])
def identifier(request, known):
    """What somebody signs in by, or nobody."""
    return known if request.param == "known" else {"email": unique_email()}


@pytest.mark.parametrize("route", ROUTES)
def test_five_guesses_are_answered_and_the_next_has_to_wait_whether_anybody_is_there_or_not(
    stack, anyone, identifier, route
):
    for made in range(FREE_ATTEMPTS):
        if made:
            # As if all came at one moment, however slow this machine is.
            stack.set_last_attempt(identifier, made, seconds_ago=-AHEAD_SECONDS)
        problem(guess(anyone, identifier, route), 401, "invalid_credentials")
        assert stack.attempts(identifier) == made + 1
    stack.set_last_attempt(identifier, FREE_ATTEMPTS, seconds_ago=-AHEAD_SECONDS)
    retry_after(guess(anyone, identifier, route))
    assert stack.attempts(identifier) == FREE_ATTEMPTS


@pytest.mark.parametrize(("attempts", "wait"), [(5, 1), (6, 2), (9, 16), (14, 512), (15, 900), (99, 900)])
def test_the_wait_doubles_up_to_a_quarter_of_an_hour(stack, anyone, identifier, attempts, wait):
    guess(anyone, identifier)
    began_at = time.monotonic()
    stack.set_last_attempt(identifier, attempts, seconds_ago=-AHEAD_SECONDS)
    told = retry_after(guess(anyone, identifier))
    took = time.monotonic() - began_at
    assert AHEAD_SECONDS + wait - took - 1 <= told <= AHEAD_SECONDS + wait
    stack.set_last_attempt(identifier, attempts, seconds_ago=wait)
    problem(guess(anyone, identifier), 401, "invalid_credentials")


def test_the_right_password_has_to_wait_too_and_an_attempt_while_waiting_extends_nothing(stack, anyone, known):
    guess(anyone, known)
    stack.set_last_attempt(known, 12, seconds_ago=0)
    waits = [retry_after(guess(anyone, known, password=PASSWORD)) for _ in range(5)]
    assert waits == sorted(waits, reverse=True)
    assert stack.attempts(known) == 12
    stack.set_last_attempt(known, 12, seconds_ago=128)
    assert guess(anyone, known, password=PASSWORD).status_code == 200
    assert stack.attempts(known) is None, "who knows the password begins anew"


def test_retry_after_is_true(stack, anyone, known):
    # Where the first waits are over before the next guess is made, the waits grow until one is not.
    answers = (guess(anyone, known) for _ in range(4 * FREE_ATTEMPTS))
    answer = next((answer for answer in answers if answer.status_code == 429), None)
    assert answer is not None, "nobody has to wait"
    refused_at, wait = time.monotonic(), retry_after(answer)

    def signed_in():
        asked_at = time.monotonic()
        again = guess(anyone, known, password=PASSWORD)
        if asked_at - refused_at >= wait:
            assert again.status_code == 200, "it was told to come now"
        return again.status_code == 200

    eventually(signed_in, deadline_seconds=wait + 20)
    # It is rounded up to whole seconds, and by no more.
    assert time.monotonic() - refused_at > wait - 1


@pytest.mark.parametrize("route", ROUTES)
def test_guesses_at_once_get_no_more_tries_than_guesses_one_after_the_other(anyone, identifier, route):
    began_at = time.monotonic()
    answers = at_once(50, lambda _: guess(anyone, identifier, route))
    took = time.monotonic() - began_at
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429}
    # Five at once, the next after a second, the next after two more, and so on.
    assert FREE_ATTEMPTS <= statuses.count(401) <= FREE_ATTEMPTS + int(math.log2(took + 1))


def test_who_is_locked_out_by_one_identifier_may_use_the_other(stack, anyone, person):
    somebody = person(phone=unique_phone())
    guess(anyone, {"email": somebody.email})
    stack.set_last_attempt({"email": somebody.email}, 20, seconds_ago=0)
    assert guess(anyone, {"phone": somebody.phone}, password=PASSWORD).status_code == 200
    retry_after(guess(anyone, {"email": somebody.email}, password=PASSWORD))


def test_guesses_at_an_identifier_that_nobody_has_do_not_keep_anybody_from_signing_up_with_it(stack, http):
    newcomer = Person(stack.api_url, http)
    guess(newcomer, {"email": newcomer.email})
    stack.set_last_attempt({"email": newcomer.email}, 20, seconds_ago=0)
    newcomer.sign_up()
    newcomer.sign_in()
