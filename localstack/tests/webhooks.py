"""A provider that says by webhook what became of payments, signed as Standard Webhooks has it."""

import base64
import hashlib
import hmac
import json
import secrets
import time

PATH = "/api/payments/webhook/provider"
PREFIX = "whsec_"


def new_secret():
    """A secret that no deployment knows."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def new_id():
    return f"msg_{secrets.token_hex(12)}"


def signature(secret, webhook_id, timestamp, body):
    key = base64.b64decode(secret.removeprefix(PREFIX))
    tag = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(tag).decode()}"


def signed(body, *signers, webhook_id=None, later_seconds=0):
    """The headers of a webhook: sent now, or so much later, and signed with each of the secrets."""
    webhook_id = webhook_id or new_id()
    timestamp = int(time.time()) + later_seconds
    return {
        "Content-Type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(secret, webhook_id, timestamp, body) for secret in signers),
    }


def saying(payment, status, **fields):
    """The body of a webhook about a payment."""
    return json.dumps({"reference": payment["reference"], "status": status} | fields).encode()


class Provider:
    """Who collects the payments. It knows the deployment's secret, and has no access token."""

    def __init__(self, anyone, secret):
        self._anyone = anyone
        self.secret = secret

    def post(self, body, headers):
        return self._anyone.request("POST", PATH, headers=headers, data=body)

    def try_tell(self, payment, status, webhook_id=None, **fields):
        body = saying(payment, status, **fields)
        return self.post(body, signed(body, self.secret, webhook_id=webhook_id))

    def tell(self, payment, status, webhook_id=None, **fields):
        """The payment as it stands after a webhook that is taken in."""
        answer = self.try_tell(payment, status, webhook_id=webhook_id, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Vault:
    """The deployment's webhook secrets, by name, as an administrator sees them."""

    def __init__(self, stack):
        self._client = stack.client("secretsmanager")
        self._id = stack.resources["WebhookSecret"]

    def read(self):
        return json.loads(self._client.get_secret_value(SecretId=self._id)["SecretString"])

    def write(self, by_name):
        self._client.put_secret_value(SecretId=self._id, SecretString=json.dumps(by_name))
