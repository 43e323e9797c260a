"""POST /auth/signout: ends the current session, all others, or all (`scope`)."""

import pytest
from support import audit_log
from support.problems import invalid, problem
from support.users import set_cookies


def rejected(response):
    return problem(response, 401, "invalid_refresh_token")


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user()


def test_sign_out_clears_both_cookies(user):
    response = user.sign_out()
    assert response.json()["message"]
    cookies = set_cookies(response)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert {(cookie.value, cookie["max-age"]) for cookie in cookies.values()} == {("", "0")}
    paths = [cookies[name]["path"] for name in ("access_token", "refresh_token")]
    assert paths == ["/", "/auth"], "a browser clears only the cookie of the same path"


def test_sign_out_ends_only_the_current_session(stack, user):
    device = user.on_new_device()
    user.sign_out()
    assert not user.is_signed_in()
    rejected(user.try_refresh())
    assert device.is_signed_in()
    device.refresh()
    (record,) = audit_log.events_of(stack, user.id, "SESSION_ENDED")
    assert record["sessionId"] == user.session_id


def test_sign_out_by_cookie_ends_the_session(user):
    cookie = f"access_token={user.token}"
    response = user.post("/auth/signout", None, headers={"Authorization": None, "Cookie": cookie})
    assert response.status_code == 200, response.text
    assert not user.is_signed_in()


def test_sign_out_with_invalid_token_clears_cookies(anonymous):
    response = anonymous.post("/auth/signout", None, headers={"Cookie": "access_token=a.b.c"})
    assert response.status_code == 200, response.text
    assert set_cookies(response).keys() == {"access_token", "refresh_token"}


def sign_out_by_cookies(user, *cookies, scope="local"):
    headers = {"Authorization": None, "Cookie": "; ".join(cookies)}
    return user.request("POST", "/auth/signout", headers=headers, params={"scope": scope})


@pytest.mark.parametrize("access_token", [[], ["access_token=a.b.c"]], ids=["none", "an invalid one"])
@pytest.mark.parametrize("rotated", [False, True], ids=["the current one", "the one before"])
def test_sign_out_by_refresh_token_ends_the_session(stack, user, access_token, rotated):
    device, token = user.on_new_device(), user.refresh_token
    if rotated:
        user.refresh()
    response = sign_out_by_cookies(user, *access_token, f"refresh_token={token}")
    assert response.status_code == 200, response.text
    assert set_cookies(response).keys() == {"access_token", "refresh_token"}
    assert not user.is_signed_in()
    rejected(user.try_refresh())
    assert device.is_signed_in()
    (record,) = audit_log.events_of(stack, user.id, "SESSION_ENDED")
    assert (record["sessionId"], record["requestId"]) == (user.session_id, response.headers["Request-Id"])


def test_sign_out_by_stale_refresh_token_ends_nothing(stack, user):
    token = user.refresh_token
    user.refresh()
    user.refresh()
    for other in (token, "made-up"):
        response = sign_out_by_cookies(user, f"refresh_token={other}")
        assert response.status_code == 200, response.text
        assert set_cookies(response).keys() == {"access_token", "refresh_token"}
    assert user.is_signed_in()
    assert not audit_log.events_of(stack, user.id, "SESSION_ENDED")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_sign_out_of_other_sessions_by_refresh_token_is_rejected(user, scope):
    response = sign_out_by_cookies(user, f"refresh_token={user.refresh_token}", scope=scope)
    problem(response, 401, "unauthenticated")
    assert user.is_signed_in()


@pytest.mark.parametrize("scope", ["others", "global"])
def test_sign_out_of_other_sessions_requires_valid_token(anonymous, user, scope):
    problem(anonymous.request("POST", "/auth/signout", params={"scope": scope}), 401, "unauthenticated")
    device = user.on_new_device()
    device.sign_out()
    problem(device.request("POST", "/auth/signout", params={"scope": scope}), 401, "unauthenticated")
    assert user.is_signed_in()


def test_sign_out_with_unknown_scope_is_rejected(user):
    invalid(user.request("POST", "/auth/signout", params={"scope": "all"}), "/scope")
    assert user.is_signed_in()


def test_sign_out_others_keeps_this_session_with_new_tokens(user):
    device, old, old_refresh = user.on_new_device(), user.token, user.refresh_token
    response = user.sign_out("others").json()
    user.token, user.refresh_token = response["access_token"], response["refresh_token"]
    assert user.is_signed_in()
    assert user.refresh_token != old_refresh, "the old one may have been copied"
    user.refresh()
    assert not device.is_signed_in()
    rejected(device.try_refresh())
    user.token = old
    assert not user.is_signed_in(), "it belongs to an older epoch"


def test_sign_out_global_ends_all_sessions(stack, user):
    device = user.on_new_device()
    user.sign_out("global")
    for each in (user, device):
        assert not each.is_signed_in()
        rejected(each.try_refresh())
    assert audit_log.events_of(stack, user.id, "SESSIONS_REVOKED")
    user.sign_in()
    assert user.is_signed_in()


def test_sign_out_others_by_cookie_sets_new_cookies(user):
    device = user.on_new_device()
    headers = {"Authorization": None, "Cookie": f"access_token={user.token}"}
    response = user.request("POST", "/auth/signout", headers=headers, params={"scope": "others"})
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"message"}
    cookies = set_cookies(response)
    assert cookies.keys() == {"access_token", "refresh_token"}
    user.token, user.refresh_token = (cookies[name].value for name in ("access_token", "refresh_token"))
    assert user.is_signed_in()
    assert not device.is_signed_in()
    user.refresh()
