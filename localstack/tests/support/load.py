"""Many clients at once, who retry as docs/api.md says and record every response."""

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from support.ledger_invariants import assert_ledger_balances
from support.tables import ledger_transfers
from support.users import User, http_session

CLIENTS = int(os.environ.get("RESILIENCE_CLIENTS", "200"))
SECONDS = float(os.environ.get("RESILIENCE_SECONDS", "20"))
USERS = 40
LOADED_FUNCTIONS = ("SendFunction", "ListAccountsFunction", "HistoriesFunction")
CONCURRENCY = 8
BALANCE = 1_000_000
# Without Retry-After: a random part of a time that doubles with each attempt.
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5
# How long a request is retried before the test fails.
GIVE_UP_ATTEMPTS = 200
# API Gateway's own limits, without Retry-After.
THROTTLED = 429
UNAVAILABLE = 503
# What a client sees of a server that stops.
INTERRUPTIONS = (OSError, http.client.HTTPException)
NO_RESPONSE = "no response"
RESPONSE_SECONDS = 60
# The shares of the requests that are not transfers.
LISTS = 0.15
HISTORIES = 0.15


class Client:
    """One client of a user, with a connection of its own."""

    def __init__(self, number, api_url, user, own, others, tolerates_interruptions):
        self._number = number
        self._address = urlsplit(api_url).netloc
        self._headers = {"Authorization": f"Bearer {user.token}", "Content-Type": "application/json"}
        self._own = own
        self._others = others
        self._tolerates_interruptions = tolerates_interruptions
        # With a seed, so that a run can be repeated.
        self._random = random.Random(number)
        self._connection = None
        self.statuses = Counter()
        # Key -> the transfer that was acknowledged.
        self.acknowledged = {}

    def run(self, stopping):
        number = 0
        while not stopping.is_set():
            number += 1
            choice = self._random.random()
            if choice < LISTS:
                self._request("GET", "/payments/accounts")
            elif choice < LISTS + HISTORIES:
                self._request("GET", "/payments/histories?limit=10")
            else:
                self._send(f"load-{self._number}-{number}")
        self._disconnect()

    def _send(self, key):
        payer = self._random.choice(self._own)
        transfer = {
            "fromPaymentAccountId": payer,
            "toPaymentAccountId": self._random.choice([account for account in self._others if account != payer]),
            "amount": self._random.randint(1, 9),
        }
        self.acknowledged[key] = transfer | {"id": self._request("POST", "/payments/send", transfer, key)["id"]}

    def _request(self, method, path, body=None, key=None):
        """The body of the response to a request that is repeated until it succeeds."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        for attempt in range(GIVE_UP_ATTEMPTS):
            status, wait, content = self._attempt(method, path, body, headers)
            self.statuses[status] += 1
            if status in (200, 201):
                return json.loads(content)
            acceptable = status == THROTTLED or (status == UNAVAILABLE and wait is not None)
            interrupted = status == NO_RESPONSE or (isinstance(status, int) and status >= 500)
            assert acceptable or (interrupted and self._tolerates_interruptions), f"{method} {path}: {status} {content}"
            self._pause(attempt, wait)
        raise AssertionError(f"{method} {path} did not succeed in {GIVE_UP_ATTEMPTS} attempts")

    def _attempt(self, method, path, body, headers):
        """The status, Retry-After and the body of one response."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._address, timeout=RESPONSE_SECONDS)
            self._connection.request(method, path, json.dumps(body) if body else None, headers)
            response = self._connection.getresponse()
            return response.status, response.headers["Retry-After"], response.read()
        except INTERRUPTIONS as interruption:
            self._disconnect()
            return NO_RESPONSE, None, repr(interruption)

    def _pause(self, attempt, retry_after):
        if retry_after is not None:
            seconds = int(retry_after)
        else:
            seconds = self._random.uniform(0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))
        time.sleep(seconds)

    def _disconnect(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Load:
    """Clients of several users, with two accounts each.

    The functions that they use are limited to CONCURRENCY executions, since those of this machine share its cores.
    """

    def __init__(self, stack, clients, tolerates_interruptions=False):
        self._stack = stack
        for function in LOADED_FUNCTIONS:
            stack.functions.put_function_concurrency(
                FunctionName=stack.function(function), ReservedConcurrentExecutions=CONCURRENCY
            )
        with http_session() as http, ThreadPoolExecutor(4) as pool:
            users = list(pool.map(lambda _: signed_in(stack, http), range(min(USERS, clients))))
            accounts = list(pool.map(lambda user: [user.open_account(balance=BALANCE) for _ in range(2)], users))
        self._accounts = [account for own in accounts for account in own]
        self.clients = [
            Client(
                number,
                stack.api_url,
                users[number % len(users)],
                accounts[number % len(users)],
                self._accounts,
                tolerates_interruptions,
            )
            for number in range(clients)
        ]

    def acknowledged(self):
        """The number of acknowledged transfers so far."""
        return sum(len(client.acknowledged) for client in self.clients)

    @property
    def statuses(self):
        """How many responses had each status, after the run."""
        return sum((client.statuses for client in self.clients), Counter())

    def run(self, during):
        """Runs the clients while `during()` does. Each finishes the request that it has begun."""
        stopping = threading.Event()
        with ThreadPoolExecutor(len(self.clients)) as pool:
            running = [pool.submit(client.run, stopping) for client in self.clients]
            try:
                during()
            finally:
                stopping.set()
        for client in running:
            client.result()

    def assert_nothing_is_lost(self):
        """Asserts that the acknowledged transfers are stored, once, and no others; and that the books balance."""
        acknowledged = [transfer for client in self.clients for transfer in client.acknowledged.values()]
        stored = {
            transfer["id"]: {
                "id": transfer["id"],
                "fromPaymentAccountId": transfer["from"],
                "toPaymentAccountId": transfer["to"],
                "amount": transfer["amount"],
            }
            for transfer in ledger_transfers(self._stack.tables.scan(self._stack.tables.payment))
            if transfer["type"] == "SEND" and transfer["from"] in self._accounts
        }
        responses = {transfer["id"]: transfer for transfer in acknowledged}
        assert responses, "no transfer was acknowledged"
        assert len(responses) == len(acknowledged), "two keys have one transfer"
        lost = [transfer for transfer in acknowledged if stored.get(transfer["id"]) != transfer]
        assert not lost, f"acknowledged, and not stored as such: {lost}"
        unknown = stored.keys() - responses.keys()
        assert not unknown, f"stored, and not acknowledged: {unknown}"
        assert_ledger_balances(self._stack)


def signed_in(stack, http):
    user = User(stack.api_url, http)
    user.sign_up()
    user.sign_in()
    return user
