"""POST /auth/signup."""

from collections import Counter

import pytest
from concurrency import at_once
from person import PASSWORD, unique_email, unique_phone
from problems import invalid, problem

SIGN_UP = "/auth/signup"


def test_signing_up_answers_201_with_the_new_person_and_never_the_password(anyone):
    email, phone = unique_email(), unique_phone()
    answer = anyone.post(SIGN_UP, {"email": email, "password": PASSWORD, "phone": phone})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body.keys() == {"id", "email", "phone", "createdAt"}
    assert (body["email"], body["phone"]) == (email, phone)
    assert body["createdAt"].endswith("Z")


def test_a_phone_is_optional(anyone):
    answer = anyone.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    assert answer.json().get("phone") is None


def test_an_email_is_taken_in_any_letter_case(anyone):
    email = unique_email()
    assert anyone.post(SIGN_UP, {"email": email, "password": PASSWORD}).status_code == 201
    problem(anyone.post(SIGN_UP, {"email": email.upper(), "password": PASSWORD}), 409, "identifier_taken")


def test_of_many_who_sign_up_at_once_with_one_email_one_succeeds(anyone):
    body = {"email": unique_email(), "password": PASSWORD}
    answers = at_once(8, lambda _: anyone.post(SIGN_UP, body))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}


def test_a_phone_is_taken_once(anyone):
    phone = unique_phone()
    assert anyone.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone}).status_code == 201
    refused = anyone.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone})
    problem(refused, 409, "identifier_taken")


def test_a_refused_sign_up_leaves_the_other_identifier_free(anyone):
    phone, email = unique_phone(), unique_email()
    assert anyone.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD, "phone": phone}).status_code == 201
    problem(anyone.post(SIGN_UP, {"email": email, "password": PASSWORD, "phone": phone}), 409, "identifier_taken")
    assert anyone.post(SIGN_UP, {"email": email, "password": PASSWORD}).status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        pytest.param({"email": "not an e-mail"}, "/email", id="an e-mail without an at sign"),
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
def test_a_400_names_the_field_that_is_wrong(anyone, change, pointer):
    invalid(anyone.post(SIGN_UP, {"email": unique_email(), "password": PASSWORD} | change), pointer)


@pytest.mark.parametrize("field", ["email", "password"])
def test_a_400_names_the_field_that_is_missing(anyone, field):
    body = {"email": unique_email(), "password": PASSWORD}
    del body[field]
    invalid(anyone.post(SIGN_UP, body), f"/{field}")


def test_the_email_itself_is_no_password(anyone):
    email = unique_email()
    invalid(anyone.post(SIGN_UP, {"email": email, "password": email}), "/password")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b"email=a@example.com", id="a form"),
        pytest.param(b"[]", id="an array"),
        pytest.param(b'"text"', id="a string"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_a_body_that_is_no_json_object_is_a_400(anyone, body):
    answer = anyone.request("POST", SIGN_UP, headers={"Content-Type": "application/json"}, data=body)
    problem(answer, 400, "invalid_request")


def test_a_body_over_64_kib_is_a_413(anyone):
    body = {"email": unique_email(), "password": PASSWORD, "note": "x" * 64 * 1024}
    problem(anyone.post(SIGN_UP, body), 413, "payload_too_large")


def test_a_body_of_another_media_type_is_a_415(anyone):
    answer = anyone.request("POST", SIGN_UP, headers={"Content-Type": "text/plain"}, data=b"{}")
    problem(answer, 415, "unsupported_media_type")
