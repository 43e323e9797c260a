"""CSRF protection: cookies authenticate no change that a page of another site requests."""

import re
from urllib.parse import urlsplit

import pytest
from support.problems import problem
from support.template import routes

REFUSED = "cross_site_request"
# The headers of requests from pages of other sites, by current and older browsers.
CROSS_SITE = [
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}, id="cross-site"),
    pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.com"}, id="same-site"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, id="a sandboxed page"),
    pytest.param({"Origin": "https://other.example"}, id="an older browser"),
    pytest.param({"Origin": "null"}, id="a sandboxed page in an older browser"),
]


def unsafe_routes():
    """Every route with an unsafe method, with a value for each path parameter."""
    return sorted((method, re.sub("[{}]", "", path)) for method, path in routes() if method != "GET")


@pytest.fixture(scope="module")
def own_origin(stack):
    url = urlsplit(stack.api_url)
    return f"{url.scheme}://{url.netloc}"


def by_cookie(user, headers):
    """The headers of a browser request with the user's cookie."""
    return {"Authorization": None, "Cookie": f"access_token={user.token}"} | headers


@pytest.mark.parametrize(("method", "path"), unsafe_routes())
def test_unsafe_method_from_other_site_is_rejected(anonymous, own_origin, method, path):
    def code(headers):
        response = anonymous.request(method, path, headers=headers)
        return response.json().get("code")

    for parameter in CROSS_SITE:
        (headers,) = parameter.values
        assert code(headers) == REFUSED, headers
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": own_origin},
        {"Sec-Fetch-Site": "none"},
        {"Origin": own_origin},
        {},
    ):
        assert code(headers) != REFUSED, headers


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_cookie_request_from_other_site_moves_no_money(new_user, headers):
    user = new_user()
    wallet, other = user.open_account(balance=100), user.open_account()
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": other, "amount": 1}
    problem(user.post("/payments/send", body, headers=by_cookie(user, headers)), 403, REFUSED)
    problem(user.post("/auth/signout", None, headers=by_cookie(user, headers)), 403, REFUSED)
    assert user.balance(wallet) == 100, "the user was not signed out"


def test_cookie_request_from_own_origin_moves_money(new_user, own_origin):
    user = new_user()
    wallet, other = user.open_account(balance=100), user.open_account()
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": other, "amount": 1}
    headers = by_cookie(user, {"Sec-Fetch-Site": "same-origin", "Origin": own_origin})
    assert user.post("/payments/send", body, headers=headers).status_code == 201
    assert user.balance(wallet) == 99


def test_bearer_request_from_other_site_is_not_rejected(ada):
    other_site = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
    problem(ada.post("/payments/send", {}, headers=other_site), 400, "invalid_request")


def test_get_from_other_site_succeeds_without_cors_headers(ada):
    other_site = {"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"}
    response = ada.get("/auth/me", headers=by_cookie(ada, other_site))
    assert response.status_code == 200, response.text
    assert "Access-Control-Allow-Origin" not in response.headers
