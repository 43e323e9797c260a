"""The DynamoDB tables as an administrator sees them: the only module that knows keys and attribute names.

Tests use it to observe what the API does not show, and to shift stored times instead of waiting.
"""

import time

from boto3.dynamodb.conditions import Key

from support.times import to_rfc3339, to_seconds

# An item that no table has, and a condition that never holds: what isolation tests try to write.
PROBE_KEY = {"pk": {"S": "ISOLATION#probe"}, "sk": {"S": "ISOLATION"}}
NEVER_TRUE = {"ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(pk)"}

# The current set of signing keys, in the table of the private keys.
KEY_SET = {"pk": "CURRENT_SIGNING_KEY", "sk": "CURRENT_SIGNING_KEY"}
LONG_AGO = "2020-01-01T00:00:00.000Z"


class Tables:
    """The tables of a stack. Each is a boto3 Table."""

    def __init__(self, stack):
        self.account = stack.table("AccountTable")
        self.signing_key = stack.table("SigningKeyTable")
        self.audit = stack.table("AuditTable")
        self.payment = stack.table("PaymentTable")

    @staticmethod
    def scan(table):
        """Every item of a table, read consistently."""
        request, items = {"ConsistentRead": True}, []
        while True:
            page = table.scan(**request)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    # --- users and sessions ---

    def verify_identifiers(self, user_id):
        """Marks the e-mail address and the phone number of a user as verified."""
        self.account.update_item(
            Key={"pk": f"USER#{user_id}", "sk": "PROFILE"},
            UpdateExpression="SET emailVerified = :yes, phoneVerified = :yes",
            ExpressionAttributeValues={":yes": True},
        )

    def user(self, user_id):
        """What the account context publishes of a user."""
        key = {"pk": f"USER#{user_id}", "sk": "PROFILE"}
        return published(self.account.get_item(Key=key, ConsistentRead=True)["Item"])

    def session(self, user):
        """The item of the session that the user's access token belongs to."""
        return self.account.get_item(Key=session_key(user), ConsistentRead=True)["Item"]

    def update_session(self, user, **attributes):
        """Overwrites attributes of that item."""
        self.account.update_item(
            Key=session_key(user),
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ConditionExpression="attribute_exists(pk)",
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def backdate_rotation(self, user, seconds):
        """Sets the last rotation of the user's refresh token to `seconds` ago."""
        rotation = self.session(user)["rotation"]
        self.update_session(user, rotation=rotation | {"at": to_rfc3339(time.time() - seconds)})

    def sign_in_attempts(self, identifier):
        """The number of counted attempts for `{"email": ...}` or `{"phone": ...}`, or None."""
        item = self.account.get_item(Key=identifier_key(identifier), ConsistentRead=True)["Item"]
        return item.get("attempts")

    def set_sign_in_attempts(self, identifier, attempts, seconds_ago):
        """Overwrites the number and the time of the attempts for an identifier that has at least one."""
        self.account.update_item(
            Key=identifier_key(identifier),
            UpdateExpression="SET attempts = :attempts, lastAttemptAt = :at",
            ConditionExpression="attribute_exists(attempts)",
            ExpressionAttributeValues={":attempts": attempts, ":at": int((time.time() - seconds_ago) * 1000)},
        )

    def set_last_reauthentication(self, user_id, seconds_ago):
        """Overwrites the time of the last reauthentication attempt of a user who has made one."""
        self.account.update_item(
            Key={"pk": f"USER#{user_id}", "sk": "ATTEMPTS"},
            UpdateExpression="SET lastAttemptAt = :at",
            ConditionExpression="attribute_exists(attempts)",
            ExpressionAttributeValues={":at": int((time.time() - seconds_ago) * 1000)},
        )

    def verification(self, user, identifier):
        """The stored state of the verification codes for the user's "email" or "phone"."""
        return self.account.get_item(Key=verification_key(user, identifier), ConsistentRead=True)["Item"]

    def backdate_codes(self, user, identifier, seconds):
        """Shifts the times of the codes sent to the user, and to the address, by `seconds` into the past."""
        self.account.update_item(
            Key=verification_key(user, identifier),
            UpdateExpression="SET sentAt = :times, codeExpiresAt = codeExpiresAt - :older",
            ExpressionAttributeValues={
                ":times": shifted(self.verification(user, identifier)["sentAt"], seconds),
                ":older": seconds * 1000,
            },
        )
        address = {"pk": f"IDENTIFIER#{identifier}#{getattr(user, identifier)}", "sk": "VERIFICATION"}
        sent = self.account.get_item(Key=address, ConsistentRead=True)["Item"]["sentAt"]
        self.account.update_item(
            Key=address,
            UpdateExpression="SET sentAt = :times",
            ExpressionAttributeValues={":times": shifted(sent, seconds)},
        )

    # --- signing keys ---

    @staticmethod
    def keys_in(table):
        """The signing keys that a table holds, by key id. Each table holds its own part of a key."""
        query = {"KeyConditionExpression": Key("pk").eq("SIGNING_KEYS"), "ConsistentRead": True}
        return {item["sk"].removeprefix("KEY#"): item for item in table.query(**query)["Items"]}

    def key_set(self):
        """The state of the key set: the current, the next and the retiring keys."""
        return self.signing_key.get_item(Key=KEY_SET, ConsistentRead=True)["Item"]

    def backdate_key(self, attribute, index=""):
        """Sets the time at which a key of the set entered its state to long ago."""
        self.signing_key.update_item(
            Key=KEY_SET,
            UpdateExpression=f"SET #key{index}.since = :then",
            ConditionExpression=f"attribute_exists(#key{index}.kid)",
            ExpressionAttributeNames={"#key": attribute},
            ExpressionAttributeValues={":then": LONG_AGO},
        )

    # --- payments ---

    def user_replica(self, user_id):
        """The payment context's copy of a user, or None."""
        return self._payment_item(f"USER#{user_id}", "USER")

    def payment_account(self, payment_account_id):
        return self._payment_item(f"ACCOUNT#{payment_account_id}", "ACCOUNT")

    def webhook(self, webhook_id):
        """The record of a processed webhook, or None."""
        return self._payment_item(f"WEBHOOK#{webhook_id}", "WEBHOOK")

    def webhooks_to_reconcile(self, payment):
        """Ids and records of the webhooks that contradict a payment, as an operator queries them."""
        query = {"IndexName": "byReconciliation", "KeyConditionExpression": Key("reconciliation").eq("OPEN")}
        items = self.payment.query(**query)["Items"]
        return [
            item | {"webhookId": item["pk"].removeprefix("WEBHOOK#")}
            for item in items
            if item.get("reference") == payment["reference"]
        ]

    def move_to_shards(self, payment_account_id, amounts):
        """Moves part of an account's balance to its write shards, where concurrent credits would have put it.

        The local engines serialise transactions, so that no credit ever meets another.
        """
        key = {"pk": f"ACCOUNT#{payment_account_id}"}
        for number, amount in enumerate(amounts):
            self.payment.update_item(
                Key=key | {"sk": f"INTAKE#{number}"},
                UpdateExpression="SET received = received + :amount, headroom = headroom - :amount",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":amount": amount},
            )
        self.payment.update_item(
            Key=key | {"sk": "ACCOUNT"},
            UpdateExpression="SET balance = balance - :sum, available = available - :sum, headroom = headroom + :sum",
            ExpressionAttributeValues={":sum": sum(amounts)},
        )

    def _payment_item(self, pk, sk):
        return self.payment.get_item(Key={"pk": pk, "sk": sk}, ConsistentRead=True).get("Item")


