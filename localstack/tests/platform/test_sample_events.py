"""Each sample in events/ is accepted by the function it is named after."""

import json
import secrets
import subprocess
import sys

import pytest
from support.codes import codes_to
from support.merchant import create_payment, create_payment_in, get_payment
from support.provider import WebhookSecrets, signed
from support.stack import AUDIT_LEDGER, OPEN_CREDIT, SET_ACCOUNT_STATUS, SET_USER_STATUS, SET_WRITE_SHARDS
from support.template import FUNCTIONS, ROOT, binary, routes_of, with_binary
from support.tokens import parts
from support.users import PASSWORD, unique_email, unique_phone
from support.waiting import wait_until

HTTP_FUNCTIONS = [function for function in FUNCTIONS if routes_of(function)]


def sample(name):
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


def answer(stack, name, event, status):
    """Invokes a function with an HTTP event, asserts the status, and returns the body."""
    response = stack.invoke(with_binary(name), event)
    assert response["statusCode"] == status, response
    headers = {header.lower(): value for header, value in response["headers"].items()}
    assert headers["request-id"]
    assert headers["content-type"].startswith("application/json")
    return json.loads(response["body"])


def with_body(event, **fields):
    """The sample with other values in fields that it has."""
    body = json.loads(event["body"])
    assert fields.keys() <= body.keys(), f"the sample has no {fields.keys() - body.keys()}"
    return event | {"body": json.dumps(body | fields)}


def with_unique_identifiers(event):
    """The sample with an e-mail address and, if it has one, a phone number that no user has."""
    phone = {"phone": unique_phone()} if "phone" in json.loads(event["body"]) else {}
    return with_body(event, email=unique_email(), **phone)


def about(event, payment):
    """The sample with the reference of an existing payment."""
    return json.loads(json.dumps(event).replace("PAY-01JZ8QK3Y5T8W2N4V6X8Z0A2C4", payment["reference"]))


def with_path_id(event, identifier):
    return json.loads(json.dumps(event).replace(event["pathParameters"]["id"], identifier))


def signed_in_as(event, user):
    """The sample with a valid token and, if it has one, an Idempotency-Key of its own."""
    headers = dict(event["headers"])
    assert headers["authorization"].startswith("Bearer ")
    headers["authorization"] = f"Bearer {user.token}"
    if "idempotency-key" in headers:
        headers["idempotency-key"] = secrets.token_hex(16)
    return event | {"headers": headers}


def test_every_function_has_one_sample_event():
    assert {path.stem for path in (ROOT / "events").iterdir()} == {binary(function) for function in FUNCTIONS}


def test_http_samples_are_as_generated():
    script = ROOT / "localstack" / "sample_events.py"
    run = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("function", HTTP_FUNCTIONS)
def test_http_function_handles_its_sample(stack, new_user, function):
    # As it stands in the file, but with a valid token: its ids and secrets exist in no stack.
    event = sample(binary(function))
    if "authorization" in event["headers"]:
        event = signed_in_as(event, new_user())
    response = stack.invoke(function, event)
    assert response["statusCode"] < 500 or response["statusCode"] == 503 and "user_not_synced" in response["body"], (
        response
    )


def test_signup_accepts_its_sample(stack):
    assert answer(stack, "signup", with_unique_identifiers(sample("signup")), 201)["id"]


def test_signin_accepts_its_sample(stack, ada):
    event = with_body(sample("signin"), email=ada.email, password=PASSWORD)
    assert answer(stack, "signin", event, 200)["id"] == ada.id


def test_signout_accepts_its_sample(stack, new_user):
    assert answer(stack, "signout", signed_in_as(sample("signout"), new_user()), 200)["message"]


def test_me_accepts_its_sample(stack, ada):
    assert answer(stack, "me", signed_in_as(sample("me"), ada), 200)["id"] == ada.id


def test_send_code_and_confirm_code_accept_their_samples(stack, new_user):
    user = new_user()
    event = with_body(signed_in_as(sample("send-code"), user), identifier="email")
    assert answer(stack, "send-code", event, 202)["expiresAt"]
    (code,) = codes_to(stack, user.email)
    event = with_body(sample("confirm-code"), identifier="email", code=code)
    assert answer(stack, "confirm-code", signed_in_as(event, user), 200)["emailVerified"]


