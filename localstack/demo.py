"""`make demo`: two people from sign-up to money sent, against the running stack, each request and answer printed."""

import json
import time
import urllib.error
import urllib.request
import uuid
from http.cookies import SimpleCookie

from console import Failure, main, say
from running import require

# A new person reaches the payment side by an event, a moment after signing up.
SYNC_SECONDS = 30


class Person:
    """Somebody with an e-mail address and, once signed in, a cookie."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.name = name
        self.cookie = ""
        self.credentials = {"email": f"{name.lower()}-{uuid.uuid4().hex[:8]}@example.com", "password": "correct horse battery"}

    def ask(self, method: str, path: str, body: dict | None = None, expect: int = 200, key: str = "") -> dict:
        """Send a request, print it and its answer, and insist on the status."""
        status, answer = self.send(method, path, body, key)
        deadline = time.monotonic() + SYNC_SECONDS
        while status == 503 and answer.get("retryable") and time.monotonic() < deadline:
            time.sleep(0.2)
            status, answer = self.send(method, path, body, key)
        say(f"\n{self.name}: {method} {path}" + (f"  Idempotency-Key: {key}" if key else ""))
        if body is not None:
            say(f"  > {json.dumps(body | ({'password': '...'} if 'password' in body else {}))}")
        say(f"  < {status} {json.dumps(answer)}")
        if status != expect:
            raise Failure(f"{method} {path} was to answer {expect} and answered {status}")
        return answer

    def send(self, method: str, path: str, body: dict | None, key: str) -> tuple[int, dict]:
        request = urllib.request.Request(self.url + path, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("content-type", "application/json")
        if self.cookie:
            request.add_header("cookie", self.cookie)
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
                    self.cookie = f"access_token={cookies['access_token'].value}"
            return answer.status, json.loads(answer.read() or b"{}")


def script() -> None:
    url = require().url
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
        [account] = person.ask("GET", "/payments/accounts")
        if account["balance"] != balance:
            raise Failure(f"{person.name}'s balance was to be {balance} and is {account['balance']}")
        person.ask("POST", "/auth/signout")
    say("\nAda sent Ben 25.50, once; their books agree.")


if __name__ == "__main__":
    main(script)
