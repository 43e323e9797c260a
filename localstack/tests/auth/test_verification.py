"""Verification of e-mail addresses and phone numbers: POST /auth/verifications and /auth/verifications/confirm."""

import time

import pytest
from support import audit_log
from support.codes import codes_to, different_code, mails_to, sms_to
from support.concurrency import run_concurrently
from support.problems import invalid, problem
from support.times import to_seconds
from support.tokens import parts
from support.users import User, unique_email, unique_phone
from support.waiting import wait_until


def try_send_code(user, identifier="email"):
    return user.post("/auth/verifications", {"identifier": identifier})


def confirm(user, code, identifier="email"):
    return user.post("/auth/verifications/confirm", {"identifier": identifier, "code": code})


def send_code(user, identifier="email"):
    response = try_send_code(user, identifier)
    assert response.status_code == 202, response.text
    return response.json()


def receive_code(stack, user, identifier="email"):
    """Sends a code and returns it."""
    send_code(user, identifier)
    return codes_to(stack, getattr(user, identifier))[-1]


def me(user):
    response = user.get("/auth/me")
    assert response.status_code == 200, response.text
    return response.json()


def seconds_from_now(text):
    return to_seconds(text) - time.time()


@pytest.mark.parametrize("identifier", ["email", "phone"])
def test_confirmed_code_verifies_identifier_and_new_tokens(stack, new_user, identifier):
    user = new_user(phone=unique_phone())
    before = me(user)
    assert (before["emailVerified"], before["phoneVerified"]) == (False, False)
    code = receive_code(stack, user, identifier)

    response = confirm(user, code, identifier)
    assert response.status_code == 200, response.text
    verified_user = response.json()
    assert verified_user == me(user)
    verified = {name: name == f"{identifier}Verified" for name in ("emailVerified", "phoneVerified")}
    assert verified_user == before | verified | {"updatedAt": verified_user["updatedAt"]}

    claim = {"email": "email_verified", "phone": "phone_number_verified"}[identifier]
    assert not parts(user.token)[1].get(claim)
    user.refresh()
    assert parts(user.token)[1][claim] is True
    assert parts(user.on_new_device().token)[1][claim] is True


def test_email_has_configured_sender_and_sms_is_transactional(stack, new_user):
    user = new_user(phone=unique_phone())
    send_code(user, "email")
    (mail,) = mails_to(stack, user.email)
    assert mail["Source"] == stack.environment("SendCodeFunction")["VERIFICATION_SENDER"]
    assert codes_to(stack, user.email)[0] not in mail["Subject"]
    send_code(user, "phone")
    (sms,) = sms_to(stack, user.phone)
    assert sms["MessageAttributes"]["AWS.SNS.SMS.SMSType"]["StringValue"] == "Transactional"


def test_send_code_returns_expiry_and_resend_time(new_user):
    sent = send_code(new_user())
    assert sent.keys() == {"identifier", "expiresAt", "resendAfter"}
    assert sent["identifier"] == "email"
    assert 500 < seconds_from_now(sent["expiresAt"]) <= 600
    assert 0 < seconds_from_now(sent["resendAfter"]) <= 60


def test_second_code_within_a_minute_is_rejected(stack, new_user):
    user = new_user()
    sent = send_code(user)
    rejected = try_send_code(user)
    assert problem(rejected, 429, "code_sent_recently")["retryable"] is True
    assert 0 < int(rejected.headers["Retry-After"]) <= seconds_from_now(sent["resendAfter"]) + 1
    assert len(codes_to(stack, user.email)) == 1

    stack.tables.backdate_codes(user, "email", 60)
    send_code(user)
    first, second = codes_to(stack, user.email)
    if first != second:
        problem(confirm(user, first), 400, "invalid_code")
    assert confirm(user, second).status_code == 200


def test_concurrent_code_requests_send_one_code(stack, new_user):
    user = new_user()
    responses = run_concurrently(20, lambda _: try_send_code(user))
    assert sorted(response.status_code for response in responses) == [202] + [429] * 19
    assert len(codes_to(stack, user.email)) == 1


def test_eleventh_code_within_a_day_is_rejected(stack, new_user):
    user = new_user()
    for _ in range(10):
        send_code(user)
        stack.tables.backdate_codes(user, "email", 60)
    rejected = try_send_code(user)
    problem(rejected, 429, "code_sent_recently")
    assert 23 * 3600 < int(rejected.headers["Retry-After"]) < 24 * 3600


