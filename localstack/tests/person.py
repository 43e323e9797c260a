"""A person who uses the API over HTTP, as their client would."""

import copy
import secrets
from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie

import requests
from eventually import eventually
from requests.adapters import HTTPAdapter
from tokens import parts

PASSWORD = "correct horse battery staple"


def http_session():
    """A connection pool that keeps no cookies: a test sends exactly the credentials that it names."""
    session = requests.Session()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("http://", HTTPAdapter(pool_maxsize=64))
    session.mount("https://", HTTPAdapter(pool_maxsize=64))
    return session


def unique_email():
    return f"{secrets.token_hex(8)}@example.com"


def unique_phone():
    """A well-formed E.164 number: a French mobile, whose last eight digits are free."""
    return f"+336{secrets.randbelow(10**8):08}"


def set_cookies(answer):
    """Every Set-Cookie of an answer: name -> Morsel."""
    cookies = {}
    for header in answer.raw.headers.getlist("Set-Cookie"):
        cookies.update(SimpleCookie(header))
    return cookies


class Person:
    """Somebody with an e-mail, a password and, once signed in, an access token and a refresh token."""

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
        """One request with this person's bearer token, unless `headers` says otherwise."""
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
        answer = self.post("/auth/signup", body)
        assert answer.status_code == 201, answer.text
        self.id = answer.json()["id"]

    def sign_in(self):
        answer = self.post("/auth/signin", {"email": self.email, "password": self.password})
        assert answer.status_code == 200, answer.text
        self.token, self.refresh_token = (set_cookies(answer)[name].value for name in ("access_token", "refresh_token"))
        return answer

    def elsewhere(self):
        """The same person on another device: with a session of their own."""
        device = copy.copy(self)
        device.sign_in()
        return device

    @property
    def session_id(self):
        """The session that this person's token is of."""
        return parts(self.token)[1]["sid"]

    def is_signed_in(self):
        """Whether this person's access token still speaks for them."""
        status = self.get("/auth/me").status_code
        assert status in (200, 401)
        return status == 200

    def try_sign_in(self, password=None, headers=None):
        """An attempt without any credentials but these."""
        body = {"email": self.email, "password": password or self.password}
        return self.post("/auth/signin", body, headers={"Authorization": None} | (headers or {}))

    def try_refresh(self, refresh_token=None):
        """Presents a refresh token, the person's own unless another is named, in the way of a program."""
        body = {"refresh_token": refresh_token or self.refresh_token}
        return self.post("/auth/refresh", body, headers={"Authorization": None})

    def refresh(self):
        """Goes on with fresh tokens."""
        answer = self.try_refresh()
        assert answer.status_code == 200, answer.text
        self.token, self.refresh_token = (answer.json()[name] for name in ("access_token", "refresh_token"))
        return answer

    def sessions(self):
        """This person's list of sessions, by id."""
        answer = self.get("/auth/sessions")
        assert answer.status_code == 200, answer.text
        return {session["id"]: session for session in answer.json()["data"]}

    def end_session(self, session_id):
        return self.request("DELETE", f"/auth/sessions/{session_id}")

    def sign_out(self, scope="local"):
        answer = self.request("POST", "/auth/signout", params={"scope": scope})
        assert answer.status_code == 200, answer.text
        return answer

    def try_change_password(self, new, current=None):
        body = {"currentPassword": current or self.password, "newPassword": new}
        return self.post("/auth/password", body)

    def try_update(self, **changes):
        """Changes the e-mail or the phone, proving it by the password."""
        return self.request("PATCH", "/auth/me", json={"currentPassword": self.password} | changes)

    def try_open_account(self, key=None, **fields):
        """Opens an account, trying again for as long as the payment side has not heard of this person."""

        def answered():
            answer = self.post("/payments/accounts", {"paymentAccountType": "DEBIT"} | fields, key=key)
            assert answer.status_code != 503 or answer.json()["code"] != "user_not_synced", answer.text
            # In a tuple, because an answer that refuses counts as false.
            return (answer,)

        (answer,) = eventually(answered)
        return answer

    def open_account(self, **fields):
        """The id of a new account: DEBIT and empty, unless `fields` say otherwise."""
        answer = self.try_open_account(**fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["paymentAccountId"]

    def accounts(self):
        """This person's accounts by id, as the API shows them."""
        answer = self.get("/payments/accounts")
        assert answer.status_code == 200, answer.text
        return {account["paymentAccountId"]: account for account in answer.json()}

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
        return moved(self.try_deposit(account, amount, **fields))

    def withdraw(self, account, amount, **fields):
        return moved(self.try_withdraw(account, amount, **fields))

    def send(self, payer, payee, amount, **fields):
        return moved(self.try_send(payer, payee, amount, **fields))

    def histories(self, **query):
        """Every transfer of this person, through all pages."""
        data = []
        while True:
            answer = self.get("/payments/histories", **query)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            data += page["data"]
            if not page.get("nextCursor"):
                return data
            query["cursor"] = page["nextCursor"]


def moved(answer):
    """The transfer in an answer that moved money."""
    assert answer.status_code == 201, answer.text
    transfer = answer.json()
    assert transfer["status"] == "COMPLETED", transfer
    return transfer
