"""`make demo`: two users and a merchant move money on the running stack. Prints each request and response."""

import json
import random
import time
import urllib.error
import urllib.request
import uuid
from http.cookies import SimpleCookie

from console import Failure, echo, main
from pidfile import require

# A new user is replicated to the payment context by an event, shortly after signing up.
SYNC_SECONDS = 30
# The simulated provider settles a payment with a delay.
PROVIDER_SECONDS = 30
# Fields that are not printed.
HIDDEN = ("password", "access_token", "refresh_token")


class User:
    """A user with an e-mail address and, after signing in, a cookie or a bearer token."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.credential_headers: dict[str, str] = {}
        email = f"{name.lower()}-{uuid.uuid4().hex[:8]}@example.com"
        self.credentials = {"email": email, "password": "correct horse battery"}

    def request(self, method: str, path: str, body: dict | None = None, expect: int = 200, key: str = "") -> dict:
        """Send a request, print it and check the status. Retries until the user is replicated."""
        status, response = self.send(method, path, body, key)
        deadline = time.monotonic() + SYNC_SECONDS
        while status == 503 and response.get("retryable") and time.monotonic() < deadline:
            time.sleep(0.2)
            status, response = self.send(method, path, body, key)
        echo(f"\n{self.name}: {method} {path}" + (f"  Idempotency-Key: {key}" if key else ""))
        if body is not None:
            echo(f"  > {printable(body)}")
        echo(f"  < {status} {printable(response)}")
        if status != expect:
            raise Failure(f"{method} {path} should have returned {expect} and returned {status}")
        return response

    def send(self, method: str, path: str, body: dict | None, key: str) -> tuple[int, dict]:
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        for name, value in self.credential_headers.items():
            request.add_header(name, value)
        if key:
            request.add_header("idempotency-key", key)
        try:
            response = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            for header in response.headers.get_all("set-cookie", []):
                cookies = SimpleCookie(header)
                if "access_token" in cookies:
                    self.credential_headers = {"cookie": f"access_token={cookies['access_token'].value}"}
            return response.status, json.loads(response.read() or b"{}")


def printable(value: dict | list) -> str:
    """A body as JSON, without secrets."""
    if isinstance(value, dict):
        value = value | {name: "..." for name in HIDDEN if name in value}
    return json.dumps(value)


def expect_balance(user: User, balance: int) -> None:
    [account] = user.request("GET", "/payments/accounts")
    if account["balance"] != balance:
        raise Failure(f"{user.name}'s balance should be {balance} and is {account['balance']}")


def send(url: str) -> None:
    """Two users from sign-up to a transfer, with cookies as in a browser."""
    ada, ben = User(url, "Ada"), User(url, "Ben")
    accounts = {}
    for user in (ada, ben):
        user.request("POST", "/auth/signup", user.credentials, expect=201)
        user.request("POST", "/auth/signin", user.credentials)
        user.request("GET", "/auth/me")
        opened = user.request("POST", "/payments/accounts", {"paymentAccountType": "DEBIT"}, expect=201)
        accounts[user] = opened["paymentAccountId"]

    ada.request("POST", "/payments/deposit", {"paymentAccountId": accounts[ada], "amount": 10_000}, expect=201)
    payment = {
        "fromPaymentAccountId": accounts[ada],
        "toPaymentAccountId": accounts[ben],
        "amount": 2_550,
        "note": "Dinner",
    }
    key = str(uuid.uuid4())
    sent = ada.request("POST", "/payments/send", payment, expect=201, key=key)
    replay = ada.request("POST", "/payments/send", payment, expect=201, key=key)
    if replay != sent:
        raise Failure("a repeated request with the same key posted another transfer")
    ben.request("GET", f"/payments/transfers/{sent['id']}")
    ben.request("POST", "/payments/withdraw", {"paymentAccountId": accounts[ben], "amount": 550}, expect=201)
    ben.request("GET", "/payments/histories?limit=10")

    for user, balance in ((ada, 7_450), (ben, 2_000)):
        expect_balance(user, balance)
        user.request("POST", "/auth/signout")
    echo("\nAda sent Ben 25.50, once; both balances are correct.")


def collect(url: str) -> None:
    """A merchant collects a payment through the simulated provider, with a bearer token."""
    shop = User(url, "Shop")
    shop.credentials["phone"] = f"+25078{random.randrange(10**7):07}"
    shop.request("POST", "/api/auth/register", shop.credentials, expect=201)
    login = {"phone": shop.credentials["phone"], "password": shop.credentials["password"]}
    shop.credential_headers = {
        "authorization": f"Bearer {shop.request('POST', '/api/auth/login', login)['access_token']}"
    }
    shop.request("GET", "/api/auth/validate")
    till = shop.request("POST", "/payments/accounts", {"paymentAccountType": "DEBIT"}, expect=201)["paymentAccountId"]

    body = {
        "amount": 4_200,
        "currency": "USD",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": "+250 788 123 456",
        "customerEmail": "customer@example.com",
        "paymentAccountId": till,
    }
    path = (
        f"/api/payments/{shop.request('POST', '/api/payments', body, expect=201, key=str(uuid.uuid4()))['reference']}"
    )
    shop.request("POST", f"{path}/status", {"status": "PENDING"})
    echo("\n(the provider reads the payment from its queue and calls the webhook)")
    deadline = time.monotonic() + PROVIDER_SECONDS
    while shop.send("GET", path, None, "")[1]["status"] == "PENDING" and time.monotonic() < deadline:
        time.sleep(0.2)
    if shop.request("GET", path)["status"] != "SUCCESS":
        raise Failure("the provider has not settled the payment")
    expect_balance(shop, 4_200)
    echo("\nThe shop collected 42.00; its account is credited.")


def script() -> None:
    url = require().cloud.api_url
    send(url)
    collect(url)


if __name__ == "__main__":
    main(script)
