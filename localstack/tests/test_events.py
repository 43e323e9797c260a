"""Each sample in events/ is what the function it is named after accepts."""

import json
import secrets

import pytest
from codes import codes_to
from contexts import EVERY_FUNCTION
from eventually import eventually
from invoke import invoke
from merchant import ask, ask_and_move, read
from person import PASSWORD, unique_email, unique_phone
from published import listening
from templates import ROOT
from tokens import parts
from webhooks import Vault, signed

SAMPLES = {
    "signup": "SignupFunction",
    "signin": "SigninFunction",
    "signout": "SignoutFunction",
    "me": "MeFunction",
    "register": "RegisterFunction",
    "login": "LoginFunction",
    "validate": "ValidateFunction",
    "jwks": "JwksFunction",
    "refresh": "RefreshFunction",
    "list-sessions": "ListSessionsFunction",
    "end-session": "EndSessionFunction",
    "change-password": "ChangePasswordFunction",
    "update-me": "UpdateMeFunction",
    "set-person-status": "SetPersonStatusFunction",
    "send-code": "SendCodeFunction",
    "confirm-code": "ConfirmCodeFunction",
    "publisher": "PublisherFunction",
    "rotate-keys": "RotateKeysFunction",
    "open-account": "OpenAccountFunction",
    "list-accounts": "ListAccountsFunction",
    "deposit": "DepositFunction",
    "withdraw": "WithdrawFunction",
    "send": "SendFunction",
    "histories": "HistoriesFunction",
    "get-transfer": "GetTransferFunction",
    "create-payment": "CreatePaymentFunction",
    "get-payment": "GetPaymentFunction",
    "list-payments": "ListPaymentsFunction",
    "update-payment-status": "UpdatePaymentStatusFunction",
    "provider-webhook": "ProviderWebhookFunction",
    "payment-publisher": "PaymentPublisherFunction",
    "provider-simulator": "ProviderSimulatorFunction",
    "sync": "SyncFunction",
    "health": "HealthFunction",
    "docs": "DocsFunction",
}


def sample(name):
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def answer(stack, name, event, status):
    """The body of the answer to a request event, which must have this status."""
    response = invoke(stack, SAMPLES[name], event)
    assert response["statusCode"] == status, response
    headers = {header.lower(): value for header, value in response["headers"].items()}
    assert headers["request-id"]
    assert headers["content-type"].startswith("application/json")
    return json.loads(response["body"])


def with_body(event, **fields):
    """The sample with other values in fields that it has: a stack may have seen the sample's own before."""
    body = json.loads(event["body"])
    assert fields.keys() <= body.keys(), f"the sample has no {fields.keys() - body.keys()}"
    return event | {"body": json.dumps(body | fields)}


def about(event, payment):
    """The sample about another payment than its own, which no stack has."""
    return json.loads(json.dumps(event).replace("PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", payment["reference"]))


def signed_in_as(event, somebody):
    """The sample with a real token and, where it has one, an Idempotency-Key of its own."""
    headers = dict(event["headers"])
    assert headers["authorization"].startswith("Bearer ")
    headers["authorization"] = f"Bearer {somebody.token}"
    if "idempotency-key" in headers:
        headers["idempotency-key"] = secrets.token_hex(16)
    return event | {"headers": headers}


def test_there_is_one_sample_for_each_function():
    assert sorted(SAMPLES.values()) == sorted(EVERY_FUNCTION)
    assert {path.stem for path in (ROOT / "events").iterdir()} == SAMPLES.keys()


def test_signup_accepts_its_sample(stack):
    event = with_body(sample("signup"), email=unique_email(), phone=unique_phone())
    assert answer(stack, "signup", event, 201)["id"]


def test_signin_accepts_its_sample(stack, ada):
    event = with_body(sample("signin"), email=ada.email, password=PASSWORD)
    assert answer(stack, "signin", event, 200)["id"] == ada.id


def test_signout_accepts_its_sample(stack, person):
    assert answer(stack, "signout", signed_in_as(sample("signout"), person()), 200)["message"]


def test_me_accepts_its_sample(stack, ada):
    assert answer(stack, "me", signed_in_as(sample("me"), ada), 200)["id"] == ada.id


