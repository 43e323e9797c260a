"""POST /auth/signout."""

from person import set_cookies
from problems import problem


def test_signing_out_clears_the_cookie(person):
    answer = person().post("/auth/signout", None)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]
    cookie = set_cookies(answer)["access_token"]
    assert cookie.value == ""
    assert cookie["max-age"] == "0"
    assert cookie["path"] == "/", "a browser clears only the cookie of the same path"


def test_after_signing_out_a_copied_token_no_longer_answers_me(person):
    somebody = person()
    assert somebody.get("/auth/me").status_code == 200
    assert somebody.post("/auth/signout", None).status_code == 200
    problem(somebody.get("/auth/me"), 401, "unauthenticated")


def test_signing_out_ends_only_this_session(person):
    somebody = person()
    elsewhere = somebody.token
    somebody.sign_in()
    assert somebody.post("/auth/signout", None).status_code == 200
    answer = somebody.get("/auth/me", headers={"Authorization": f"Bearer {elsewhere}"})
    assert answer.status_code == 200, answer.text


def test_signing_out_by_cookie_works_too(person):
    somebody = person()
    cookie = f"access_token={somebody.token}"
    answer = somebody.post("/auth/signout", None, headers={"Authorization": None, "Cookie": cookie})
    assert answer.status_code == 200, answer.text
    problem(somebody.get("/auth/me"), 401, "unauthenticated")
