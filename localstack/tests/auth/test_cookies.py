"""Credentials of a request: cookies, and the header that takes precedence over them."""

from urllib.parse import urlsplit

import pytest
from support.problems import problem
from support.users import set_cookies

# One protected endpoint of each context: both apply the same rules, but are configured separately.
ENDPOINTS = ["/auth/me", "/payments/accounts"]


def by_cookies(user, *cookies):
    """The headers of a browser with these cookies."""
    return {"Authorization": None, "Cookie": "; ".join(cookies).encode()}


def test_browser_sends_cookies_to_the_endpoints_that_read_them(stack, new_user):
    cookies = set_cookies(new_user().sign_in())
    for name, endpoint in [("access_token", "/payments/send"), ("refresh_token", "/auth/refresh")]:
        path = urlsplit(stack.api_url + endpoint).path
        # https://www.rfc-editor.org/rfc/rfc6265#section-5.1.4
        assert path.startswith(cookies[name]["path"].rstrip("/") + "/"), cookies[name]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_undecodable_cookie_affects_only_itself(new_user, endpoint):
    user = new_user()
    for cookies in (["name=José", f"access_token={user.token}"], [f"access_token={user.token}", "名=1"]):
        response = user.get(endpoint, headers=by_cookies(user, *cookies))
        assert response.status_code == 200, response.text


def test_sign_out_beside_an_undecodable_cookie_ends_the_session(new_user):
    user = new_user()
    headers = by_cookies(user, "name=José", f"access_token={user.token}")
    response = user.post("/auth/signout", None, headers=headers)
    assert (response.status_code, response.json()["ended"]) == (200, True), response.text
    assert not user.is_signed_in()
    response = user.post("/auth/signout", None, headers=headers)
    assert (response.status_code, response.json()["ended"]) == (200, False), response.text
    assert set_cookies(response).keys() == {"access_token", "refresh_token"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_cookies_with_different_tokens_are_rejected(ada, endpoint):
    own = f"access_token={ada.token}"
    problem(ada.get(endpoint, headers=by_cookies(ada, own, "access_token=a.b.c")), 400, "invalid_request")
    assert ada.get(endpoint, headers=by_cookies(ada, own, own)).status_code == 200


def test_cookies_with_different_refresh_tokens_are_rejected(new_user):
    user = new_user()
    headers = by_cookies(user, f"refresh_token={user.refresh_token}", "refresh_token=another")
    for path in ("/auth/refresh", "/auth/signout"):
        problem(user.post(path, None, headers=headers), 400, "invalid_request")
    user.refresh()


@pytest.mark.parametrize("authorization", ["Basic YTpi", "Bearer", "Bearer a.b.c, Bearer a.b.c", "a.b.c"])
@pytest.mark.parametrize("endpoint", [*ENDPOINTS, "/api/auth/validate"])
def test_authorization_without_one_bearer_token_is_rejected(ada, endpoint, authorization):
    headers = {"Authorization": authorization, "Cookie": f"access_token={ada.token}"}
    problem(ada.get(endpoint, headers=headers), 401, "unauthenticated")


def test_sign_out_with_basic_authorization_is_rejected(new_user):
    user = new_user()
    cookies = f"access_token={user.token}; refresh_token={user.refresh_token}"
    headers = {"Authorization": "Basic YTpi", "Cookie": cookies}
    problem(user.post("/auth/signout", None, headers=headers), 401, "unauthenticated")
    assert user.is_signed_in()