def test_send_code_and_confirm_code_accept_their_samples(stack, person):
    somebody = person()
    assert answer(stack, "send-code", signed_in_as(sample("send-code"), somebody), 202)["expiresAt"]
    (code,) = codes_to(stack, somebody.email)
    event = with_body(sample("confirm-code"), code=code)
    assert answer(stack, "confirm-code", signed_in_as(event, somebody), 200)["emailVerified"]


def test_register_accepts_its_sample(stack):
    event = with_body(sample("register"), email=unique_email(), phone=unique_phone())
    assert answer(stack, "register", event, 201)["id"]


def test_login_accepts_its_sample(stack, person):
    somebody = person(phone=unique_phone())
    event = with_body(sample("login"), phone=somebody.phone, password=PASSWORD)
    assert answer(stack, "login", event, 200)["access_token"]


def test_validate_accepts_its_sample(stack, ada):
    verdict = answer(stack, "validate", signed_in_as(sample("validate"), ada), 200)
    assert verdict["payload"]["sub"] == ada.id


def test_jwks_accepts_its_sample(stack, ada):
    response = invoke(stack, "JwksFunction", sample("jwks"))
    assert response["statusCode"] == 200, response
    kids = {key["kid"] for key in json.loads(response["body"])["keys"]}
    assert parts(ada.token)[0]["kid"] in kids


def test_refresh_accepts_its_sample(stack, person):
    event = with_body(sample("refresh"), refresh_token=person().refresh_token)
    assert answer(stack, "refresh", event, 200)["access_token"]


def test_list_sessions_accepts_its_sample(stack, ada):
    sessions = answer(stack, "list-sessions", signed_in_as(sample("list-sessions"), ada), 200)["data"]
    assert ada.session_id in {session["id"] for session in sessions}


def test_end_session_accepts_its_sample(stack, person):
    somebody = person()
    device = somebody.elsewhere()
    event = signed_in_as(sample("end-session"), somebody)
    event = json.loads(json.dumps(event).replace(event["pathParameters"]["id"], device.session_id))
    assert invoke(stack, "EndSessionFunction", event)["statusCode"] == 204
    assert not device.is_signed_in()


def test_change_password_accepts_its_sample(stack, person):
    event = with_body(signed_in_as(sample("change-password"), person()), currentPassword=PASSWORD)
    assert answer(stack, "change-password", event, 200)


def test_update_me_accepts_its_sample(stack, person):
    event = with_body(signed_in_as(sample("update-me"), person()), email=unique_email(), currentPassword=PASSWORD)
    assert answer(stack, "update-me", event, 200)["email"] == json.loads(event["body"])["email"]


def test_set_person_status_accepts_its_sample(stack, person):
    somebody = person()
    event = sample("set-person-status") | {"email": somebody.email}
    assert invoke(stack, "SetPersonStatusFunction", event)["status"] == "SUSPENDED"
    assert not somebody.is_signed_in()


def test_open_account_accepts_its_sample(stack, person):
    somebody = person()
    eventually(lambda: stack.replica(somebody.id))
    account = answer(stack, "open-account", signed_in_as(sample("open-account"), somebody), 201)
    assert account["userId"] == somebody.id


def test_list_accounts_accepts_its_sample(stack, ada, ada_wallet):
    event = signed_in_as(sample("list-accounts"), ada)
    assert ada_wallet in {account["paymentAccountId"] for account in answer(stack, "list-accounts", event, 200)}


@pytest.mark.parametrize("name", ["deposit", "withdraw"])
def test_deposit_and_withdraw_accept_their_samples(stack, ada, ada_wallet, name):
    event = with_body(signed_in_as(sample(name), ada), paymentAccountId=ada_wallet)
    assert answer(stack, name, event, 201)["status"] == "COMPLETED"


def test_send_accepts_its_sample(stack, ada, ada_wallet, bob_wallet):
    event = signed_in_as(sample("send"), ada)
    event = with_body(event, fromPaymentAccountId=ada_wallet, toPaymentAccountId=bob_wallet)
    assert answer(stack, "send", event, 201)["status"] == "COMPLETED"


def test_histories_accepts_its_sample(stack, ada):
    assert "data" in answer(stack, "histories", signed_in_as(sample("histories"), ada), 200)


def test_get_transfer_accepts_its_sample(stack, ada, ada_wallet):
    transfer = ada.deposit(ada_wallet, 1)["id"]
    event = signed_in_as(sample("get-transfer"), ada)
    event = json.loads(json.dumps(event).replace(event["pathParameters"]["id"], transfer))
    assert answer(stack, "get-transfer", event, 200)["id"] == transfer


