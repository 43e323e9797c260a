"""A person as a merchant, who collects payments from customers."""

from eventually import eventually

# Of this customer's payments the simulated provider never says anything (docs/simulator.md): they wait for the test.
SILENT_CUSTOMER = "+12025550105"


def wish(**change):
    """What a merchant sends to ask for a payment, with some fields changed."""
    return {
        "amount": 2_500,
        "currency": "USD",
        "paymentMethod": "MOBILE_MONEY",
        "customerPhone": SILENT_CUSTOMER,
        "customerEmail": "customer@example.com",
    } | change


def try_ask(merchant, key=None, **change):
    return merchant.post("/api/payments", wish(**change), key=key)


def ask(merchant, key=None, **change):
    """A new payment, INITIATED."""
    answer = try_ask(merchant, key=key, **change)
    assert answer.status_code == 201, answer.text
    return answer.json()


def read(merchant, payment):
    answer = merchant.get(f"/api/payments/{payment['reference']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def try_move(merchant, payment, status, **fields):
    return merchant.post(f"/api/payments/{payment['reference']}/status", {"status": status} | fields)


def move(merchant, payment, status, **fields):
    """The payment after its owner has moved it on."""
    answer = try_move(merchant, payment, status, **fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


# By which steps an owner brings a payment to each of its states.
WAYS = {
    "INITIATED": [],
    "PENDING": ["PENDING"],
    "SUCCESS": ["PENDING", "SUCCESS"],
    "FAILED": ["PENDING", "FAILED"],
}


def ask_and_move(merchant, status, **change):
    """A new payment that stands there."""
    payment = ask(merchant, **change)
    for step in WAYS[status]:
        payment = move(merchant, payment, step)
    return payment


def settled(merchant, payment):
    """The payment, once it has come to its end on the provider's word."""

    def ended():
        now = read(merchant, payment)
        return now if now["status"] in ("SUCCESS", "FAILED") else None

    return eventually(ended)


def steps(payment):
    """What a payment came to be, one after the other, and on whose word."""
    return [(step["status"], step["by"]) for step in payment["history"]]


def listed(merchant, **query):
    """Every payment of a merchant, through all pages."""
    data = []
    while True:
        answer = merchant.get("/api/payments", **query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        data += page["data"]
        if not page["nextCursor"]:
            return data
        query["cursor"] = page["nextCursor"]


def collections(merchant, account):
    """The transfers by which payments have credited an account."""
    return [line for line in merchant.histories(paymentAccountId=account) if line["type"] == "COLLECTION"]
