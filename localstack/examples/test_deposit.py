"""An integration test: API_URL=$(make -s url) .venv/bin/python -m pytest localstack/examples/test_deposit.py"""

import os
import uuid

import requests
from requests.adapters import HTTPAdapter, Retry

API = os.environ["API_URL"]


def test_deposit_increases_the_balance():
    api = requests.Session()
    # A new user becomes known to the payment context through an event. Until then that context responds with 503.
    api.mount(API, HTTPAdapter(max_retries=Retry(20, status_forcelist=[503], allowed_methods=None)))
    user = {"email": f"{uuid.uuid4()}@example.com", "password": "correct horse battery"}
    api.post(f"{API}/auth/signup", json=user).raise_for_status()
    token = api.post(f"{API}/api/auth/login", json=user).json()["access_token"]
    api.headers["Authorization"] = f"Bearer {token}"
    account = api.post(f"{API}/payments/accounts", json={"paymentAccountType": "DEBIT"}).json()["paymentAccountId"]
    api.post(f"{API}/payments/deposit", json={"paymentAccountId": account, "amount": 500}).raise_for_status()
    assert [found["balance"] for found in api.get(f"{API}/payments/accounts").json()] == [500]
