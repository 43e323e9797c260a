"""PATCH /auth/me: changes the e-mail address and the phone number."""

import pytest
from support import audit_log
from support.concurrency import run_concurrently
from support.problems import invalid, problem
from support.users import PASSWORD, unique_email, unique_phone
from support.waiting import wait_until


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user(phone=unique_phone())


def log_in(anonymous, **identifier):
    return anonymous.post("/api/auth/login", identifier | {"password": PASSWORD})


def updated(user, **changes):
    """Asserts that an update succeeds, and returns the user."""
    response = user.try_update(**changes)
    assert response.status_code == 200, response.text
    assert response.json() == user.get("/auth/me").json()
    return response.json()


def test_changed_email_signs_in_and_frees_the_old_one(anonymous, user, new_user):
    previous, new = user.email, unique_email()
    assert updated(user, email=new.upper())["email"] == new
    assert log_in(anonymous, email=new).status_code == 200
    problem(log_in(anonymous, email=previous), 401, "invalid_credentials")
    other = new_user(email=previous)
    assert other.id != user.id
    assert log_in(anonymous, phone=user.phone).status_code == 200


def test_changed_phone_signs_in_and_null_removes_it(anonymous, user):
    previous, new = user.phone, unique_phone()
    assert updated(user, phone=f"{new[:3]} {new[3:]}")["phone"] == new
    assert log_in(anonymous, phone=new).status_code == 200
    problem(log_in(anonymous, phone=previous), 401, "invalid_credentials")
    assert updated(user, phone=None)["phone"] is None
    problem(log_in(anonymous, phone=new), 401, "invalid_credentials")
    assert (
        anonymous.post("/auth/signup", {"email": unique_email(), "password": PASSWORD, "phone": new}).status_code == 201
    )


def test_changed_identifier_becomes_unverified(stack, user):
    stack.tables.verify_identifiers(user.id)
    changed = updated(user, email=unique_email())
    assert (changed["emailVerified"], changed["phoneVerified"]) == (False, True)


def test_changed_email_is_replicated_and_sessions_stay_active(stack, account_events, user):
    wallet, other = user.open_account(balance=5), user.open_account()
    device, new = user.on_new_device(), unique_email()
    updated(user, email=new)
    event = account_events.event(user.id, version=2)
    assert (event["type"], event["data"]["email"], event["data"]["epoch"]) == ("user:updated", new, 0)
    wait_until(lambda: stack.tables.user_replica(user.id)["email"] == new)
    for each in (user, device):
        assert each.is_signed_in()
        each.send(wallet, other, 1)


def test_update_to_same_values_records_no_change(stack, user):
    before = user.get("/auth/me").json()
    for changes in ({"email": user.email.upper()}, {"phone": user.phone, "email": user.email}):
        assert updated(user, **changes) == before
    assert not audit_log.events_of(stack, user.id, "IDENTIFIER_CHANGED")
    assert stack.tables.sign_in_attempts({"email": user.email}) is None


def test_update_to_taken_identifiers_points_to_each(user, new_user):
    other, before = new_user(phone=unique_phone()), user.get("/auth/me").json()
    rejected = problem(user.try_update(email=other.email, phone=other.phone), 409, "identifier_taken")
    assert {error["pointer"] for error in rejected["errors"]} == {"/email", "/phone"}
    rejected = problem(user.try_update(email=unique_email(), phone=other.phone), 409, "identifier_taken")
    assert {error["pointer"] for error in rejected["errors"]} == {"/phone"}
    assert user.get("/auth/me").json() == before


def test_concurrent_updates_to_one_email_succeed_once(new_user):
    people, wanted = [new_user() for _ in range(4)], unique_email()
    statuses = [response.status_code for response in run_concurrently(4, lambda n: people[n].try_update(email=wanted))]
    assert sorted(statuses) == [200, 409, 409, 409]


def test_concurrent_updates_of_one_user_stay_consistent(anonymous, user):
    phones = [unique_phone() for _ in range(4)]
    responses = run_concurrently(4, lambda n: user.try_update(phone=phones[n]))
    assert {response.status_code for response in responses} <= {200, 429, 503}
    assert 200 in {response.status_code for response in responses}
    now = user.get("/auth/me").json()["phone"]
    assert [phone for phone in phones if log_in(anonymous, phone=phone).status_code == 200] == [now]


def test_update_without_password_or_token_is_rejected(stack, user):
    new = unique_email()
    problem(user.try_update(email=new, currentPassword="not " + PASSWORD), 403, "wrong_current_password")
    invalid(user.request("PATCH", "/auth/me", json={"email": new}), "/currentPassword")
    stranger = {"Authorization": None}
    body = {"email": new, "currentPassword": PASSWORD}
    problem(user.request("PATCH", "/auth/me", headers=stranger, json=body), 401, "unauthenticated")
    assert user.get("/auth/me").json()["email"] == user.email
    (failed,) = audit_log.events_of(stack, user.id, "REAUTHENTICATION_FAILED")
    assert failed["sessionId"] == user.session_id


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        pytest.param({}, ["/email"], id="nothing"),
        pytest.param({"email": None}, ["/email"], id="null for the e-mail"),
        pytest.param({"email": "ada", "phone": "0612345678"}, ["/email", "/phone"], id="both invalid"),
        pytest.param({"phone": None, "status": "ACTIVE"}, ["/status"], id="an unknown field"),
        pytest.param({"phone": None, "epoch": 0}, ["/epoch"], id="a read-only field"),
    ],
)
def test_update_with_invalid_fields_points_to_each(ada, changes, pointers):
    invalid(ada.try_update(**changes), *pointers)