def test_register_accepts_its_sample(stack):
    assert answer(stack, "register", with_unique_identifiers(sample("register")), 201)["id"]


def test_login_accepts_its_sample(stack, new_user):
    event = with_body(sample("login"), email=new_user().email, password=PASSWORD)
    assert answer(stack, "login", event, 200)["access_token"]


def test_validate_accepts_its_sample(stack, ada):
    claims = answer(stack, "validate", signed_in_as(sample("validate"), ada), 200)
    assert claims["payload"]["sub"] == ada.id


def test_jwks_accepts_its_sample(stack, ada):
    response = stack.invoke("JwksFunction", sample("jwks"))
    assert response["statusCode"] == 200, response
    kids = {key["kid"] for key in json.loads(response["body"])["keys"]}
    assert parts(ada.token)[0]["kid"] in kids


def test_refresh_accepts_its_sample(stack, new_user):
    event = with_body(sample("refresh"), refresh_token=new_user().refresh_token)
    assert answer(stack, "refresh", event, 200)["access_token"]


def test_list_sessions_accepts_its_sample(stack, ada):
    sessions = answer(stack, "list-sessions", signed_in_as(sample("list-sessions"), ada), 200)["data"]
    assert ada.session_id in {session["id"] for session in sessions}


def test_end_session_accepts_its_sample(stack, new_user):
    user = new_user()
    device = user.on_new_device()
    event = with_path_id(signed_in_as(sample("end-session"), user), device.session_id)
    assert stack.invoke("EndSessionFunction", event)["statusCode"] == 204
    assert not device.is_signed_in()


def test_change_password_accepts_its_sample(stack, new_user):
    event = with_body(signed_in_as(sample("change-password"), new_user()), currentPassword=PASSWORD)
    assert answer(stack, "change-password", event, 200)


def test_update_me_accepts_its_sample(stack, new_user):
    event = with_body(signed_in_as(sample("update-me"), new_user()), email=unique_email(), currentPassword=PASSWORD)
    assert answer(stack, "update-me", event, 200)["email"] == json.loads(event["body"])["email"]


def test_set_user_status_accepts_its_sample(stack, new_user):
    user = new_user()
    event = sample(binary(SET_USER_STATUS)) | {"email": user.email}
    assert stack.invoke(SET_USER_STATUS, event)["status"] == "SUSPENDED"
    assert not user.is_signed_in()


def test_open_credit_accepts_its_sample(stack, new_user):
    user = new_user()
    wait_until(lambda: stack.tables.user_replica(user.id))
    event = sample("open-credit") | {"userId": user.id}
    assert stack.invoke(OPEN_CREDIT, event)["paymentAccountId"] == event["paymentAccountId"]


def test_open_account_accepts_its_sample(stack, new_user):
    user = new_user()
    wait_until(lambda: stack.tables.user_replica(user.id))
    account = answer(stack, "open-account", signed_in_as(sample("open-account"), user), 201)
    assert account["userId"] == user.id


def test_update_account_accepts_its_sample(stack, new_user):
    user = new_user()
    event = with_path_id(signed_in_as(sample("update-account"), user), user.open_account())
    assert answer(stack, "update-account", event, 200)["intakeShards"] == json.loads(event["body"])["intakeShards"]


def test_set_write_shards_accepts_its_sample(stack, new_user):
    event = sample("set-write-shards") | {"paymentAccountId": new_user().open_account()}
    assert stack.invoke(SET_WRITE_SHARDS, event)["intakeShards"] == event["intakeShards"]


def test_set_account_status_accepts_its_sample(stack, new_user):
    event = sample("set-account-status") | {"paymentAccountId": new_user().open_account()}
    assert stack.invoke(SET_ACCOUNT_STATUS, event)["status"] == event["status"]


def test_audit_ledger_accepts_its_sample(stack, ada_wallet):
    result = stack.invoke(AUDIT_LEDGER, sample("audit-ledger"))
    assert result["status"] == "COMPLETED"
    assert result["accounts"] > 0


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
    event = with_path_id(signed_in_as(sample("get-transfer"), ada), transfer)
    assert answer(stack, "get-transfer", event, 200)["id"] == transfer


