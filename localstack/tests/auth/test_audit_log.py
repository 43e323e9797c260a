"""The audit log: events about credentials, sessions and keys."""

import re
import time

import pytest
from support import audit_log
from support.times import to_rfc3339
from support.users import PASSWORD, User, unique_email, unique_phone
from support.waiting import wait_until

WRONG = "not " + PASSWORD
DAY_SECONDS = 24 * 3600


def kinds(events):
    return [event["kind"] for event in events]


@pytest.fixture
def user(stack, http):
    """A user with an e-mail address and a phone number."""
    user = User(stack.api_url, http, unique_email(), unique_phone())
    user.sign_up()
    user.sign_in()
    return user


def test_audit_log_lists_events_of_a_user_in_order(stack, user):
    rejected = user.try_sign_in(WRONG)
    assert rejected.status_code == 401
    user.sign_out("global")
    events = audit_log.events_of(stack, user.id)
    assert kinds(events) == ["SIGNED_UP", "SIGNED_IN", "SIGN_IN_FAILED", "SESSIONS_REVOKED"]
    assert events[1]["sessionId"] == user.session_id
    assert events[2]["requestId"] == rejected.headers["Request-Id"]
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    assert len({event["source"] for event in events}) == 1, "all requests came from one address"
    assert all(re.fullmatch("[0-9a-f]{32}", event["source"]) for event in events)


def test_attempt_that_locks_identifier_is_recorded_as_locked(stack, user):
    identifier = {"email": user.email}
    user.try_sign_in(WRONG)
    stack.tables.set_sign_in_attempts(identifier, 4, seconds_ago=3600)
    assert user.try_sign_in(WRONG).status_code == 401
    assert kinds(audit_log.events_of(stack, user.id))[-2:] == ["SIGN_IN_FAILED", "IDENTIFIER_LOCKED"]
    before = len(audit_log.events_of(stack, user.id))
    stack.tables.set_sign_in_attempts(identifier, 9, seconds_ago=0)
    assert user.try_sign_in(WRONG).status_code == 429
    assert len(audit_log.events_of(stack, user.id)) == before, "attempts during the wait are not recorded"


def test_unknown_identifier_attempts_are_recorded_under_a_hash(stack, anonymous):
    email = unique_email()
    request_ids = {
        anonymous.post("/auth/signin", {"email": email, "password": WRONG}).headers["Request-Id"] for _ in range(2)
    }
    day = to_rfc3339(time.time())[:10]

    def found():
        # The index is eventually consistent.
        events = audit_log.events_of_day(stack, "SIGN_IN_FAILED", day)
        own = [event for event in events if event["requestId"] in request_ids]
        return own if len(own) == 2 else None

    events = wait_until(found)
    (subject,) = {audit_log.subject(event) for event in events}
    assert re.fullmatch("IDENTIFIER#[0-9a-f]{32}", subject)
    assert email not in str(events)


def test_audit_events_contain_no_secret_and_no_contact_data(stack, user):
    user.try_sign_in(WRONG)
    user.refresh()
    assert user.try_update(email=f"new-{user.email}").status_code == 200
    events = stack.tables.scan(stack.tables.audit)
    assert len(events) > 4
    text = str(events)
    for secret in (PASSWORD, user.token, user.refresh_token, user.email, user.phone, "127.0.0.1"):
        assert secret not in text


def test_audit_event_expires_after_configured_retention(stack, user):
    days = int(stack.environment("SigninFunction")["AUDIT_RETENTION_DAYS"])
    for event in audit_log.events_of(stack, user.id):
        kept = audit_log.expires_at(event) - time.time()
        assert (days - 1) * DAY_SECONDS < kept <= days * DAY_SECONDS


def test_suspension_and_reactivation_are_recorded_with_reason(stack, user):
    stack.set_user_status(user.id, "SUSPENDED", reason="case 4711")
    assert not user.is_signed_in()
    stack.set_user_status(user.id, "ACTIVE", reason="case 4711 is closed")
    suspended, reactivated = audit_log.events_of(stack, user.id)[-2:]
    assert (suspended["kind"], reactivated["kind"]) == ("PERSON_SUSPENDED", "PERSON_REACTIVATED")
    assert "case 4711" in suspended["detail"]
    assert "closed" in reactivated["detail"]
    user.sign_in()
    assert user.is_signed_in()


def test_key_rotation_is_recorded_under_the_deployment(stack):
    stack.invoke("RotateKeysFunction", {})
    events = audit_log.events_of_keys(stack)
    assert set(kinds(events)) & {"SIGNING_KEY_PUBLISHED", "SIGNING_KEY_PROMOTED"}
    kids = stack.tables.keys_in(stack.tables.signing_key)
    assert any(kid in event["detail"] for event in events for kid in kids)
