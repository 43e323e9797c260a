"""Users of the API, with the credentials and requests of an HTTP client."""

import copy
import secrets
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie

import requests
from requests.adapters import HTTPAdapter

from support.tokens import parts
from support.waiting import wait_until

PASSWORD = "correct horse battery staple"


def http_session():
    """A connection pool without a cookie jar: a request carries exactly the credentials that the test gives it."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("http://", HTTPAdapter(pool_maxsize=64))
    session.mount("https://", HTTPAdapter(pool_maxsize=64))
    return session


def unique_email():
    return f"{secrets.token_hex(8)}@example.com"


def unique_phone():
    """A valid E.164 number: a French mobile with eight random digits."""
    return f"+336{secrets.randbelow(10**8):08}"


def set_cookies(response):
    """The Set-Cookie headers of a response: name -> Morsel."""
    cookies = {}
    for header in response.raw.headers.getlist("Set-Cookie"):
        cookies.update(SimpleCookie(header))
    return cookies


class User:
    """A user with an e-mail address, a password and, after signing in, an access token and a refresh token."""

    def __init__(self, api_url, http, email=None, phone=None, password=PASSWORD):
        self._api_url = api_url
        self._http = http
        self.email = email or unique_email()
        self.phone = phone
        self.password = password
        self.id = None
        self.token = None
        self.refresh_token = None

    def request(self, method, path, headers=None, **body_or_query):
        """Sends a request with the user's bearer token, which `headers` may override or remove (None)."""
        credentials = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self._http.request(
            method, self._api_url + path, headers={**credentials, **(headers or {})}, timeout=30, **body_or_query
        )

    def get(self, path, headers=None, **query):
        return self.request("GET", path, headers=headers, params=query)

    def post(self, path, body, key=None, headers=None):
        idempotency = {"Idempotency-Key": key} if key else {}
        return self.request("POST", path, headers={**idempotency, **(headers or {})}, json=body)

    def sign_up(self):
        body = {"email": self.email, "password": self.password} | ({"phone": self.phone} if self.phone else {})
        response = self.post("/auth/signup", body)
        assert response.status_code == 201, response.text
        self.id = response.json()["id"]

    def sign_in(self):
        response = self.post("/auth/signin", {"email": self.email, "password": self.password})
        assert response.status_code == 200, response.text
        self.token, self.refresh_token = (
            set_cookies(response)[name].value for name in ("access_token", "refresh_token")
        )
        return response

    def on_new_device(self):
        """The same user with a second session."""
        device = copy.copy(self)
        device.sign_in()
        return device

    @property
    def session_id(self):
        """The id of the session that the access token belongs to."""
        return parts(self.token)[1]["sid"]

    def is_signed_in(self):
        """Whether the account context accepts the access token."""
        status = self.get("/auth/me").status_code
        assert status in (200, 401)
        return status == 200

    def try_sign_in(self, password=None, headers=None):
        """Attempts to sign in, without any other credentials."""
        body = {"email": self.email, "password": password or self.password}
        return self.post("/auth/signin", body, headers={"Authorization": None} | (headers or {}))

    def try_refresh(self, refresh_token=None):
        """Attempts to refresh with a token in the body: the user's own by default."""
        body = {"refresh_token": refresh_token or self.refresh_token}
        return self.post("/auth/refresh", body, headers={"Authorization": None})

    def refresh(self):
        """Replaces both tokens by a refresh."""
        response = self.try_refresh()
        assert response.status_code == 200, response.text
        self.token, self.refresh_token = (response.json()[name] for name in ("access_token", "refresh_token"))
        return response

    def sessions(self):
        """The user's sessions by id, as the API lists them."""
        response = self.get("/auth/sessions")
        assert response.status_code == 200, response.text
        return {session["id"]: session for session in response.json()["data"]}

    def end_session(self, session_id):
        return self.request("DELETE", f"/auth/sessions/{session_id}")

    def sign_out(self, scope="local"):
        response = self.request("POST", "/auth/signout", params={"scope": scope})
        assert response.status_code == 200, response.text
        return response

    def try_change_password(self, new, current=None):
        body = {"currentPassword": current or self.password, "newPassword": new}
        return self.post("/auth/password", body)

    def try_update(self, **changes):
        """Attempts to change the e-mail address or the phone number, with the password."""
        return self.request("PATCH", "/auth/me", json={"currentPassword": self.password} | changes)

    def try_open_account(self, key=None, **fields):
        """Attempts to open an account. Retries until the payment context has replicated the user."""

        def synced():
            response = self.post("/payments/accounts", {"paymentAccountType": "DEBIT"} | fields, key=key)
            assert response.status_code != 503 or response.json()["code"] != "user_not_synced", response.text
            # A tuple, because a response with an error status is falsy.
            return (response,)

        (response,) = wait_until(synced)
        return response

    def open_account(self, **fields):
        """Opens an account and returns its id. It is an empty DEBIT account unless `fields` say otherwise."""
        response = self.try_open_account(**fields)
        assert response.status_code == 201, response.text
        return response.json()["paymentAccountId"]

    def try_update_account(self, account, **fields):
        return self.request("PATCH", f"/payments/accounts/{account}", json=fields)

    def accounts(self):
        """The user's accounts by id, as the API lists them."""
        response = self.get("/payments/accounts")
        assert response.status_code == 200, response.text
        return {account["paymentAccountId"]: account for account in response.json()}

    def balance(self, account):
        return self.accounts()[account]["balance"]

    def try_deposit(self, account, amount, key=None, **fields):
        body = {"paymentAccountId": account, "amount": amount} | fields
        return self.post("/payments/deposit", body, key=key)

    def try_withdraw(self, account, amount, key=None, **fields):
        body = {"paymentAccountId": account, "amount": amount} | fields
        return self.post("/payments/withdraw", body, key=key)

    def try_send(self, payer, payee, amount, key=None, **fields):
        body = {"fromPaymentAccountId": payer, "toPaymentAccountId": payee, "amount": amount} | fields
        return self.post("/payments/send", body, key=key)

    def deposit(self, account, amount, **fields):
        return completed_transfer(self.try_deposit(account, amount, **fields))

    def withdraw(self, account, amount, **fields):
        return completed_transfer(self.try_withdraw(account, amount, **fields))

    def send(self, payer, payee, amount, **fields):
        return completed_transfer(self.try_send(payer, payee, amount, **fields))

    def histories(self, **query):
        """Every transfer of the user, from all pages."""
        data = []
        while True:
            response = self.get("/payments/histories", **query)
            assert response.status_code == 200, response.text
            page = response.json()
            data += page["data"]
            if not page.get("nextCursor"):
                return data
            query["cursor"] = page["nextCursor"]


def completed_transfer(response):
    """Asserts that a response reports a completed transfer, and returns it."""
    assert response.status_code == 201, response.text
    transfer = response.json()
    assert transfer["status"] == "COMPLETED", transfer
    return transfer