def published(user):
    """The attributes of a user's item that its replica has too."""
    return {name: user.get(name) for name in ("id", "email", "phone", "status", "epoch", "version")}


def shifted(times, seconds):
    """The times, `seconds` earlier."""
    return [to_rfc3339(to_seconds(time) - seconds) for time in times]


def session_key(user):
    return {"pk": f"USER#{user.id}", "sk": f"SESSION#{user.session_id}"}


def verification_key(user, identifier):
    return {"pk": f"USER#{user.id}", "sk": f"VERIFICATION#{identifier}"}


def identifier_key(identifier):
    """The key of an identifier's item: `{"email": ...}` or `{"phone": ...}`."""
    ((kind, value),) = identifier.items()
    return {"pk": f"IDENTIFIER#{kind}#{value}", "sk": "IDENTIFIER"}


# --- the ledger: the items of a scan of the payment table ---


def ledger_accounts(items):
    """(account id, balance, currency) of each account, without what it has drained from its write shards."""
    for item in items:
        if item["sk"] == "ACCOUNT":
            # The balance includes drained amounts; `received` of a shard still counts them too.
            balance = item["balance"] - sum(item.get("drawn", []))
            yield item["pk"].removeprefix("ACCOUNT#"), balance, item["currency"]


def ledger_shards(items):
    """(account id, amount received, currency) of each write shard."""
    for item in items:
        if item["sk"].startswith("INTAKE#"):
            yield item["pk"].removeprefix("ACCOUNT#"), item["received"], item["currency"]


