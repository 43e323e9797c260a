"""POST /auth/refresh: rotation of refresh tokens, reuse detection and session lifetimes."""

import base64
import time

import pytest
from support import audit_log
from support.concurrency import run_concurrently
from support.problems import invalid, problem
from support.times import to_rfc3339
from support.tokens import parts
from support.users import set_cookies

GRACE_SECONDS = 10
REFRESH = "/auth/refresh"


def rejected(response):
    return problem(response, 401, "invalid_refresh_token")


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user()


def test_refresh_token_is_a_cookie_for_auth_or_in_the_login_body(user):
    cookie = set_cookies(user.sign_in())["refresh_token"]
    attributes = {name: value for name, value in cookie.items() if value and name not in ("max-age", "expires")}
    assert attributes == {"httponly": True, "secure": True, "samesite": "Strict", "path": "/auth"}
    assert int(cookie["max-age"]) == 3600
    body = user.post("/api/auth/login", {"email": user.email, "password": user.password}).json()
    assert user.try_refresh(body["refresh_token"]).status_code == 200


def test_refresh_returns_new_tokens_of_the_same_session(user):
    session, first = user.session_id, user.refresh_token
    response = user.refresh()
    assert response.json().keys() == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
    }
    assert "no-store" in response.headers["Cache-Control"]
    assert not set_cookies(response)
    assert user.refresh_token != first
    assert user.session_id == session
    assert user.is_signed_in()
    user.refresh()
    assert user.is_signed_in()


def test_refresh_by_cookie_returns_no_token_in_the_body(user):
    headers = {"Authorization": None, "Cookie": f"refresh_token={user.refresh_token}"}
    response = user.post(REFRESH, None, headers=headers)
    assert response.status_code == 200, response.text
    cookies = set_cookies(response)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert cookies["refresh_token"]["path"] == "/auth"
    assert not [cookie.value for cookie in cookies.values() if cookie.value in response.text]
    user.token, user.refresh_token = (cookies[name].value for name in ("access_token", "refresh_token"))
    assert user.is_signed_in()
    user.refresh()


def test_refresh_repeated_within_grace_returns_same_successor(user):
    first = user.refresh_token
    successor = user.try_refresh(first).json()["refresh_token"]
    assert user.try_refresh(first).json()["refresh_token"] == successor
    assert user.try_refresh(successor).status_code == 200


def test_concurrent_refreshes_return_the_same_successor(user):
    responses = run_concurrently(10, lambda _: user.try_refresh())
    assert {response.status_code for response in responses} == {200}
    assert len({response.json()["refresh_token"] for response in responses}) == 1


def test_reused_refresh_token_revokes_the_session(stack, user):
    used, device = user.refresh_token, user.on_new_device()
    user.refresh()
    stack.tables.backdate_rotation(user, GRACE_SECONDS)
    rejected(user.try_refresh(used))
    assert not user.is_signed_in()
    rejected(user.try_refresh())
    assert device.is_signed_in(), "another session of the same person stays active"
    (reuse,) = audit_log.events_of(stack, user.id, "REFRESH_TOKEN_REUSED")
    assert reuse["sessionId"] == user.session_id


def test_refresh_token_two_rotations_old_revokes_the_session(user):
    first = user.refresh_token
    user.refresh()
    user.refresh()
    rejected(user.try_refresh(first))
    assert not user.is_signed_in()


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda _: "made-up", id="malformed"),
        pytest.param(lambda token: token[:-4] + "AAAA", id="another secret"),
        pytest.param(lambda token: "A" * 22 + token[22:], id="another user"),
        pytest.param(lambda token: token + "A", id="longer"),
    ],
)
def test_forged_refresh_token_is_rejected_and_ends_nothing(user, forge):
    rejected(user.try_refresh(forge(user.refresh_token)))
    assert user.is_signed_in()
    user.refresh()


