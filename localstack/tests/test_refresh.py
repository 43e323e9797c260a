"""POST /auth/refresh: how a session goes on, and what ends it."""

import time

import pytest
from concurrency import at_once
from person import set_cookies
from problems import invalid, problem
from stack import scan, timestamp
from tokens import parts

GRACE_SECONDS = 10
REFRESH = "/auth/refresh"


def refused(answer):
    return problem(answer, 401, "invalid_refresh_token")


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person()


def test_signing_in_gives_a_browser_a_refresh_token_for_one_path_and_a_program_one_in_the_body(somebody):
    cookie = set_cookies(somebody.sign_in())["refresh_token"]
    attributes = {name: value for name, value in cookie.items() if value and name not in ("max-age", "expires")}
    assert attributes == {"httponly": True, "secure": True, "samesite": "Strict", "path": "/auth"}
    assert int(cookie["max-age"]) == 3600
    body = somebody.post("/api/auth/login", {"email": somebody.email, "password": somebody.password}).json()
    assert somebody.try_refresh(body["refresh_token"]).status_code == 200


def test_a_refresh_gives_new_tokens_of_the_same_session(somebody):
    session, first = somebody.session_id, somebody.refresh_token
    answer = somebody.refresh()
    assert answer.json().keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
    }
    assert "no-store" in answer.headers["Cache-Control"]
    assert not set_cookies(answer)
    assert somebody.refresh_token != first
    assert somebody.session_id == session
    assert somebody.is_signed_in()
    somebody.refresh()
    assert somebody.is_signed_in()


def test_a_browser_refreshes_by_cookie_and_sees_no_token(somebody):
    headers = {"Authorization": None, "Cookie": f"refresh_token={somebody.refresh_token}"}
    answer = somebody.post(REFRESH, None, headers=headers)
    assert answer.status_code == 200, answer.text
    cookies = set_cookies(answer)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert cookies["refresh_token"]["path"] == "/auth"
    assert not [cookie.value for cookie in cookies.values() if cookie.value in answer.text]
    somebody.token, somebody.refresh_token = (cookies[name].value for name in ("access_token", "refresh_token"))
    assert somebody.is_signed_in()
    somebody.refresh()


def test_whoever_lost_the_answer_gets_the_very_same_successor_and_the_session_goes_on(somebody):
    first = somebody.refresh_token
    successor = somebody.try_refresh(first).json()["refresh_token"]
    assert somebody.try_refresh(first).json()["refresh_token"] == successor
    assert somebody.try_refresh(successor).status_code == 200


def test_one_token_presented_many_times_at_once_has_one_successor(somebody):
    answers = at_once(10, lambda _: somebody.try_refresh())
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


def test_a_spent_token_ends_the_session_for_whoever_holds_it(stack, somebody):
    spent, device = somebody.refresh_token, somebody.elsewhere()
    somebody.refresh()
    stack.backdate_rotation(somebody, GRACE_SECONDS)
    refused(somebody.try_refresh(spent))
    assert not somebody.is_signed_in()
    refused(somebody.try_refresh())
    assert device.is_signed_in(), "another session of the same person goes on"
    (reuse,) = stack.audit_of(somebody.id, "REFRESH_TOKEN_REUSED")
    assert reuse["sessionId"] == somebody.session_id


def test_a_token_whose_successor_is_spent_too_has_no_grace(somebody):
    first = somebody.refresh_token
    somebody.refresh()
    somebody.refresh()
    refused(somebody.try_refresh(first))
    assert not somebody.is_signed_in()


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda _: "made-up", id="not one of ours"),
        pytest.param(lambda token: token[:-4] + "AAAA", id="another secret"),
        pytest.param(lambda token: "A" * 22 + token[22:], id="another person"),
        pytest.param(lambda token: token + "A", id="longer"),
    ],
)
def test_a_token_that_was_made_up_is_refused(somebody, forge):
    refused(somebody.try_refresh(forge(somebody.refresh_token)))


def test_without_a_refresh_token_there_is_nothing_to_refresh(anyone, somebody):
    refused(anyone.post(REFRESH, None))
    refused(somebody.post(REFRESH, None, headers={"Authorization": None, "Cookie": f"access_token={somebody.token}"}))


def test_an_access_token_is_no_refresh_token_and_a_refresh_token_no_access_token(somebody):
    refused(somebody.try_refresh(somebody.token))
    bearer = {"Authorization": f"Bearer {somebody.refresh_token}"}
    problem(somebody.get("/auth/me", headers=bearer), 401, "unauthenticated")


def test_no_table_holds_a_refresh_token(stack, somebody):
    somebody.refresh()
    # The token is who, which session, and the secret: the last 43 digits are of the secret alone.
    secret = somebody.refresh_token[-42:]
    for table in (stack.accounts, stack.audit, stack.payments):
        assert not [item["pk"] for item in scan(table) if secret in str(item)]


# --- lifetimes ---


def test_a_session_that_was_not_used_for_its_idle_time_is_over(stack, somebody):
    stack.change_session(somebody, expiresAt=int(time.time()) - 1)
    refused(somebody.try_refresh())
    assert not somebody.is_signed_in()


def test_a_session_ends_at_its_absolute_end_and_no_token_outlives_it(stack, somebody):
    end = int(time.time()) + 120
    stack.change_session(somebody, absoluteExpiresAt=timestamp(end))
    somebody.refresh()
    claims = parts(somebody.token)[1]
    assert claims["exp"] == end
    assert stack.session(somebody)["expiresAt"] == end


# --- what is refused ---


def test_a_body_that_names_no_token_is_refused_by_name(anyone):
    invalid(anyone.post(REFRESH, {}), "/refresh_token")
    invalid(anyone.post(REFRESH, {"refresh_token": "a", "scope": "global"}), "/scope")


def test_a_cookie_that_is_no_good_is_cleared_and_so_is_the_access_token(somebody):
    headers = {"Authorization": None, "Cookie": "refresh_token=made-up"}
    answer = somebody.post(REFRESH, None, headers=headers)
    refused(answer)
    cookies = set_cookies(answer)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert {cookie["max-age"] for cookie in cookies.values()} == {"0"}


def test_a_page_of_another_site_refreshes_nothing(somebody):
    cookie = {"Authorization": None, "Cookie": f"refresh_token={somebody.refresh_token}"}
    answer = somebody.post(REFRESH, None, headers=cookie | {"Sec-Fetch-Site": "cross-site"})
    problem(answer, 403, "cross_site_request")
    assert somebody.try_refresh().status_code == 200
