"""The payment context cannot apply events for a while. Afterwards it knows every change, and nothing is left over."""

import copy
import json
import uuid

from redrive import redrive
from support.outage import denied
from support.replicas import await_replicas
from support.sync_queue import (
    await_dead_letter,
    await_drained,
    dead_letters_of,
    messages_in,
    paused_sync,
    quick_redelivery,
    send,
)
from support.waiting import wait_until

# Long enough for the changes of a test to be made before the last of the five deliveries.
PATIENT_SECONDS = 10


class Changes:
    """Changes of users by every kind of event: a sign-up, an address, a status, sessions that end, one or all."""

    def __init__(self, stack, new_user):
        self._stack = stack
        self._new_user = new_user
        self.users = [new_user() for _ in range(4)]
        self._wallets = {user: user.open_account(balance=100) for user in self.users}
        # Tokens that a change revokes, each with an account from which it could move money.
        self.revoked = []

    def make(self):
        """Makes the changes. Returns the users who have signed up by them."""
        local, everywhere, renamed, suspended = self.users
        for user, scope in ((local, "local"), (everywhere, "global")):
            thief = copy.copy(user)
            user.sign_out(scope)
            self.revoked.append((thief, self._wallets[user]))
        email = f"{uuid.uuid4()}@example.com"
        assert renamed.try_update(email=email).status_code == 200
        self.revoked.append((copy.copy(suspended), self._wallets[suspended]))
        self._stack.set_user_status(suspended.id, "SUSPENDED")
        newcomers = [self._new_user() for _ in range(2)]
        self.users += newcomers
        return newcomers

    def assert_revoked_tokens_still_move_money(self):
        # Control: without it, the outage may not have taken place.
        for thief, wallet in self.revoked:
            assert thief.try_withdraw(wallet, 1).status_code == 201

    def await_arrival(self):
        """Waits until the payment context has the state of the account context, and rejects the revoked tokens."""
        await_replicas(self._stack, self.users)
        for thief, wallet in self.revoked:
            wait_until(lambda thief=thief, wallet=wallet: thief.try_withdraw(wallet, 1_000_000).status_code == 401)


def assert_nothing_is_left(stack):
    await_drained(stack)
    assert messages_in(stack, dead_letters_of(stack)) == (0, 0)


def test_changes_during_an_outage_of_sync_arrive_after_it(stack, new_user):
    changes = Changes(stack, new_user)
    with quick_redelivery(stack, PATIENT_SECONDS):
        with denied(stack, "SyncFunction", "dynamodb:*"):
            newcomers = changes.make()
            # A failed delivery waits for the next one.
            wait_until(lambda: messages_in(stack, stack.sync_queue_url)[1] > 0)
            assert not [user for user in newcomers if stack.tables.user_replica(user.id)]
            changes.assert_revoked_tokens_still_move_money()
        changes.await_arrival()
        assert_nothing_is_left(stack)


def test_redrive_delivers_what_a_long_outage_left_over(stack, account_events, new_user):
    changes = Changes(stack, new_user)
    dead_letters = dead_letters_of(stack)
    poison = f"poison {uuid.uuid4()}"
    with quick_redelivery(stack):
        with denied(stack, "SyncFunction", "dynamodb:*"):
            newcomers = changes.make()
            send(stack, poison)
            # Two sign-ups, an address, a suspension, two sign-outs, and the poison.
            wait_until(lambda: messages_in(stack, dead_letters)[0] == 7, deadline_seconds=60)
            await_drained(stack)
            undelivered = delivered_by_topic_to_dead_letters(stack, dead_letters, account_events, newcomers[0])
            assert not [user for user in newcomers if stack.tables.user_replica(user.id)]
            changes.assert_revoked_tokens_still_move_money()
        assert redrive(stack.sqs, dead_letters) == 8
        changes.await_arrival()
        wait_until(lambda: stack.tables.user_replica(undelivered["aggregateId"]))
        # What is not valid comes back, alone.
        await_dead_letter(stack, poison)
        assert_nothing_is_left(stack)


def delivered_by_topic_to_dead_letters(stack, dead_letters, account_events, user):
    """Puts an event into the dead-letter queue as SNS does, after it failed to deliver: it has no source queue."""
    event = account_events.event(user.id, version=1)
    event = event | {"aggregateId": str(uuid.uuid4())}
    event["id"] = f"{event['aggregateId']}.1"
    event["data"] = event["data"] | {"id": event["aggregateId"], "email": f"{event['aggregateId']}@example.com"}
    attributes = {"type": {"DataType": "String", "StringValue": event["type"]}}
    stack.sqs.send_message(QueueUrl=dead_letters, MessageBody=json.dumps(event), MessageAttributes=attributes)
    return event


def test_poison_on_the_topic_ends_in_the_dead_letter_queue_alone(stack, new_user):
    poison = f"poison {uuid.uuid4()}"
    with quick_redelivery(stack):
        with paused_sync(stack):
            user = new_user()
            stack.sns.publish(TopicArn=stack.account_topic_arn, Message=poison)
        later = new_user()
        for valid in (user, later):
            wait_until(lambda valid=valid: stack.tables.user_replica(valid.id))
        # The number that the alarm watches.
        wait_until(lambda: messages_in(stack, dead_letters_of(stack)) == (1, 0), deadline_seconds=60)
        await_dead_letter(stack, poison)
        assert_nothing_is_left(stack)
