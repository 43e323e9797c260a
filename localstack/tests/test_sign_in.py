"""POST /auth/signin."""

import pytest
from person import PASSWORD, set_cookies, unique_email, unique_phone
from problems import invalid, problem
from tokens import parts

SIGN_IN = "/auth/signin"
# What tells one request from another, and may therefore differ between two otherwise identical answers.
PER_REQUEST = {"requestId", "instance"}


def test_signing_in_sets_the_access_token_in_a_cookie_that_scripts_cannot_read(ada):
    answer = ada.post(SIGN_IN, {"email": ada.email, "password": ada.password})
    assert answer.status_code == 200, answer.text
    cookie = set_cookies(answer)["access_token"]
    attributes = {name: value for name, value in cookie.items() if value and name not in ("max-age", "expires")}
    assert attributes == {"httponly": True, "secure": True, "samesite": "Lax", "path": "/"}


def test_the_answer_tells_who_signed_in_and_holds_no_token(ada):
    answer = ada.post(SIGN_IN, {"email": ada.email, "password": ada.password})
    body = answer.json()
    assert body.keys() == {"id", "email", "phone"}
    assert (body["id"], body["email"]) == (ada.id, ada.email)
    assert set_cookies(answer)["access_token"].value not in answer.text


def test_the_access_token_is_an_eddsa_jwt_for_this_person_and_session(ada):
    header, claims = parts(ada.token)
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert header["kid"]
    assert claims.keys() >= {"iss", "aud", "sub", "sid", "epoch", "iat", "exp"}
    assert claims["sub"] == ada.id
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_a_person_signs_in_by_email_in_any_letter_case(ada):
    answer = ada.post(SIGN_IN, {"email": ada.email.upper(), "password": ada.password})
    assert answer.status_code == 200, answer.text


def test_a_person_signs_in_by_phone(person):
    somebody = person(phone=unique_phone())
    answer = somebody.post(SIGN_IN, {"phone": somebody.phone, "password": somebody.password})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"id": somebody.id, "email": somebody.email, "phone": somebody.phone}


def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(person, anyone):
    somebody = person()
    attempts = [
        {"email": somebody.email, "password": "not " + PASSWORD},
        {"email": unique_email(), "password": PASSWORD},
        {"phone": unique_phone(), "password": PASSWORD},
    ]
    answers = [
        {
            name: value
            for name, value in problem(anyone.post(SIGN_IN, attempt), 401, "invalid_credentials").items()
            if name not in PER_REQUEST
        }
        for attempt in attempts
    ]
    assert answers[0] == answers[1] == answers[2]


def test_a_refused_sign_in_sets_no_cookie(anyone):
    assert not set_cookies(anyone.post(SIGN_IN, {"email": unique_email(), "password": PASSWORD}))


@pytest.mark.parametrize(
    "identifiers",
    [
        pytest.param({}, id="neither"),
        pytest.param({"email": "ada@example.com", "phone": "+33612345678"}, id="both"),
    ],
)
def test_signing_in_takes_an_email_or_a_phone_and_not_neither_or_both(anyone, identifiers):
    problem(anyone.post(SIGN_IN, {"password": PASSWORD} | identifiers), 400, "invalid_request")


def test_an_unknown_field_is_a_400_that_names_it(anyone):
    body = {"email": unique_email(), "password": PASSWORD, "remember": True}
    invalid(anyone.post(SIGN_IN, body), "/remember")
