"""The whole way through the platform, for two people: from sign-up to a history that both can read."""

from eventually import eventually
from person import unique_phone


def in_order(history):
    return [(line["type"], line["direction"], line["amount"]) for line in history]


def test_two_people_sign_up_and_send_money_and_each_reads_it_in_their_history(person):
    ada, bob = person(phone=unique_phone()), person()
    assert ada.get("/auth/me").json()["id"] == ada.id
    wallet, till = ada.open_account(), bob.open_account()

    ada.deposit(wallet, 10_00)
    ada.send(wallet, till, 3_50, note="lunch")
    bob.withdraw(till, 1_00)

    assert ada.balance(wallet) == 6_50
    assert bob.balance(till) == 2_50
    assert eventually(lambda: len(lines := ada.histories()) == 2 and in_order(lines)) == [
        ("SEND", "OUT", 3_50),
        ("DEPOSIT", "IN", 10_00),
    ]
    assert eventually(lambda: len(lines := bob.histories()) == 2 and in_order(lines)) == [
        ("WITHDRAWAL", "OUT", 1_00),
        ("SEND", "IN", 3_50),
    ]

    (sent,) = (line for line in bob.histories() if line["type"] == "SEND")
    assert sent["note"] == "lunch"
    for somebody in (ada, bob):
        assert somebody.get(f"/payments/transfers/{sent['id']}").json()["amount"] == 3_50

    assert ada.post("/auth/signout", None).status_code == 200
    assert ada.get("/auth/me").status_code == 401
    assert bob.get("/auth/me").status_code == 200
