"""POST /auth/signup."""

import secrets
import unicodedata
from collections import Counter

import pytest
from support.concurrency import run_concurrently
from support.problems import invalid, problem
from support.users import PASSWORD, unique_email, unique_phone

SIGN_UP = "/auth/signup"


def test_sign_up_returns_the_user_without_password(anonymous):
    email, phone = unique_email(), unique_phone()
    response = anonymous.post(SIGN_UP, {"email": email, "password": PASSWORD, "phone": phone})
    assert response.status_code == 201, response.text
    body = response.json()
    assert body.keys() == {"id", "email", "phone", "createdAt"}
    assert (body["email"], body["phone"]) == (email, phone)
    assert body["createdAt"].endswith("Z")


def test_sign_up_without_phone_succeeds(anonymous):
    response = anonymous.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD})
    assert response.status_code == 201, response.text
    assert response.json().get("phone") is None


def test_sign_up_with_taken_email_in_any_case_returns_409(anonymous):
    email = unique_email()
    assert anonymous.post(SIGN_UP, {"email": email, "password": PASSWORD}).status_code == 201
    problem(anonymous.post(SIGN_UP, {"email": email.upper(), "password": PASSWORD}), 409, "identifier_taken")


def test_spellings_of_an_email_are_one_user(anonymous):
    name = secrets.token_hex(8)
    domain = f"mü{name}.example"
    typed = f"Ada@{domain}"
    created = anonymous.post("/auth/signup", {"email": f" {typed} ", "password": PASSWORD})
    assert created.status_code == 201, created.text
    canonical = f"ada@{domain.encode('idna').decode()}"
    assert created.json()["email"] == canonical
    spellings = [canonical.upper(), f'"ada"@{domain}', unicodedata.normalize("NFD", typed), typed.replace("@", "＠")]
    for spelling in spellings:
        problem(anonymous.post("/auth/signup", {"email": spelling, "password": PASSWORD}), 409, "identifier_taken")
        signed_in = anonymous.post("/api/auth/login", {"email": spelling, "password": PASSWORD})
        assert signed_in.status_code == 200, signed_in.text
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        me = anonymous.get("/auth/me", headers=headers).json()
        assert (me["id"], me["email"], me["emailAsTyped"]) == (created.json()["id"], canonical, typed)


def test_concurrent_sign_ups_with_one_email_create_one_user(anonymous):
    body = {"email": unique_email(), "password": PASSWORD}
    responses = run_concurrently(8, lambda _: anonymous.post(SIGN_UP, body))
    assert Counter(response.status_code for response in responses) == {201: 1, 409: 7}


def test_sign_up_with_taken_phone_returns_409(anonymous):
    phone = unique_phone()
    assert anonymous.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone}).status_code == 201
    rejected = anonymous.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone})
    problem(rejected, 409, "identifier_taken")


def test_sign_ups_with_a_taken_email_are_slowed_down(anonymous):
    body = {"email": unique_email(), "password": PASSWORD}
    assert anonymous.post(SIGN_UP, body).status_code == 201
    # At once, so that the first waits do not end meanwhile.
    responses = run_concurrently(20, lambda _: anonymous.post(SIGN_UP, body))
    rejected = [response for response in responses if response.status_code == 429]
    assert rejected, Counter(response.status_code for response in responses)
    assert {response.status_code for response in responses} == {409, 429}
    for response in rejected:
        problem(response, 429, "too_many_attempts")
        assert int(response.headers["Retry-After"]) >= 1
    assert anonymous.post("/auth/signin", body).status_code == 200, "the owner is not locked out"
    assert anonymous.post(SIGN_UP, body | {"email": unique_email()}).status_code == 201


def test_rejected_sign_up_does_not_reserve_the_email(anonymous):
    phone, email = unique_phone(), unique_email()
    assert anonymous.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone}).status_code == 201
    problem(anonymous.post(SIGN_UP, {"email": email, "password": PASSWORD, "phone": phone}), 409, "identifier_taken")
    assert anonymous.post(SIGN_UP, {"email": email, "password": PASSWORD}).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"email": "not an e-mail"}, "/email", id="an e-mail without @"),
        pytest.param({"email": ""}, "/email", id="an empty e-mail"),
        pytest.param({"email": 7}, "/email", id="a number for an e-mail"),
        pytest.param({"password": "short"}, "/password", id="a short password"),
        pytest.param({"password": "p" * 129}, "/password", id="a password over 128 characters"),
        pytest.param({"password": None}, "/password", id="null for a password"),
        pytest.param({"phone": "0612345678"}, "/phone", id="a phone that is not E.164"),
        pytest.param({"phone": 33612345678}, "/phone", id="a number for a phone"),
        pytest.param({"role": "admin"}, "/role", id="an unknown field"),
    ],
)
def test_sign_up_with_invalid_field_points_to_it(anonymous, change, pointer):
    invalid(anonymous.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD} | change), pointer)


@pytest.mark.parametrize("field", ["email", "password"])
def test_sign_up_with_missing_field_points_to_it(anonymous, field):
    body = {"email": unique_email(), "password": PASSWORD}
    del body[field]
    invalid(anonymous.post(SIGN_UP, body), f"/{field}")


def test_sign_up_with_email_as_password_is_rejected(anonymous):
    email = unique_email()
    invalid(anonymous.post(SIGN_UP, {"email": email, "password": email}), "/password")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b"email=a@example.com", id="a form"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_body_that_is_not_a_json_object_returns_400(anonymous, body):
    response = anonymous.request("POST", SIGN_UP, headers={"Content-Type": "application/json"}, data=body)
    problem(response, 400, "invalid_request")


def test_body_over_64_kib_returns_413(anonymous):
    body = {"email": unique_email(), "password": PASSWORD, "note": "x" * 64 * 1024}
    problem(anonymous.post(SIGN_UP, body), 413, "payload_too_large")


def test_body_with_wrong_media_type_returns_415(anonymous):
    response = anonymous.request("POST", SIGN_UP, headers={"Content-Type": "text/plain"}, data=b"{}")
    problem(response, 415, "unsupported_media_type")
