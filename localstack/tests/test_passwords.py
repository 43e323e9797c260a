"""Which passwords may be chosen, and POST /auth/password."""

import unicodedata

import pytest
from eventually import eventually
from person import PASSWORD, set_cookies, unique_email, unique_phone
from problems import invalid, problem
from tokens import parts

NEW_PASSWORD = "another correct horse battery"
FREE_ATTEMPTS = 5
# The form in which one keyboard sends it, and that in which another does.
COMPOSED = unicodedata.normalize("NFC", "crème brûlée à la carte")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person(phone=unique_phone())


def try_sign_up(anyone, password, **identity):
    return anyone.post("/auth/signup", {"email": unique_email(), "password": password} | identity)


@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_a_password_is_the_same_from_every_keyboard(person, chosen, typed):
    assert chosen != typed
    somebody = person(password=chosen)
    assert somebody.try_sign_in(typed).status_code == 200
    answer = somebody.try_change_password(NEW_PASSWORD, current=typed)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("password", ["é" * 128, "e\u0301" * 128, " " * 8, "пароль из слов"])
def test_any_8_to_128_characters_are_a_password_and_all_of_them_count(anyone, password):
    email = unique_email()
    assert try_sign_up(anyone, password, email=email).status_code == 201
    sign_in = {"email": email, "password": password}
    assert anyone.post("/auth/signin", sign_in).status_code == 200
    problem(anyone.post("/auth/signin", sign_in | {"password": password[:-2]}), 401, "invalid_credentials")


@pytest.mark.parametrize("password", ["p" * 129, "é" * 129, "e\u0301" * 7])
def test_fewer_and_more_characters_are_refused_and_never_cut(anyone, password):
    assert "8 to 128 characters" in invalid(try_sign_up(anyone, password), "/password")["detail"]


@pytest.mark.parametrize("password", ["password", "PassWord1", "1234567890", "QwertyUIOP"])
def test_what_many_people_have_is_refused(anyone, password):
    assert "most common" in invalid(try_sign_up(anyone, password), "/password")["detail"]


@pytest.mark.parametrize(
    ("password", "named"),
    [
        pytest.param("Ada.Lovelace.{unique}@example.com", "e-mail address", id="the e-mail address"),
        pytest.param("ada.lovelace.{unique}", "before the @", id="its local part"),
        pytest.param("{phone}", "phone number", id="the phone number"),
        pytest.param("+33 (0)6{last}", "phone number", id="another spelling of it"),
        pytest.param("06{last}", "phone number", id="its national form"),
        pytest.param("6{last}", "phone number", id="its digits alone"),
    ],
)
def test_what_names_the_person_is_refused_and_the_refusal_says_which(anyone, somebody, password, named):
    unique, phone = unique_email().split("@")[0], unique_phone()
    password = password.format(unique=unique, phone=phone, last=phone.removeprefix("+336"))
    identity = {"email": f"ada.lovelace.{unique}@example.com", "phone": phone}
    assert named in invalid(try_sign_up(anyone, password, **identity), "/password")["detail"]
    assert try_sign_up(anyone, password + " and more", **identity).status_code == 201


def test_a_new_password_keeps_those_rules_and_is_another_one(somebody):
    for new in ("7 chars", "Password1", somebody.email, somebody.phone, PASSWORD):
        invalid(somebody.try_change_password(new), "/newPassword")
    invalid(somebody.post("/auth/password", {"newPassword": NEW_PASSWORD}), "/currentPassword")
    assert somebody.try_sign_in().status_code == 200


def test_a_new_password_ends_every_other_session_for_money_too_and_this_one_goes_on(somebody):
    wallet, other = somebody.open_account(balance=10), somebody.open_account()
    device, before = somebody.elsewhere(), somebody.token
    answer = somebody.try_change_password(NEW_PASSWORD)
    assert answer.status_code == 200, answer.text
    tokens = answer.json()
    assert tokens.keys() == {
        "message", "access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"
    }
    assert not set_cookies(answer)
    assert tokens["refresh_token"] != somebody.refresh_token, "somebody may hold a copy"
    somebody.token, somebody.refresh_token = tokens["access_token"], tokens["refresh_token"]
    assert parts(somebody.token)[1]["sid"] == parts(before)[1]["sid"]

    assert not device.is_signed_in()
    eventually(lambda: device.try_send(wallet, other, 1_000).status_code == 401)
    problem(device.try_send(wallet, other, 1), 401, "unauthenticated")
    assert somebody.is_signed_in()
    somebody.send(wallet, other, 10)
    somebody.refresh()
    assert somebody.is_signed_in()


def test_a_browser_goes_on_with_the_fresh_tokens_in_its_cookies(somebody):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    headers = {"Authorization": None, "Cookie": f"access_token={somebody.token}"}
    answer = somebody.post("/auth/password", body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"message"}
    cookies = set_cookies(answer)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert all(cookie["httponly"] and cookie["secure"] for cookie in cookies.values())
    assert not somebody.is_signed_in(), "with the former one"
    somebody.token = cookies["access_token"].value
    assert somebody.is_signed_in()


def test_whoever_holds_a_token_has_as_few_guesses_at_the_password_as_anybody(stack, somebody):
    for _ in range(FREE_ATTEMPTS):
        refused = somebody.try_change_password(NEW_PASSWORD, current="not " + PASSWORD)
        problem(refused, 401, "invalid_credentials")
    # It lies ahead, so that the wait does not end while the test runs.
    stack.set_last_reauthentication(somebody.id, seconds_ago=-1000)
    locked = somebody.try_change_password(NEW_PASSWORD)
    assert int(problem(locked, 429, "too_many_attempts") and locked.headers["Retry-After"]) >= 1
    problem(somebody.try_update(phone=None), 429, "too_many_attempts")
    assert somebody.is_signed_in()


def test_whoever_guesses_from_outside_does_not_keep_the_owner_from_another_password(somebody):
    for _ in range(FREE_ATTEMPTS):
        problem(somebody.try_sign_in("not " + PASSWORD), 401, "invalid_credentials")
    changed = somebody.try_change_password(NEW_PASSWORD)
    assert changed.status_code == 200, changed.text


def test_without_a_token_a_password_is_not_looked_at(stack, somebody):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    problem(somebody.post("/auth/password", body, headers={"Authorization": None}), 401, "unauthenticated")
    assert stack.attempts({"email": somebody.email}) is None