def test_create_payment_accepts_its_sample(stack, ada, ada_wallet):
    event = with_body(signed_in_as(sample("create-payment"), ada), paymentAccountId=ada_wallet)
    assert answer(stack, "create-payment", event, 201)["status"] == "INITIATED"


def test_get_payment_accepts_its_sample(stack, ada):
    payment = ask(ada)
    event = about(signed_in_as(sample("get-payment"), ada), payment)
    assert answer(stack, "get-payment", event, 200) == payment


def test_list_payments_accepts_its_sample(stack, ada):
    assert "data" in answer(stack, "list-payments", signed_in_as(sample("list-payments"), ada), 200)


def test_update_payment_status_accepts_its_sample(stack, ada):
    event = about(signed_in_as(sample("update-payment-status"), ada), ask(ada))
    assert answer(stack, "update-payment-status", event, 200)["status"] == "PENDING"


def test_provider_webhook_accepts_its_sample(stack, ada):
    payment = ask_and_move(ada, "PENDING")
    event = about(sample("provider-webhook"), payment)
    headers = signed(event["body"].encode(), Vault(stack).read()["current"])
    event["headers"] |= {name.lower(): value for name, value in headers.items()}
    assert answer(stack, "provider-webhook", event, 200)["status"] == "SUCCESS"


def test_payment_publisher_accepts_its_sample_and_publishes_the_payment_in_it(stack, ada):
    payment = ask(ada)
    with listening(stack, stack.payment_topic_arn) as published:
        event = about(sample("payment-publisher"), payment)
        assert invoke(stack, "PaymentPublisherFunction", event) == {"batchItemFailures": []}
        assert published.of(payment["reference"], version=3)["type"] == "payment:succeeded"


def test_provider_simulator_accepts_its_sample_and_settles_the_payment_in_it(stack, ada):
    payment = ask_and_move(ada, "PENDING")
    event = about(sample("provider-simulator"), payment)
    assert invoke(stack, "ProviderSimulatorFunction", event) == {"batchItemFailures": []}
    assert read(ada, payment)["status"] == "SUCCESS"


def test_docs_accepts_its_sample(stack):
    assert answer(stack, "docs", sample("docs"), 200)["openapi"].startswith("3.1")


def test_health_accepts_its_sample(stack):
    assert answer(stack, "health", sample("health"), 200)["status"] == "ok"


def test_publisher_accepts_its_sample_and_publishes_the_person_in_it(stack):
    event = sample("publisher")
    image = event["Records"][0]["dynamodb"]["NewImage"]
    with listening(stack) as published:
        assert invoke(stack, "PublisherFunction", event) == {"batchItemFailures": []}
        message = published.of(image["id"]["S"], version=int(image["version"]["N"]))
    assert (message["type"], message["data"]["email"]) == ("user:created", image["email"]["S"])


def test_sync_accepts_its_sample_and_applies_the_person_in_it(stack):
    event = sample("sync")
    assert invoke(stack, "SyncFunction", event) == {"batchItemFailures": []}
    user = json.loads(event["Records"][0]["body"])["data"]
    assert stack.replica(user["id"])["email"] == user["email"]


def test_rotate_keys_accepts_its_sample_reports_to_cloudformation_and_mints_no_second_key(stack):
    before = stack.signing_key_items(stack.signing_keys)
    # CloudFormation too hands out a presigned URL of S3.
    s3 = stack.client("s3")
    bucket = f"custom-resource-{secrets.token_hex(8)}"
    region = s3.meta.region_name
    # S3 takes every region as a constraint but its first, which it takes only unsaid.
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **place)
    try:
        target = {"Bucket": bucket, "Key": "response"}
        event = sample("rotate-keys") | {"ResponseURL": s3.generate_presigned_url("put_object", Params=target)}
        invoke(stack, "RotateKeysFunction", event)
        response = json.loads(s3.get_object(**target)["Body"].read())
        s3.delete_object(**target)
    finally:
        s3.delete_bucket(Bucket=bucket)
    assert response["Status"] == "SUCCESS", response
    assert response["PhysicalResourceId"]
    for echoed in ("StackId", "RequestId", "LogicalResourceId"):
        assert response[echoed] == event[echoed]
    assert stack.signing_key_items(stack.signing_keys) == before