def test_address_of_another_user_is_not_sent_more_codes(stack, new_user, http):
    first = new_user()
    address = first.email
    send_code(first)
    assert first.try_update(email=unique_email()).status_code == 200
    second = User(stack.api_url, http, email=address)
    second.sign_up()
    second.sign_in()
    rejected = try_send_code(second)
    problem(rejected, 429, "code_sent_recently")
    assert 0 < int(rejected.headers["Retry-After"]) <= 60
    assert len(codes_to(stack, address)) == 1


def test_correct_code_after_five_wrong_ones_is_rejected(stack, new_user):
    user = new_user(phone=unique_phone())
    problems = [problem(confirm(user, "000000"), 400, "invalid_code")]
    code = receive_code(stack, user)
    problems += [problem(confirm(user, different_code(code)), 400, "invalid_code") for _ in range(5)]
    problems.append(problem(confirm(user, code), 400, "invalid_code"))
    problems.append(problem(confirm(user, code, "phone"), 400, "invalid_code"))
    assert len({body["detail"] for body in problems}) == 1
    assert me(user)["emailVerified"] is False
    rejected = audit_log.events_of(stack, user.id, "CODE_REFUSED")
    assert [record["detail"] for record in rejected] == [f"attempt {n} by email" for n in range(1, 6)]


def test_concurrent_wrong_codes_are_checked_five_times(stack, new_user):
    user = new_user()
    code = receive_code(stack, user)
    responses = run_concurrently(20, lambda _: confirm(user, different_code(code)))
    assert {response.status_code for response in responses} == {400}
    assert len(audit_log.events_of(stack, user.id, "CODE_REFUSED")) == 5
    problem(confirm(user, code), 400, "invalid_code")


def test_expired_code_is_rejected(stack, new_user):
    user = new_user()
    code = receive_code(stack, user)
    stack.tables.backdate_codes(user, "email", 600)
    problem(confirm(user, code), 400, "invalid_code")


def test_code_verifies_once_and_then_returns_409(stack, new_user):
    user = new_user()
    code = receive_code(stack, user)
    responses = run_concurrently(4, lambda _: confirm(user, code))
    assert [response.status_code for response in responses].count(200) == 1
    assert len(audit_log.events_of(stack, user.id, "IDENTIFIER_VERIFIED")) == 1
    problem(confirm(user, code), 409, "already_verified")
    problem(try_send_code(user), 409, "already_verified")


def test_code_of_old_email_does_not_verify_the_new_one(stack, new_user):
    user = new_user()
    assert confirm(user, receive_code(stack, user)).status_code == 200
    changed = user.try_update(email=unique_email())
    assert changed.status_code == 200, changed.text
    assert me(user)["emailVerified"] is False

    user = new_user()
    code = receive_code(stack, user)
    assert user.try_update(email=unique_email()).status_code == 200
    problem(confirm(user, code), 400, "invalid_code")
    assert me(user)["emailVerified"] is False


def test_verification_is_replicated_to_the_payment_context(stack, new_user):
    user = new_user()
    version = wait_until(lambda: stack.tables.user_replica(user.id))["version"]
    assert confirm(user, receive_code(stack, user)).status_code == 200
    assert wait_until(lambda: (stack.tables.user_replica(user.id) or {}).get("version") == version + 1)


def test_verification_with_invalid_request_is_rejected(new_user, anonymous):
    user = new_user()
    invalid(try_send_code(user, "phone"), "/identifier")
    invalid(try_send_code(user, "post"), "/identifier")
    invalid(confirm(user, "12345"), "/code")
    invalid(confirm(user, "abcdef"), "/code")
    problem(try_send_code(anonymous), 401, "unauthenticated")
    problem(confirm(anonymous, "012345"), 401, "unauthenticated")


def test_ended_session_cannot_send_or_confirm_codes(stack, new_user):
    user = new_user()
    code = receive_code(stack, user)
    user.sign_out()
    problem(confirm(user, code), 401, "unauthenticated")
    problem(try_send_code(user), 401, "unauthenticated")


def test_code_is_stored_as_hash_until_confirmed(stack, new_user):
    user = new_user()
    code = receive_code(stack, user)
    item = stack.tables.verification(user, "email")
    assert item["codeHash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert item.keys() == {"pk", "sk", "version", "sentAt", "codeHash", "codeExpiresAt", "attempts", "expiresAt"}
    (record,) = audit_log.events_of(stack, user.id, "CODE_SENT")
    assert record["detail"] == "by email"
    assert confirm(user, code).status_code == 200
    assert stack.tables.verification(user, "email").keys() == {"pk", "sk", "version", "sentAt", "expiresAt"}