def test_made_up_secret_of_a_known_session_is_audited(stack, user):
    ids = base64.urlsafe_b64decode(user.refresh_token)[:32]
    # With and without the proof of a family.
    for secrets in (64, 32):
        made_up = base64.urlsafe_b64encode(ids + bytes(secrets)).decode().rstrip("=")
        rejected(user.try_refresh(made_up))
    assert user.is_signed_in()
    events = audit_log.events_of(stack, user.id, "REFRESH_TOKEN_REFUSED")
    assert [(event["sessionId"], event["detail"]) for event in events] == [(user.session_id, "not recognized")] * 2
    assert not audit_log.events_of(stack, user.id, "REFRESH_TOKEN_REUSED")


@pytest.mark.parametrize("change", ["password", "sign-out of all others"])
def test_superseded_token_of_another_tab_ends_nothing(stack, user, change):
    used = user.refresh_token
    user.refresh()
    current = user.refresh_token
    if change == "password":
        response = user.try_change_password("another correct horse battery")
    else:
        response = user.sign_out("others")
    assert response.status_code == 200, response.text
    user.token, user.refresh_token = (response.json()[name] for name in ("access_token", "refresh_token"))
    for previous in (used, current):
        rejected(user.try_refresh(previous))
    by_cookie = user.post(REFRESH, None, headers={"Authorization": None, "Cookie": f"refresh_token={current}"})
    rejected(by_cookie)
    assert not set_cookies(by_cookie), "the other tab has set new ones"
    assert user.is_signed_in()
    user.refresh()
    assert not audit_log.events_of(stack, user.id, "REFRESH_TOKEN_REUSED")


def test_refresh_without_refresh_token_is_rejected(anonymous, user):
    rejected(anonymous.post(REFRESH, None))
    rejected(user.post(REFRESH, None, headers={"Authorization": None, "Cookie": f"access_token={user.token}"}))


def test_access_and_refresh_token_are_not_interchangeable(user):
    rejected(user.try_refresh(user.token))
    bearer = {"Authorization": f"Bearer {user.refresh_token}"}
    problem(user.get("/auth/me", headers=bearer), 401, "unauthenticated")


def test_refresh_token_is_stored_in_no_table(stack, user):
    user.refresh()
    # A token consists of user id, session id and secrets: its last 42 characters are of the secrets alone.
    secret = user.refresh_token[-42:]
    for table in (stack.tables.account, stack.tables.audit, stack.tables.payment):
        assert not [item for item in stack.tables.scan(table) if secret in str(item)]


# --- lifetimes ---


def test_idle_session_cannot_be_refreshed(stack, user):
    stack.tables.update_session(user, expiresAt=int(time.time()) - 1)
    rejected(user.try_refresh())
    assert not user.is_signed_in()


def test_access_token_expires_with_its_session(stack, user):
    end = int(time.time()) + 120
    stack.tables.update_session(user, absoluteExpiresAt=to_rfc3339(end))
    user.refresh()
    claims = parts(user.token)[1]
    assert claims["exp"] == end
    assert stack.tables.session(user)["expiresAt"] == end


# --- rejected requests ---


def test_refresh_with_invalid_body_points_to_the_field(anonymous):
    invalid(anonymous.post(REFRESH, {}), "/refresh_token")
    invalid(anonymous.post(REFRESH, {"refresh_token": "a", "scope": "global"}), "/scope")


def test_refresh_with_invalid_cookie_clears_both_cookies(user):
    headers = {"Authorization": None, "Cookie": "refresh_token=made-up"}
    response = user.post(REFRESH, None, headers=headers)
    rejected(response)
    cookies = set_cookies(response)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert {cookie["max-age"] for cookie in cookies.values()} == {"0"}


def test_refresh_from_another_site_is_rejected(user):
    cookie = {"Authorization": None, "Cookie": f"refresh_token={user.refresh_token}"}
    response = user.post(REFRESH, None, headers=cookie | {"Sec-Fetch-Site": "cross-site"})
    problem(response, 403, "cross_site_request")
    assert user.try_refresh().status_code == 200
