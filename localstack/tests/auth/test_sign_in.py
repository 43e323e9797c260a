"""POST /auth/signin."""

import pytest
from support.problems import invalid, problem
from support.tokens import parts
from support.users import PASSWORD, set_cookies, unique_email, unique_phone

SIGN_IN = "/auth/signin"
# Members that differ between two responses to equal requests.
PER_REQUEST = {"requestId", "instance"}


def test_sign_in_sets_access_token_in_httponly_cookie(ada):
    response = ada.post(SIGN_IN, {"email": ada.email, "password": ada.password})
    assert response.status_code == 200, response.text
    cookie = set_cookies(response)["access_token"]
    attributes = {name: value for name, value in cookie.items() if value and name not in ("max-age", "expires")}
    assert attributes == {"httponly": True, "secure": True, "samesite": "Lax", "path": "/"}


def test_sign_in_response_names_the_user_and_holds_no_token(ada):
    response = ada.post(SIGN_IN, {"email": ada.email, "password": ada.password})
    body = response.json()
    assert body.keys() == {"id", "email", "phone"}
    assert (body["id"], body["email"]) == (ada.id, ada.email)
    assert set_cookies(response)["access_token"].value not in response.text


def test_access_token_is_eddsa_jwt_of_user_and_session(ada):
    header, claims = parts(ada.token)
    assert (header["alg"], header["typ"]) == ("EdDSA", "at+jwt")
    assert header["kid"]
    assert claims.keys() >= {"iss", "aud", "sub", "sid", "epoch", "iat", "exp"}
    assert claims["sub"] == ada.id
    assert claims["exp"] - claims["iat"] == 15 * 60


def test_sign_in_with_email_in_any_case_succeeds(ada):
    response = ada.post(SIGN_IN, {"email": ada.email.upper(), "password": ada.password})
    assert response.status_code == 200, response.text


def test_sign_in_with_phone_succeeds(new_user):
    user = new_user(phone=unique_phone())
    response = user.post(SIGN_IN, {"phone": user.phone, "password": user.password})
    assert response.status_code == 200, response.text
    assert response.json() == {"id": user.id, "email": user.email, "phone": user.phone}


def test_wrong_password_and_unknown_user_get_the_same_response(new_user, anonymous):
    user = new_user()
    attempts = [
        {"email": user.email, "password": "not " + PASSWORD},
        {"email": unique_email(), "password": PASSWORD},
        {"phone": unique_phone(), "password": PASSWORD},
    ]
    responses = [
        {
            name: value
            for name, value in problem(anonymous.post(SIGN_IN, attempt), 401, "invalid_credentials").items()
            if name not in PER_REQUEST
        }
        for attempt in attempts
    ]
    assert responses[0] == responses[1] == responses[2]


def test_failed_sign_in_sets_no_cookie(anonymous):
    assert not set_cookies(anonymous.post(SIGN_IN, {"email": unique_email(), "password": PASSWORD}))


@pytest.mark.parametrize(
    "identifiers",
    [
        pytest.param({}, id="neither"),
        pytest.param({"email": "ada@example.com", "phone": "+33612345678"}, id="both"),
    ],
)
def test_sign_in_without_exactly_one_identifier_returns_400(anonymous, identifiers):
    problem(anonymous.post(SIGN_IN, {"password": PASSWORD} | identifiers), 400, "invalid_request")


def test_sign_in_with_unknown_field_points_to_it(anonymous):
    body = {"email": unique_email(), "password": PASSWORD, "remember": True}
    invalid(anonymous.post(SIGN_IN, body), "/remember")
