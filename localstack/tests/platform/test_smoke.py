"""Smoke test: two users from sign-up to a transfer that both find in their histories."""

from support.users import unique_phone
from support.waiting import wait_until


def summary(history):
    return [(line["type"], line["direction"], line["amount"]) for line in history]


def test_two_users_sign_up_and_send_money(new_user):
    ada, bob = new_user(phone=unique_phone()), new_user()
    assert ada.get("/auth/me").json()["id"] == ada.id
    wallet, till = ada.open_account(), bob.open_account()

    ada.deposit(wallet, 10_00)
    ada.send(wallet, till, 3_50, note="lunch")
    bob.withdraw(till, 1_00)

    assert ada.balance(wallet) == 6_50
    assert bob.balance(till) == 2_50
    assert wait_until(lambda: len(lines := ada.histories()) == 2 and summary(lines)) == [
        ("SEND", "OUT", 3_50),
        ("DEPOSIT", "IN", 10_00),
    ]
    assert wait_until(lambda: len(lines := bob.histories()) == 2 and summary(lines)) == [
        ("WITHDRAWAL", "OUT", 1_00),
        ("SEND", "IN", 3_50),
    ]

    (sent,) = (line for line in bob.histories() if line["type"] == "SEND")
    assert sent["note"] == "lunch"
    for user in (ada, bob):
        assert user.get(f"/payments/transfers/{sent['id']}").json()["amount"] == 3_50

    assert ada.post("/auth/signout", None).status_code == 200
    assert ada.get("/auth/me").status_code == 401
    assert bob.get("/auth/me").status_code == 200
