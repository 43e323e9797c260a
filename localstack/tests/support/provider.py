"""A payment provider that sends webhooks, signed as Standard Webhooks specifies."""

import base64
import hashlib
import hmac
import json
import secrets
import time

PATH = "/api/payments/webhook/provider"
PREFIX = "whsec_"


def new_secret():
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def new_id():
    return f"msg_{secrets.token_hex(12)}"


def signature(secret, webhook_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix(PREFIX))
    tag = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(tag).decode()}"


def signed(body, *signing_secrets, webhook_id=None, later_seconds=0):
    """The headers of a webhook sent `later_seconds` from now, with one signature per secret."""
    webhook_id = webhook_id or new_id()
    timestamp = int(time.time()) + later_seconds
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, webhook_id, timestamp, body) for secret in signing_secrets),
    }


def transaction(payment, number=1):
    """The provider's id of a transaction for a payment. A transaction settles one payment."""
    return f"momo-{number}-{payment['reference']}"


def webhook_body(payment, status, **fields):
    return json.dumps({"reference": payment["reference"], "status": status} | fields).encode()


class Provider:
    """Holds a webhook secret and has no access token."""

    def __init__(self, anonymous, secret):
        self._anonymous = anonymous
        self.secret = secret

    def post(self, body, headers):
        return self._anonymous.request("POST", PATH, headers=headers, data=body)

    def try_notify(self, payment, status, webhook_id=None, **fields):
        body = webhook_body(payment, status, **fields)
        return self.post(body, signed(body, self.secret, webhook_id=webhook_id))

    def notify(self, payment, status, webhook_id=None, **fields):
        """Sends a webhook, asserts that it is accepted, and returns the payment."""
        response = self.try_notify(payment, status, webhook_id=webhook_id, **fields)
        assert response.status_code == 200, response.text
        return response.json()


class WebhookSecrets:
    """The deployment's webhook secrets in Secrets Manager, by name."""

    def __init__(self, stack):
        self._client = stack.client("secretsmanager")
        self._id = stack.resources["WebhookSecret"]

    def read(self):
        return json.loads(self._client.get_secret_value(SecretId=self._id)["SecretString"])

    def write(self, by_name):
        self._client.put_secret_value(SecretId=self._id, SecretString=json.dumps(by_name))
