"""The audit trail: what happened to people's credentials and sessions, and who may touch what is written there."""

import re
import time

import pytest
import trail
from eventually import eventually
from invoke import invoke
from person import PASSWORD, Person, unique_email, unique_phone
from stack import scan, timestamp

WRONG = "not " + PASSWORD
DAY_SECONDS = 24 * 3600


def kinds(records):
    return [record["kind"] for record in records]


@pytest.fixture
def somebody(stack, http):
    """A person with an e-mail and a phone, who has signed up and in."""
    newcomer = Person(stack.api_url, http, unique_email(), unique_phone())
    newcomer.sign_up()
    newcomer.sign_in()
    return newcomer


def test_the_trail_tells_what_happened_to_a_person_in_order(stack, somebody):
    refused = somebody.try_sign_in(WRONG)
    assert refused.status_code == 401
    somebody.sign_out("global")
    records = stack.audit_of(somebody.id)
    assert kinds(records) == ["SIGNED_UP", "SIGNED_IN", "SIGN_IN_FAILED", "SESSIONS_REVOKED"]
    assert records[1]["sessionId"] == somebody.session_id
    assert records[2]["requestId"] == refused.headers["Request-Id"]
    assert [record["at"] for record in records] == sorted(record["at"] for record in records)
    assert len({record["source"] for record in records}) == 1, "all came from one place"
    assert all(re.fullmatch("[0-9a-f]{32}", record["source"]) for record in records)


def test_the_attempt_after_which_an_identifier_has_to_wait_is_told_apart(stack, somebody):
    identifier = {"email": somebody.email}
    somebody.try_sign_in(WRONG)
    stack.set_last_attempt(identifier, 4, seconds_ago=3600)
    assert somebody.try_sign_in(WRONG).status_code == 401
    assert kinds(stack.audit_of(somebody.id))[-2:] == ["SIGN_IN_FAILED", "IDENTIFIER_LOCKED"]
    before = len(stack.audit_of(somebody.id))
    stack.set_last_attempt(identifier, 9, seconds_ago=0)
    assert somebody.try_sign_in(WRONG).status_code == 429
    assert len(stack.audit_of(somebody.id)) == before, "who hammers a lock fills no table"


def test_attempts_on_an_identifier_that_nobody_has_are_found_by_their_kind_and_do_not_name_it(stack, anyone):
    email = unique_email()
    request_ids = {
        anyone.post("/auth/signin", {"email": email, "password": WRONG}).headers["Request-Id"] for _ in range(2)
    }
    day = timestamp(time.time())[:10]

    def found():
        # The index follows a moment later.
        records = trail.ask(stack, "what happened to anybody on a day", KIND="SIGN_IN_FAILED", DAY=day)
        mine = [record for record in records if record["requestId"] in request_ids]
        return mine if len(mine) == 2 else None

    records = eventually(found)
    (subject,) = {record["pk"] for record in records}
    assert re.fullmatch("IDENTIFIER#[0-9a-f]{32}", subject)
    assert email not in str(records)


def test_no_record_holds_a_password_a_token_an_email_a_phone_or_an_address(stack, somebody):
    somebody.try_sign_in(WRONG)
    somebody.refresh()
    assert somebody.try_update(email=f"new-{somebody.email}").status_code == 200
    records = list(scan(stack.audit))
    assert len(records) > 4
    text = str(records)
    for secret in (PASSWORD, somebody.token, somebody.refresh_token, somebody.email, somebody.phone, "127.0.0.1"):
        assert secret not in text


def test_a_record_is_kept_for_as_long_as_the_deployment_says(stack, somebody):
    days = int(stack.environment("SigninFunction")["AUDIT_RETENTION_DAYS"])
    for record in stack.audit_of(somebody.id):
        kept = int(record["expiresAt"]) - time.time()
        assert (days - 1) * DAY_SECONDS < kept <= days * DAY_SECONDS


def test_a_suspension_is_recorded_with_its_reason_and_so_is_its_end(stack, somebody):
    stack.set_person_status(somebody.id, "SUSPENDED", reason="case 4711")
    assert not somebody.is_signed_in()
    stack.set_person_status(somebody.id, "ACTIVE", reason="case 4711 is closed")
    suspended, reactivated = stack.audit_of(somebody.id)[-2:]
    assert (suspended["kind"], reactivated["kind"]) == ("PERSON_SUSPENDED", "PERSON_REACTIVATED")
    assert "case 4711" in suspended["detail"] and "closed" in reactivated["detail"]
    somebody.sign_in()
    assert somebody.is_signed_in()


def test_the_deployments_own_records_tell_of_its_keys(stack):
    invoke(stack, "RotateKeysFunction", {})
    records = trail.ask(stack, "what happened to the signing keys", FROM="0", TO="9")
    assert set(kinds(records)) & {"SIGNING_KEY_PUBLISHED", "SIGNING_KEY_PROMOTED"}
    kids = {item["sk"].removeprefix("KEY#") for item in stack.signing_key_items(stack.signing_keys)}
    assert any(kid in record["detail"] for record in records for kid in kids)