def ledger_transfers(items):
    """The transfers that moved money."""
    for item in items:
        if item["sk"] == "TRANSFER" and item["status"] == "COMPLETED":
            yield item


# --- stream records: the items by which a publisher may be invoked ---


def stream_record(pk, sk, event_name="INSERT", **attributes):
    """A record of a table's stream, as far as event filters can see it. Attributes are strings."""
    keys = {"pk": {"S": pk}, "sk": {"S": sk}}
    image = keys | {name: {"S": value} for name, value in attributes.items()}
    return {"eventName": event_name, "dynamodb": {"Keys": keys, "NewImage": image}}


# Name -> a record of the account table's stream. Those that become events, and those that never do.
ACCOUNT_EVENT_RECORDS = {
    "a new user": stream_record("USER#1", "PROFILE"),
    "a changed user": stream_record("USER#1", "PROFILE", "MODIFY"),
    "a new signing key": stream_record("SIGNING_KEYS", "KEY#1"),
    "a retired signing key": stream_record("SIGNING_KEYS", "KEY#1", "MODIFY", status="RETIRED"),
    "an ended session": stream_record("USER#1", "SESSION#1", "MODIFY", endedAt=LONG_AGO),
}
ACCOUNT_OTHER_RECORDS = {
    "a deleted user": stream_record("USER#1", "PROFILE", "REMOVE"),
    "an expired key": stream_record("SIGNING_KEYS", "KEY#1", "REMOVE"),
    "a new session": stream_record("USER#1", "SESSION#1"),
    "a refreshed session": stream_record("USER#1", "SESSION#1", "MODIFY"),
    "an expired session": stream_record("USER#1", "SESSION#1", "REMOVE", endedAt=LONG_AGO),
    "a session that is inserted as ended": stream_record("USER#1", "SESSION#1", endedAt=LONG_AGO),
    "a counted attempt": stream_record("IDENTIFIER#email#ada@example.com", "IDENTIFIER", "MODIFY"),
    "a reauthentication": stream_record("USER#1", "ATTEMPTS"),
    "a verification code": stream_record("USER#1", "VERIFICATION#email"),
    "a code sent to an address": stream_record("IDENTIFIER#email#ada@example.com", "VERIFICATION"),
}
# The same for the payment table.
PAYMENT_EVENT_RECORDS = {
    **{
        f"a payment that is {status} by {event_name}": stream_record("PAYMENT#1", "PAYMENT", event_name, status=status)
        for status in ("PENDING", "SUCCESS", "FAILED")
        for event_name in ("INSERT", "MODIFY")
    },
    "a completed transfer": stream_record("TRANSFER#1", "TRANSFER", status="COMPLETED"),
}
PAYMENT_OTHER_RECORDS = {
    "a new payment": stream_record("PAYMENT#1", "PAYMENT", status="INITIATED"),
    "a deleted payment": stream_record("PAYMENT#1", "PAYMENT", "REMOVE", status="SUCCESS"),
    "a failed transfer": stream_record("TRANSFER#1", "TRANSFER", status="FAILED"),
    "a changed transfer": stream_record("TRANSFER#1", "TRANSFER", "MODIFY", status="COMPLETED"),
    "an expired transfer": stream_record("TRANSFER#1", "TRANSFER", "REMOVE", status="COMPLETED"),
    "a balance": stream_record("ACCOUNT#1", "ACCOUNT", "MODIFY", status="ACTIVE"),
    "a write shard": stream_record("ACCOUNT#1", "INTAKE#0", "MODIFY", status="ACTIVE"),
    "a replicated user": stream_record("USER#1", "USER", status="ACTIVE"),
    "a webhook": stream_record("WEBHOOK#1", "WEBHOOK", status="SUCCESS"),
    "an operator's command": stream_record("COMMANDS#1", f"{LONG_AGO}#1"),
    "a public key": stream_record("SIGNING_KEYS", "KEY#1"),
}
