"""A page of another site cannot have a person's browser change anything: the cookies that come along do not count."""

import re
from urllib.parse import urlsplit

import pytest
import templates
from problems import problem

REFUSED = "cross_site_request"
# What browsers send along with a request that a page of another site had them send: new ones, and older ones.
ANOTHER_SITES = [
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}, id="cross-site"),
    pytest.param({"Sec-Fetch-Site": "same-site", "Origin": "https://blog.example.com"}, id="same-site"),
    pytest.param({"Sec-Fetch-Site": "cross-site", "Origin": "null"}, id="a sandboxed page"),
    pytest.param({"Origin": "https://elsewhere.example"}, id="an older browser"),
    pytest.param({"Origin": "null"}, id="a sandboxed page in an older browser"),
]


def changes():
    """Every route of the API that is there to change something, with a value for each part that a client fills in."""
    routes = templates.routes(templates.read("template.yaml"))
    return sorted((method, re.sub("[{}]", "", path)) for method, path in routes if method != "GET")


@pytest.fixture(scope="module")
def our_origin(stack):
    url = urlsplit(stack.api_url)
    return f"{url.scheme}://{url.netloc}"


def by_cookie(somebody, headers):
    """The headers of somebody's browser."""
    return {"Authorization": None, "Cookie": f"access_token={somebody.token}"} | headers


@pytest.mark.parametrize(("method", "path"), changes())
def test_every_change_is_refused_to_a_page_of_another_site_and_to_no_other(anyone, our_origin, method, path):
    def code(headers):
        answer = anyone.request(method, path, headers=headers)
        return answer.json().get("code")

    for parameter in ANOTHER_SITES:
        (headers,) = parameter.values
        assert code(headers) == REFUSED, headers
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": our_origin},
        {"Sec-Fetch-Site": "none"},
        {"Origin": our_origin},
        {},
    ):
        assert code(headers) != REFUSED, headers


@pytest.mark.parametrize("headers", ANOTHER_SITES)
def test_a_persons_cookies_move_no_money_for_a_page_of_another_site(person, headers):
    somebody = person()
    wallet, other = somebody.open_account(balance=100), somebody.open_account()
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": other, "amount": 1}
    problem(somebody.post("/payments/send", body, headers=by_cookie(somebody, headers)), 403, REFUSED)
    problem(somebody.post("/auth/signout", None, headers=by_cookie(somebody, headers)), 403, REFUSED)
    assert somebody.balance(wallet) == 100, "and nobody was signed out"


def test_a_persons_cookies_move_money_for_a_page_of_ours(person, our_origin):
    somebody = person()
    wallet, other = somebody.open_account(balance=100), somebody.open_account()
    body = {"fromPaymentAccountId": wallet, "toPaymentAccountId": other, "amount": 1}
    ours = by_cookie(somebody, {"Sec-Fetch-Site": "same-origin", "Origin": our_origin})
    assert somebody.post("/payments/send", body, headers=ours).status_code == 201
    assert somebody.balance(wallet) == 99


def test_a_token_that_a_page_has_to_name_is_no_cookie(ada):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    problem(ada.post("/payments/send", {}, headers=elsewhere), 400, "invalid_request")


def test_reading_passes_from_anywhere_for_no_page_is_shown_the_answer(ada):
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    answer = ada.get("/auth/me", headers=by_cookie(ada, elsewhere))
    assert answer.status_code == 200, answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers
