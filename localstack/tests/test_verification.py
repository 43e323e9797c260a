"""Verifying e-mail addresses and phone numbers: POST /auth/verifications and POST /auth/verifications/confirm."""

import time

import pytest
from codes import another, codes_to, mails_to, sms_to
from concurrency import at_once
from eventually import eventually
from person import unique_email, unique_phone
from problems import invalid, problem
from stack import seconds
from tokens import parts


def ask(somebody, identifier="email"):
    return somebody.post("/auth/verifications", {"identifier": identifier})


def confirm(somebody, code, identifier="email"):
    return somebody.post("/auth/verifications/confirm", {"identifier": identifier, "code": code})


def asked(somebody, identifier="email"):
    answer = ask(somebody, identifier)
    assert answer.status_code == 202, answer.text
    return answer.json()


def sent_to(stack, somebody, identifier="email"):
    """The code that somebody was sent just now."""
    asked(somebody, identifier)
    return codes_to(stack, getattr(somebody, identifier))[-1]


def me(somebody):
    answer = somebody.get("/auth/me")
    assert answer.status_code == 200, answer.text
    return answer.json()


def seconds_from_now(text):
    return seconds(text) - time.time()


@pytest.mark.parametrize("identifier", ["email", "phone"])
def test_whoever_returns_the_code_that_was_sent_is_verified_and_a_refreshed_token_says_so(stack, person, identifier):
    somebody = person(phone=unique_phone())
    before = me(somebody)
    assert (before["emailVerified"], before["phoneVerified"]) == (False, False)
    code = sent_to(stack, somebody, identifier)

    answer = confirm(somebody, code, identifier)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown == me(somebody)
    verified = {name: name == f"{identifier}Verified" for name in ("emailVerified", "phoneVerified")}
    assert shown == before | verified | {"updatedAt": shown["updatedAt"]}

    claim = {"email": "email_verified", "phone": "phone_number_verified"}[identifier]
    assert not parts(somebody.token)[1].get(claim)
    somebody.refresh()
    assert parts(somebody.token)[1][claim] is True
    assert parts(somebody.elsewhere().token)[1][claim] is True


def test_an_e_mail_comes_from_the_deployments_sender_and_an_sms_for_its_speed(stack, person):
    somebody = person(phone=unique_phone())
    asked(somebody, "email")
    (mail,) = mails_to(stack, somebody.email)
    assert mail["Source"] == stack.environment("SendCodeFunction")["VERIFICATION_SENDER"]
    assert codes_to(stack, somebody.email)[0] not in mail["Subject"]
    asked(somebody, "phone")
    (sms,) = sms_to(stack, somebody.phone)
    assert sms["MessageAttributes"]["AWS.SNS.SMS.SMSType"]["StringValue"] == "Transactional"


def test_the_answer_says_until_when_the_code_is_good_and_when_the_next_may_be_asked_for(person):
    sent = asked(person())
    assert sent.keys() == {"identifier", "expiresAt", "resendAfter"}
    assert sent["identifier"] == "email"
    assert 500 < seconds_from_now(sent["expiresAt"]) <= 600
    assert 0 < seconds_from_now(sent["resendAfter"]) <= 60


def test_a_second_code_within_a_minute_is_refused_and_retry_after_is_true(stack, person):
    somebody = person()
    sent = asked(somebody)
    refused = ask(somebody)
    assert problem(refused, 429, "code_sent_recently")["retryable"] is True
    assert 0 < int(refused.headers["Retry-After"]) <= seconds_from_now(sent["resendAfter"]) + 1
    assert len(codes_to(stack, somebody.email)) == 1

    stack.backdate_codes(somebody, "email", 60)
    asked(somebody)
    first, second = codes_to(stack, somebody.email)
    if first != second:
        problem(confirm(somebody, first), 400, "invalid_code")
    assert confirm(somebody, second).status_code == 200


def test_of_twenty_requests_at_once_one_sends_a_code(stack, person):
    somebody = person()
    answers = at_once(20, lambda _: ask(somebody))
    assert sorted(answer.status_code for answer in answers) == [202] + [429] * 19
    assert len(codes_to(stack, somebody.email)) == 1


def test_after_ten_codes_in_a_day_the_next_one_waits_for_the_first_to_be_a_day_old(stack, person):
    somebody = person()
    for _ in range(10):
        asked(somebody)
        stack.backdate_codes(somebody, "email", 60)
    refused = ask(somebody)
    problem(refused, 429, "code_sent_recently")
    assert 23 * 3600 < int(refused.headers["Retry-After"]) < 24 * 3600


def test_wrong_codes_are_one_answer_and_after_five_the_right_one_is_good_no_more(stack, person):
    somebody = person(phone=unique_phone())
    told = [problem(confirm(somebody, "000000"), 400, "invalid_code")]
    code = sent_to(stack, somebody)
    told += [problem(confirm(somebody, another(code)), 400, "invalid_code") for _ in range(5)]
    told.append(problem(confirm(somebody, code), 400, "invalid_code"))
    told.append(problem(confirm(somebody, code, "phone"), 400, "invalid_code"))
    assert len({body["detail"] for body in told}) == 1
    assert me(somebody)["emailVerified"] is False
    refused = stack.audit_of(somebody.id, "CODE_REFUSED")
    assert [record["detail"] for record in refused] == [f"attempt {n} by email" for n in range(1, 6)]


def test_of_twenty_wrong_codes_at_once_five_are_looked_at(stack, person):
    somebody = person()
    code = sent_to(stack, somebody)
    answers = at_once(20, lambda _: confirm(somebody, another(code)))
    assert {answer.status_code for answer in answers} == {400}
    assert len(stack.audit_of(somebody.id, "CODE_REFUSED")) == 5
    problem(confirm(somebody, code), 400, "invalid_code")


def test_a_code_that_expired_is_refused(stack, person):
    somebody = person()
    code = sent_to(stack, somebody)
    stack.backdate_codes(somebody, "email", 600)
    problem(confirm(somebody, code), 400, "invalid_code")


def test_one_code_verifies_once_and_there_is_nothing_to_send_after(stack, person):
    somebody = person()
    code = sent_to(stack, somebody)
    answers = at_once(4, lambda _: confirm(somebody, code))
    assert [answer.status_code for answer in answers].count(200) == 1
    assert len(stack.audit_of(somebody.id, "IDENTIFIER_VERIFIED")) == 1
    problem(confirm(somebody, code), 409, "already_verified")
    problem(ask(somebody), 409, "already_verified")


def test_a_code_of_the_former_address_does_not_verify_the_new_one_and_a_new_address_is_unverified(stack, person):
    somebody = person()
    assert confirm(somebody, sent_to(stack, somebody)).status_code == 200
    changed = somebody.try_update(email=unique_email())
    assert changed.status_code == 200, changed.text
    assert me(somebody)["emailVerified"] is False

    somebody = person()
    code = sent_to(stack, somebody)
    assert somebody.try_update(email=unique_email()).status_code == 200
    problem(confirm(somebody, code), 400, "invalid_code")
    assert me(somebody)["emailVerified"] is False


def test_the_payment_side_hears_of_the_change(stack, person):
    somebody = person()
    version = eventually(lambda: stack.replica(somebody.id))["version"]
    assert confirm(somebody, sent_to(stack, somebody)).status_code == 200
    assert eventually(lambda: (stack.replica(somebody.id) or {}).get("version") == version + 1)


def test_there_is_a_phone_to_verify_and_a_field_is_one(person, anyone):
    somebody = person()
    invalid(ask(somebody, "phone"), "/identifier")
    invalid(ask(somebody, "post"), "/identifier")
    invalid(confirm(somebody, "12345"), "/code")
    invalid(confirm(somebody, "abcdef"), "/code")
    problem(ask(anyone), 401, "unauthenticated")
    problem(confirm(anyone, "012345"), 401, "unauthenticated")


def test_a_session_that_ended_sends_and_confirms_nothing(stack, person):
    somebody = person()
    code = sent_to(stack, somebody)
    somebody.sign_out()
    problem(confirm(somebody, code), 401, "unauthenticated")
    problem(ask(somebody), 401, "unauthenticated")


def test_a_code_is_kept_as_a_hash_until_it_is_returned(stack, person):
    somebody = person()
    code = sent_to(stack, somebody)
    item = stack.verification(somebody, "email")
    assert item["codeHash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert item.keys() == {"pk", "sk", "version", "sentAt", "codeHash", "codeExpiresAt", "attempts", "expiresAt"}
    (record,) = stack.audit_of(somebody.id, "CODE_SENT")
    assert record["detail"] == "by email"
    assert confirm(somebody, code).status_code == 200
    assert stack.verification(somebody, "email").keys() == {"pk", "sk", "version", "sentAt", "expiresAt"}
