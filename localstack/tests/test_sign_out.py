"""POST /auth/signout: the end of a session, of all the others, or of all of them."""

import pytest
from person import set_cookies
from problems import invalid, problem


def refused(answer):
    return problem(answer, 401, "invalid_refresh_token")


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person()


def test_signing_out_clears_both_cookies(somebody):
    answer = somebody.sign_out()
    assert answer.json()["message"]
    cookies = set_cookies(answer)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert {(cookie.value, cookie["max-age"]) for cookie in cookies.values()} == {("", "0")}
    paths = [cookies[name]["path"] for name in ("access_token", "refresh_token")]
    assert paths == ["/", "/auth"], "a browser clears only the cookie of the same path"


def test_signing_out_ends_this_session_its_token_and_its_refresh_token_and_no_other(stack, somebody):
    device = somebody.elsewhere()
    somebody.sign_out()
    assert not somebody.is_signed_in()
    refused(somebody.try_refresh())
    assert device.is_signed_in()
    device.refresh()
    (record,) = stack.audit_of(somebody.id, "SESSION_ENDED")
    assert record["sessionId"] == somebody.session_id


def test_signing_out_by_cookie_works_too(somebody):
    cookie = f"access_token={somebody.token}"
    answer = somebody.post("/auth/signout", None, headers={"Authorization": None, "Cookie": cookie})
    assert answer.status_code == 200, answer.text
    assert not somebody.is_signed_in()


def test_a_browser_is_rid_of_its_cookies_even_where_the_token_is_no_good(anyone):
    answer = anyone.post("/auth/signout", None, headers={"Cookie": "access_token=a.b.c"})
    assert answer.status_code == 200, answer.text
    assert set_cookies(answer).keys() == {"access_token", "refresh_token"}


def sign_out_of_a_browser(somebody, *cookies, scope="local"):
    headers = {"Authorization": None, "Cookie": "; ".join(cookies)}
    return somebody.request("POST", "/auth/signout", headers=headers, params={"scope": scope})


@pytest.mark.parametrize("access_token", [[], ["access_token=a.b.c"]], ids=["none", "one that is no good"])
@pytest.mark.parametrize("spent", [False, True], ids=["the good one", "the one spent last"])
def test_a_browser_whose_access_token_has_expired_is_signed_out_by_its_refresh_token(
    stack, somebody, access_token, spent
):
    device, token = somebody.elsewhere(), somebody.refresh_token
    if spent:
        somebody.refresh()
    answer = sign_out_of_a_browser(somebody, *access_token, f"refresh_token={token}")
    assert answer.status_code == 200, answer.text
    assert set_cookies(answer).keys() == {"access_token", "refresh_token"}
    assert not somebody.is_signed_in()
    refused(somebody.try_refresh())
    assert device.is_signed_in()
    (record,) = stack.audit_of(somebody.id, "SESSION_ENDED")
    assert (record["sessionId"], record["requestId"]) == (somebody.session_id, answer.headers["Request-Id"])


def test_a_refresh_token_that_is_not_the_sessions_any_more_ends_nothing(stack, somebody):
    token = somebody.refresh_token
    somebody.refresh()
    somebody.refresh()
    for other in (token, "made-up"):
        answer = sign_out_of_a_browser(somebody, f"refresh_token={other}")
        assert answer.status_code == 200, answer.text
        assert set_cookies(answer).keys() == {"access_token", "refresh_token"}
    assert somebody.is_signed_in()
    assert not stack.audit_of(somebody.id, "SESSION_ENDED")


@pytest.mark.parametrize("scope", ["others", "global"])
def test_a_refresh_token_ends_no_more_than_its_session(somebody, scope):
    answer = sign_out_of_a_browser(somebody, f"refresh_token={somebody.refresh_token}", scope=scope)
    problem(answer, 401, "unauthenticated")
    assert somebody.is_signed_in()


@pytest.mark.parametrize("scope", ["others", "global"])
def test_more_than_this_session_is_ended_by_a_good_token_alone(anyone, somebody, scope):
    problem(anyone.request("POST", "/auth/signout", params={"scope": scope}), 401, "unauthenticated")
    device = somebody.elsewhere()
    device.sign_out()
    problem(device.request("POST", "/auth/signout", params={"scope": scope}), 401, "unauthenticated")
    assert somebody.is_signed_in()


def test_another_scope_is_refused_rather_than_ignored(somebody):
    invalid(somebody.request("POST", "/auth/signout", params={"scope": "all"}), "/scope")
    assert somebody.is_signed_in()


def test_signing_out_everywhere_else_keeps_this_session_with_a_fresh_token(somebody):
    device, old, old_refresh = somebody.elsewhere(), somebody.token, somebody.refresh_token
    answer = somebody.sign_out("others").json()
    somebody.token, somebody.refresh_token = answer["access_token"], answer["refresh_token"]
    assert somebody.is_signed_in()
    assert somebody.refresh_token != old_refresh, "somebody may hold a copy"
    somebody.refresh()
    assert not device.is_signed_in()
    refused(device.try_refresh())
    somebody.token = old
    assert not somebody.is_signed_in(), "it is of an epoch that is over"


def test_signing_out_everywhere_ends_all(stack, somebody):
    device = somebody.elsewhere()
    somebody.sign_out("global")
    for each in (somebody, device):
        assert not each.is_signed_in()
        refused(each.try_refresh())
    assert stack.audit_of(somebody.id, "SESSIONS_REVOKED")
    somebody.sign_in()
    assert somebody.is_signed_in()


def test_a_browser_that_signs_out_everywhere_else_goes_on_with_a_fresh_cookie(somebody):
    device = somebody.elsewhere()
    headers = {"Authorization": None, "Cookie": f"access_token={somebody.token}"}
    answer = somebody.request("POST", "/auth/signout", headers=headers, params={"scope": "others"})
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"message"}
    cookies = set_cookies(answer)
    assert cookies.keys() == {"access_token", "refresh_token"}
    somebody.token, somebody.refresh_token = (cookies[name].value for name in ("access_token", "refresh_token"))
    assert somebody.is_signed_in()
    assert not device.is_signed_in()
    somebody.refresh()
