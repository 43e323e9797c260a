"""A merchant's requests: payments that are collected from customers."""

from support.waiting import wait_until

# The simulated provider never reports on payments of this customer (docs/simulator.md): they stay PENDING.
SILENT_CUSTOMER = "+12025550105"


def valid_body(**changes):
    """The body of a valid POST /api/payments, with `changes`."""
    return {
        "amount": 2_500,
        "currency": "USD",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": SILENT_CUSTOMER,
        "customerEmail": "customer@example.com",
    } | changes


def try_create_payment(merchant, key=None, **changes):
    return merchant.post("/api/payments", valid_body(**changes), key=key)


def create_payment(merchant, key=None, **changes):
    """Creates a payment, which is INITIATED."""
    response = try_create_payment(merchant, key=key, **changes)
    assert response.status_code == 201, response.text
    return response.json()


def get_payment(merchant, payment):
    response = merchant.get(f"/api/payments/{payment['reference']}")
    assert response.status_code == 200, response.text
    return response.json()


def try_set_status(merchant, payment, status, **fields):
    return merchant.post(f"/api/payments/{payment['reference']}/status", {"status": status} | fields)


def set_status(merchant, payment, status, **fields):
    """Moves a payment to a status as its owner, and returns it."""
    response = try_set_status(merchant, payment, status, **fields)
    assert response.status_code == 200, response.text
    return response.json()


# Status -> the owner's transitions that lead to it.
TRANSITIONS_TO = {
    "INITIATED": [],
    "PENDING": ["PENDING"],
    "SUCCESS": ["PENDING", "SUCCESS"],
    "FAILED": ["PENDING", "FAILED"],
}


def create_payment_in(merchant, status, **changes):
    """Creates a payment and moves it to a status."""
    payment = create_payment(merchant, **changes)
    for transition in TRANSITIONS_TO[status]:
        payment = set_status(merchant, payment, transition)
    return payment


def await_settlement(merchant, payment):
    """Waits until the provider has settled a payment, and returns it."""

    def settled():
        current = get_payment(merchant, payment)
        return current if current["status"] in ("SUCCESS", "FAILED") else None

    return wait_until(settled)


def status_history(payment):
    """The (status, actor) pairs of a payment, oldest first."""
    return [(step["status"], step["by"]) for step in payment["history"]]


def list_payments(merchant, **query):
    """Every payment of a merchant, from all pages."""
    data = []
    while True:
        response = merchant.get("/api/payments", **query)
        assert response.status_code == 200, response.text
        page = response.json()
        data += page["data"]
        if not page["nextCursor"]:
            return data
        query["cursor"] = page["nextCursor"]


def collections(merchant, account):
    """The transfers by which payments have credited an account."""
    return [line for line in merchant.histories(paymentAccountId=account) if line["type"] == "COLLECTION"]
