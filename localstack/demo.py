"""`make demo`: people send money, and a merchant collects it; against the running stack, every request printed."""

import json
import random
import time
import urllib.error
import urllib.request
import uuid
from http.cookies import SimpleCookie

from console import Failure, main, say
from running import require

# A new person reaches the payment side by an event, a moment after signing up.
SYNC_SECONDS = 30
# The simulated provider takes its time, if not long.
PROVIDER_SECONDS = 30
# What is not for a terminal that others may see.
HIDDEN = ("password", "access_token", "refresh_token")


class Person:
    """Somebody with an e-mail address and, once signed in, a cookie or a bearer token."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.authority: dict[str, str] = {}
        email = f"{name.lower()}-{uuid.uuid4().hex[:8]}@example.com"
        self.credentials = {"email": email, "password": "correct horse battery"}

    def ask(self, method: str, path: str, body: dict | None = None, expect: int = 200, key: str = "") -> dict:
        """Send a request, print it and its answer, and insist on the status."""
        status, answer = self.send(method, path, body, key)
        deadline = time.monotonic() + SYNC_SECONDS
        while status == 503 and answer.get("retryable") and time.monotonic() < deadline:
            time.sleep(0.2)
            status, answer = self.send(method, path, body, key)
        say(f"\n{self.name}: {method} {path}" + (f"  Idempotency-Key: {key}" if key else ""))
        if body is not None:
            say(f"  > {shown(body)}")
        say(f"  < {status} {shown(answer)}")
        if status != expect:
            raise Failure(f"{method} {path} was to answer {expect} and answered {status}")
        return answer

    def send(self, method: str, path: str, body: dict | None, key: str) -> tuple[int, dict]:
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        for name, value in self.authority.items():
            request.add_header(name, value)
        if key:
            request.add_header("idempotency-key", key)
        try:
            answer = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refusal:
            answer = refusal
        with answer:
            for header in answer.headers.get_all("set-cookie", []):
                cookies = SimpleCookie(header)
                if "access_token" in cookies:
                    self.authority = {"cookie": f"access_token={cookies['access_token'].value}"}
            return answer.status, json.loads(answer.read() or b"{}")


def shown(value: dict | list) -> str:
    """A body as the demonstration prints it."""
    if isinstance(value, dict):
        value = value | {name: "..." for name in HIDDEN if name in value}
    return json.dumps(value)


def expect_balance(person: Person, balance: int) -> None:
    [account] = person.ask("GET", "/payments/accounts")
    if account["balance"] != balance:
        raise Failure(f"{person.name}'s balance was to be {balance} and is {account['balance']}")


def send(url: str) -> None:
    """Two people from sign-up to money sent, in a browser's way: by cookie."""
    ada, ben = Person(url, "Ada"), Person(url, "Ben")
    accounts = {}
    for person in (ada, ben):
        person.ask("POST", "/auth/signup", person.credentials, expect=201)
        person.ask("POST", "/auth/signin", person.credentials)
        person.ask("GET", "/auth/me")
        opened = person.ask("POST", "/payments/accounts", {"paymentAccountType": "DEBIT"}, expect=201)
        accounts[person] = opened["paymentAccountId"]

    ada.ask("POST", "/payments/deposit", {"paymentAccountId": accounts[ada], "amount": 10_000}, expect=201)
    payment = {
        "fromPaymentAccountId": accounts[ada],
        "toPaymentAccountId": accounts[ben],
        "amount": 2_550,
        "note": "Dinner",
    }
    key = str(uuid.uuid4())
    sent = ada.ask("POST", "/payments/send", payment, expect=201, key=key)
    again = ada.ask("POST", "/payments/send", payment, expect=201, key=key)
    if again != sent:
        raise Failure("the same request with the same key made another transfer")
    ben.ask("GET", f"/payments/transfers/{sent['id']}")
    ben.ask("POST", "/payments/withdraw", {"paymentAccountId": accounts[ben], "amount": 550}, expect=201)
    ben.ask("GET", "/payments/histories?limit=10")

    for person, balance in ((ada, 7_450), (ben, 2_000)):
        expect_balance(person, balance)
        person.ask("POST", "/auth/signout")
    say("\nAda sent Ben 25.50, once; their books agree.")


def collect(url: str) -> None:
    """A merchant collects from a customer through the simulated provider, in a program's way: by bearer token."""
    shop = Person(url, "Shop")
    shop.credentials["phone"] = f"+25078{random.randrange(10**7):07}"
    shop.ask("POST", "/api/auth/register", shop.credentials, expect=201)
    login = {"phone": shop.credentials["phone"], "password": shop.credentials["password"]}
    shop.authority = {"authorization": f"Bearer {shop.ask('POST', '/api/auth/login', login)['access_token']}"}
    shop.ask("GET", "/api/auth/validate")
    till = shop.ask("POST", "/payments/accounts", {"paymentAccountType": "DEBIT"}, expect=201)["paymentAccountId"]

    wish = {
        "amount": 4_200,
        "currency": "USD",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250 788 123 456",
        "customerEmail": "customer@example.com",
        "paymentAccountId": till,
    }
    path = f"/api/payments/{shop.ask('POST', '/api/payments', wish, expect=201, key=str(uuid.uuid4()))['reference']}"
    shop.ask("POST", f"{path}/status", {"status": "PENDING"})
    say("\n(the provider takes the payment from its queue, and calls the webhook)")
    deadline = time.monotonic() + PROVIDER_SECONDS
    while shop.send("GET", path, None, "")[1]["status"] == "PENDING" and time.monotonic() < deadline:
        time.sleep(0.2)
    if shop.ask("GET", path)["status"] != "SUCCESS":
        raise Failure("the provider was to collect the payment")
    expect_balance(shop, 4_200)
    say("\nThe shop collected 42.00; its account is credited.")


def script() -> None:
    url = require().url
    send(url)
    collect(url)


if __name__ == "__main__":
    main(script)
