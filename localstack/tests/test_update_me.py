"""PATCH /auth/me: another e-mail address, another phone number."""

import pytest
from concurrency import at_once
from eventually import eventually
from person import PASSWORD, unique_email, unique_phone
from problems import invalid, problem
from published import listening


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person(phone=unique_phone())


def log_in(anyone, **identifier):
    return anyone.post("/api/auth/login", identifier | {"password": PASSWORD})


def updated(somebody, **changes):
    """The person after a change that is made."""
    answer = somebody.try_update(**changes)
    assert answer.status_code == 200, answer.text
    assert answer.json() == somebody.get("/auth/me").json()
    return answer.json()


def test_another_email_signs_in_and_the_former_one_is_free_for_others(anyone, somebody, person):
    former, new = somebody.email, unique_email()
    assert updated(somebody, email=new.upper())["email"] == new
    assert log_in(anyone, email=new).status_code == 200
    problem(log_in(anyone, email=former), 401, "invalid_credentials")
    other = person(email=former)
    assert other.id != somebody.id
    assert log_in(anyone, phone=somebody.phone).status_code == 200


def test_another_phone_signs_in_and_null_is_none(anyone, somebody):
    former, new = somebody.phone, unique_phone()
    assert updated(somebody, phone=f"{new[:3]} {new[3:]}")["phone"] == new
    assert log_in(anyone, phone=new).status_code == 200
    problem(log_in(anyone, phone=former), 401, "invalid_credentials")
    assert updated(somebody, phone=None)["phone"] is None
    problem(log_in(anyone, phone=new), 401, "invalid_credentials")
    assert anyone.post("/auth/signup", {"email": unique_email(), "password": PASSWORD, "phone": new}).status_code == 201


def test_what_changed_has_yet_to_be_verified(stack, somebody):
    stack.accounts.update_item(
        Key={"pk": f"USER#{somebody.id}", "sk": "PROFILE"},
        UpdateExpression="SET emailVerified = :yes, phoneVerified = :yes",
        ExpressionAttributeValues={":yes": True},
    )
    person = updated(somebody, email=unique_email())
    assert (person["emailVerified"], person["phoneVerified"]) == (False, True)


def test_the_payment_side_hears_of_it_and_the_sessions_go_on(stack, somebody):
    wallet, other = somebody.open_account(balance=5), somebody.open_account()
    device, new = somebody.elsewhere(), unique_email()
    with listening(stack) as published:
        updated(somebody, email=new)
        event = published.of(somebody.id, version=2)
    assert (event["type"], event["data"]["email"], event["data"]["epoch"]) == ("user:updated", new, 0)
    eventually(lambda: stack.replica(somebody.id)["email"] == new)
    for each in (somebody, device):
        assert each.is_signed_in()
        each.send(wallet, other, 1)


def test_the_same_once_more_is_answered_the_same_and_is_no_change(stack, somebody):
    before = somebody.get("/auth/me").json()
    for changes in ({"email": somebody.email.upper()}, {"phone": somebody.phone, "email": somebody.email}):
        assert updated(somebody, **changes) == before
    assert not stack.audit_of(somebody.id, "IDENTIFIER_CHANGED")
    assert stack.attempts({"email": somebody.email}) is None


def test_what_somebody_has_is_taken_and_named_and_nothing_changes(somebody, person):
    other, before = person(phone=unique_phone()), somebody.get("/auth/me").json()
    refused = problem(somebody.try_update(email=other.email, phone=other.phone), 409, "identifier_taken")
    assert {error["pointer"] for error in refused["errors"]} == {"/email", "/phone"}
    refused = problem(somebody.try_update(email=unique_email(), phone=other.phone), 409, "identifier_taken")
    assert {error["pointer"] for error in refused["errors"]} == {"/phone"}
    assert somebody.get("/auth/me").json() == before


def test_of_several_who_want_one_address_at_once_one_gets_it(person):
    people, wanted = [person() for _ in range(4)], unique_email()
    statuses = [answer.status_code for answer in at_once(4, lambda n: people[n].try_update(email=wanted))]
    assert sorted(statuses) == [200, 409, 409, 409]


def test_several_changes_of_one_person_at_once_leave_them_whole(anyone, somebody):
    phones = [unique_phone() for _ in range(4)]
    answers = at_once(4, lambda n: somebody.try_update(phone=phones[n]))
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert 200 in {answer.status_code for answer in answers}
    now = somebody.get("/auth/me").json()["phone"]
    assert [phone for phone in phones if log_in(anyone, phone=phone).status_code == 200] == [now]


def test_nobody_changes_another_by_a_token_alone(stack, somebody):
    new = unique_email()
    problem(somebody.try_update(email=new, currentPassword="not " + PASSWORD), 401, "invalid_credentials")
    invalid(somebody.request("PATCH", "/auth/me", json={"email": new}), "/currentPassword")
    stranger = {"Authorization": None}
    body = {"email": new, "currentPassword": PASSWORD}
    problem(somebody.request("PATCH", "/auth/me", headers=stranger, json=body), 401, "unauthenticated")
    assert somebody.get("/auth/me").json()["email"] == somebody.email
    (failed,) = stack.audit_of(somebody.id, "REAUTHENTICATION_FAILED")
    assert failed["sessionId"] == somebody.session_id


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        pytest.param({}, ["/email"], id="nothing"),
        pytest.param({"email": None}, ["/email"], id="no e-mail"),
        pytest.param({"email": "ada", "phone": "0612345678"}, ["/email", "/phone"], id="neither can be one"),
        pytest.param({"phone": None, "status": "ACTIVE"}, ["/status"], id="an unknown field"),
        pytest.param({"phone": None, "epoch": 0}, ["/epoch"], id="what is not theirs to set"),
    ],
)
def test_a_400_names_every_field_that_is_wrong(ada, changes, pointers):
    invalid(ada.try_update(**changes), *pointers)
