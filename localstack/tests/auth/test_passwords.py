"""Password rules, and POST /auth/password."""

import unicodedata

import pytest
from support.problems import invalid, problem
from support.tokens import parts
from support.users import PASSWORD, set_cookies, unique_email, unique_phone
from support.waiting import wait_until

NEW_PASSWORD = "another correct horse battery"
BURST = 5
# Keyboards send the same characters composed or decomposed.
COMPOSED = unicodedata.normalize("NFC", "crème brûlée à la carte")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user(phone=unique_phone())


def try_sign_up(anonymous, password, **identity):
    return anonymous.post("/auth/signup", {"email": unique_email(), "password": password} | identity)


@pytest.mark.parametrize(("chosen", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_password_matches_in_any_unicode_normal_form(new_user, chosen, typed):
    assert chosen != typed
    user = new_user(password=chosen)
    assert user.try_sign_in(typed).status_code == 200
    response = user.try_change_password(NEW_PASSWORD, current=typed)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("password", ["é" * 128, "e\u0301" * 128, " " * 8, "пароль из слов"])
def test_password_of_8_to_128_characters_is_compared_in_full(anonymous, password):
    email = unique_email()
    assert try_sign_up(anonymous, password, email=email).status_code == 201
    sign_in = {"email": email, "password": password}
    assert anonymous.post("/auth/signin", sign_in).status_code == 200
    problem(anonymous.post("/auth/signin", sign_in | {"password": password[:-2]}), 401, "invalid_credentials")


@pytest.mark.parametrize("password", ["p" * 129, "é" * 129, "e\u0301" * 7])
def test_password_outside_length_limits_is_rejected(anonymous, password):
    detail = invalid(try_sign_up(anonymous, password), "/password")["detail"]
    assert {"8", "128"} <= set(detail.split())


@pytest.mark.parametrize("password", ["password", "PassWord1", "1234567890", "QwertyUIOP"])
def test_common_password_is_rejected(anonymous, password):
    assert "common" in invalid(try_sign_up(anonymous, password), "/password")["detail"]


@pytest.mark.parametrize(
    ("password", "named"),
    [
        pytest.param("Ada.Lovelace.{unique}@example.com", "e-mail", id="the e-mail address"),
        pytest.param("ada.lovelace.{unique}", "@", id="the local part"),
        pytest.param("{phone}", "phone", id="the phone number"),
        pytest.param("+33 (0)6{last}", "phone", id="the phone number, formatted"),
        pytest.param("06{last}", "phone", id="the national format"),
        pytest.param("6{last}", "phone", id="the national digits"),
    ],
)
def test_password_equal_to_own_identifier_is_rejected(anonymous, user, password, named):
    unique, phone = unique_email().split("@")[0], unique_phone()
    password = password.format(unique=unique, phone=phone, last=phone.removeprefix("+336"))
    identity = {"email": f"ada.lovelace.{unique}@example.com", "phone": phone}
    assert named in invalid(try_sign_up(anonymous, password, **identity), "/password")["detail"]
    assert try_sign_up(anonymous, password + " and more", **identity).status_code == 201


def test_password_change_to_invalid_or_same_password_is_rejected(user):
    for new in ("7 chars", "Password1", user.email, user.phone, PASSWORD):
        invalid(user.try_change_password(new), "/newPassword")
    invalid(user.post("/auth/password", {"newPassword": NEW_PASSWORD}), "/currentPassword")
    assert user.try_sign_in().status_code == 200


def test_password_change_revokes_all_other_sessions(user):
    wallet, other = user.open_account(balance=10), user.open_account()
    device, before = user.on_new_device(), user.token
    response = user.try_change_password(NEW_PASSWORD)
    assert response.status_code == 200, response.text
    tokens = response.json()
    assert tokens.keys() == {
        "message",
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
    }
    assert not set_cookies(response)
    assert tokens["refresh_token"] != user.refresh_token, "the old one may have been copied"
    user.token, user.refresh_token = tokens["access_token"], tokens["refresh_token"]
    assert parts(user.token)[1]["sid"] == parts(before)[1]["sid"]

    assert not device.is_signed_in()
    wait_until(lambda: device.try_send(wallet, other, 1_000).status_code == 401)
    problem(device.try_send(wallet, other, 1), 401, "unauthenticated")
    assert user.is_signed_in()
    user.send(wallet, other, 10)
    user.refresh()
    assert user.is_signed_in()


def test_password_change_by_cookie_sets_new_cookies(user):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    headers = {"Authorization": None, "Cookie": f"access_token={user.token}"}
    response = user.post("/auth/password", body, headers=headers)
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"message"}
    cookies = set_cookies(response)
    assert cookies.keys() == {"access_token", "refresh_token"}
    assert all(cookie["httponly"] and cookie["secure"] for cookie in cookies.values())
    assert not user.is_signed_in(), "with the old token"
    user.token = cookies["access_token"].value
    assert user.is_signed_in()


def test_reauthentication_attempts_are_throttled(stack, user):
    for _ in range(BURST):
        rejected = user.try_change_password(NEW_PASSWORD, current="not " + PASSWORD)
        problem(rejected, 403, "wrong_current_password")
        assert "WWW-Authenticate" not in rejected.headers
    # In the future, so that the wait does not end during the test.
    stack.tables.set_last_reauthentication(user.id, seconds_ago=-1000)
    locked = user.try_change_password(NEW_PASSWORD)
    assert int(problem(locked, 429, "too_many_attempts") and locked.headers["Retry-After"]) >= 1
    problem(user.try_update(phone=None), 429, "too_many_attempts")
    assert user.is_signed_in()


def test_failed_sign_ins_do_not_block_password_change(user):
    for _ in range(BURST):
        problem(user.try_sign_in("not " + PASSWORD), 401, "invalid_credentials")
    changed = user.try_change_password(NEW_PASSWORD)
    assert changed.status_code == 200, changed.text


def test_password_change_without_token_counts_no_attempt(stack, user):
    body = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    problem(user.post("/auth/password", body, headers={"Authorization": None}), 401, "unauthenticated")
    assert stack.tables.sign_in_attempts({"email": user.email}) is None