def test_create_payment_accepts_its_sample(stack, ada):
    event = signed_in_as(sample("create-payment"), ada)
    assert answer(stack, "create-payment", event, 201)["status"] == "INITIATED"


def test_get_payment_accepts_its_sample(stack, ada):
    payment = create_payment(ada)
    event = about(signed_in_as(sample("get-payment"), ada), payment)
    assert answer(stack, "get-payment", event, 200) == payment


def test_list_payments_accepts_its_sample(stack, ada):
    assert "data" in answer(stack, "list-payments", signed_in_as(sample("list-payments"), ada), 200)


def test_update_payment_status_accepts_its_sample(stack, ada):
    event = about(signed_in_as(sample("update-payment-status"), ada), create_payment(ada))
    assert answer(stack, "update-payment-status", event, 200)["status"] == "PENDING"


def test_provider_webhook_accepts_its_sample(stack, ada):
    payment = create_payment_in(ada, "PENDING")
    event = about(sample("provider-webhook"), payment)
    headers = signed(event["body"].encode(), WebhookSecrets(stack).read()["current"])
    event["headers"] |= {name.lower(): value for name, value in headers.items()}
    assert answer(stack, "provider-webhook", event, 200)["status"] == "SUCCESS"


def test_payment_publisher_publishes_its_sample_payment(stack, payment_events, ada):
    payment = create_payment(ada)
    event = about(sample("payment-publisher"), payment)
    assert stack.invoke("PaymentPublisherFunction", event) == {"batchItemFailures": []}
    assert payment_events.event(payment["reference"], version=3)["type"] == "payment:succeeded"


def test_provider_simulator_settles_its_sample_payment(stack, ada):
    payment = create_payment_in(ada, "PENDING")
    event = about(sample("provider-simulator"), payment)
    assert stack.invoke("ProviderSimulatorFunction", event) == {"batchItemFailures": []}
    assert get_payment(ada, payment)["status"] == "SUCCESS"


def test_docs_accepts_its_sample(stack):
    assert answer(stack, "docs", sample("docs"), 200)["openapi"].startswith("3.1")


def test_health_accepts_its_sample(stack):
    assert answer(stack, "health", sample("health"), 200)["status"] == "ok"


def test_publisher_publishes_its_sample_user(stack, account_events):
    event = sample("publisher")
    image = event["Records"][0]["dynamodb"]["NewImage"]
    assert stack.invoke("PublisherFunction", event) == {"batchItemFailures": []}
    message = account_events.event(image["id"]["S"], version=int(image["version"]["N"]))
    assert (message["type"], message["data"]["email"]) == ("user:created", image["email"]["S"])


def test_sync_applies_its_sample_user(stack):
    event = sample("sync")
    assert stack.invoke("SyncFunction", event) == {"batchItemFailures": []}
    user = json.loads(event["Records"][0]["body"])["data"]
    assert stack.tables.user_replica(user["id"])["email"] == user["email"]


def test_rotate_keys_answers_cloudformation_and_adds_no_key(stack):
    before = stack.tables.keys_in(stack.tables.signing_key)
    # CloudFormation also passes a presigned URL of S3.
    s3 = stack.client("s3")
    bucket = f"custom-resource-{secrets.token_hex(8)}"
    region = s3.meta.region_name
    # S3 accepts every region as a constraint except us-east-1, its default.
    constraint = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, **constraint)
    try:
        target = {"Bucket": bucket, "Key": "response"}
        event = sample("rotate-keys") | {"ResponseURL": s3.generate_presigned_url("put_object", Params=target)}
        stack.invoke("RotateKeysFunction", event)
        response = json.loads(s3.get_object(**target)["Body"].read())
        s3.delete_object(**target)
    finally:
        s3.delete_bucket(Bucket=bucket)
    assert response["Status"] == "SUCCESS", response
    assert response["PhysicalResourceId"]
    for echoed in ("StackId", "RequestId", "LogicalResourceId"):
        assert response[echoed] == event[echoed]
    assert stack.tables.keys_in(stack.tables.signing_key) == before
