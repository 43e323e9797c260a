"""Money that moves, or is refused with nothing moved: deposits, withdrawals and sends."""

import secrets

import pytest
from problems import invalid, problem

TRANSFER = {
    "id",
    "type",
    "status",
    "fromPaymentAccountId",
    "toPaymentAccountId",
    "amount",
    "currency",
    "note",
    "createdAt",
}


@pytest.fixture
def nothing_moves(ada, ada_wallet, bob, bob_wallet):
    """Fails the test if, at its end, either shared account holds another amount than at its start."""
    before = ada.balance(ada_wallet), bob.balance(bob_wallet)
    yield
    assert (ada.balance(ada_wallet), bob.balance(bob_wallet)) == before


def test_a_deposit_comes_from_the_outside(ada, ada_wallet):
    before = ada.balance(ada_wallet)
    transfer = ada.deposit(ada_wallet, 250)
    assert transfer.keys() >= TRANSFER - {"note"}
    assert (transfer["type"], transfer["amount"]) == ("DEPOSIT", 250)
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (None, ada_wallet)
    assert ada.balance(ada_wallet) == before + 250


def test_a_withdrawal_goes_to_the_outside(ada, ada_wallet):
    before = ada.balance(ada_wallet)
    transfer = ada.withdraw(ada_wallet, 250)
    assert (transfer["type"], transfer["amount"]) == ("WITHDRAWAL", 250)
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (ada_wallet, None)
    assert ada.balance(ada_wallet) == before - 250


def test_a_send_moves_exactly_the_amount(ada, ada_wallet, bob, bob_wallet):
    before = ada.balance(ada_wallet), bob.balance(bob_wallet)
    transfer = ada.send(ada_wallet, bob_wallet, 123, note="thanks")
    assert transfer.keys() >= TRANSFER
    assert (transfer["type"], transfer["amount"], transfer["note"]) == ("SEND", 123, "thanks")
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (ada_wallet, bob_wallet)
    assert (ada.balance(ada_wallet), bob.balance(bob_wallet)) == (before[0] - 123, before[1] + 123)


def test_a_person_moves_money_between_accounts_of_their_own(person):
    somebody = person()
    wallet, savings = somebody.open_account(balance=100), somebody.open_account()
    somebody.send(wallet, savings, 40)
    assert (somebody.balance(wallet), somebody.balance(savings)) == (60, 40)


def test_a_debit_account_pays_to_the_last_cent_and_not_below_zero(person, bob_wallet):
    somebody = person()
    wallet = somebody.open_account(balance=10)
    problem(somebody.try_withdraw(wallet, 11), 422, "insufficient_funds")
    problem(somebody.try_send(wallet, bob_wallet, 11), 422, "insufficient_funds")
    somebody.withdraw(wallet, 10)
    problem(somebody.try_withdraw(wallet, 1), 422, "insufficient_funds")
    assert somebody.balance(wallet) == 0


def test_a_transfer_is_seen_by_both_parties_and_by_nobody_else(person, ada, ada_wallet, bob, bob_wallet, anyone):
    path = f"/payments/transfers/{ada.send(ada_wallet, bob_wallet, 1)['id']}"
    assert ada.get(path).json() == bob.get(path).json()
    problem(person().get(path), 404, "transfer_not_found")
    problem(anyone.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("transfer_id", ["0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "no-such-transfer", "%20"])
def test_a_transfer_that_does_not_exist_is_a_404(ada, transfer_id):
    problem(ada.get(f"/payments/transfers/{transfer_id}"), 404, "transfer_not_found")


def unknown_account():
    return f"nobody-{secrets.token_hex(8)}"


@pytest.mark.usefixtures("nothing_moves")
class TestRefused:
    """Each refusal is the documented problem, and moves nothing."""

    def test_a_payer_without_an_account(self, person, bob_wallet):
        problem(person().try_send(unknown_account(), bob_wallet, 1), 404, "account_not_found")

    def test_anothers_account_as_payer_is_as_if_it_did_not_exist(self, ada, bob, ada_wallet, bob_wallet):
        problem(bob.try_send(ada_wallet, bob_wallet, 1), 404, "account_not_found")
        problem(bob.try_withdraw(ada_wallet, 1), 404, "account_not_found")
        problem(bob.try_deposit(ada_wallet, 1), 404, "account_not_found")

    def test_the_same_account_on_both_sides(self, ada, ada_wallet):
        problem(ada.try_send(ada_wallet, ada_wallet, 1), 422, "same_account")

    def test_an_unknown_payee(self, ada, ada_wallet):
        problem(ada.try_send(ada_wallet, unknown_account(), 1), 404, "account_not_found")

    def test_more_than_there_is(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, ada.balance(ada_wallet) + 1), 422, "insufficient_funds")

    def test_a_frozen_payee(self, stack, person, ada, ada_wallet):
        somebody = person()
        frozen = somebody.open_account()
        stack.freeze(frozen)
        problem(ada.try_send(ada_wallet, frozen, 1), 422, "account_frozen")
        problem(somebody.try_deposit(frozen, 1), 422, "account_frozen")
        assert somebody.balance(frozen) == 0

    def test_a_frozen_payer(self, stack, person, bob_wallet):
        somebody = person()
        frozen = somebody.open_account(balance=10)
        stack.freeze(frozen)
        problem(somebody.try_send(frozen, bob_wallet, 1), 422, "account_frozen")
        problem(somebody.try_withdraw(frozen, 1), 422, "account_frozen")
        assert somebody.balance(frozen) == 10

    def test_another_currency_than_the_payers(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, 1, currency="JPY"), 422, "currency_mismatch")
        problem(ada.try_deposit(ada_wallet, 1, currency="JPY"), 422, "currency_mismatch")
        problem(ada.try_withdraw(ada_wallet, 1, currency="JPY"), 422, "currency_mismatch")

    def test_another_currency_than_the_payees(self, person, ada, ada_wallet):
        yen = person().open_account(currency="JPY")
        problem(ada.try_send(ada_wallet, yen, 1), 422, "currency_mismatch")

    @pytest.mark.parametrize("move", ["send", "deposit", "withdraw"])
    @pytest.mark.parametrize(
        "amount",
        [
            pytest.param(0, id="zero"),
            pytest.param(-1, id="negative"),
            pytest.param(1.5, id="a float"),
            pytest.param(1.0, id="a float that is whole"),
            pytest.param(2**53, id="2^53"),
            pytest.param(2**64, id="beyond 64 bits"),
            pytest.param(10**400, id="beyond any float"),
            pytest.param("100", id="a string"),
            pytest.param(None, id="null"),
            pytest.param(True, id="a boolean"),
            pytest.param([1], id="a list"),
        ],
    )
    def test_an_amount_that_is_none(self, ada, ada_wallet, bob_wallet, move, amount):
        if move == "send":
            answer = ada.try_send(ada_wallet, bob_wallet, amount)
        else:
            answer = {"deposit": ada.try_deposit, "withdraw": ada.try_withdraw}[move](ada_wallet, amount)
        invalid(answer, "/amount")

    def test_the_largest_amount_is_refused_for_want_of_money_only(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, 2**53 - 1), 422, "insufficient_funds")

    def test_a_deposit_past_the_largest_balance(self, ada, ada_wallet):
        problem(ada.try_deposit(ada_wallet, 2**53 - 1), 422, "headroom_exceeded")

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            pytest.param({"currency": "XYZ"}, "/currency", id="a currency that is none"),
            pytest.param({"currency": 840}, "/currency", id="a number for a currency"),
            pytest.param({"fromPaymentAccountId": None}, "/fromPaymentAccountId", id="no payer"),
            pytest.param({"toPaymentAccountId": 7}, "/toPaymentAccountId", id="a number for a payee"),
            pytest.param({"note": ["a", "b"]}, "/note", id="a list for a note"),
            pytest.param({"userId": "somebody"}, "/userId", id="an unknown field"),
        ],
    )
    def test_a_wrong_field_is_a_400_that_names_it(self, ada, ada_wallet, bob_wallet, change, pointer):
        body = {"fromPaymentAccountId": ada_wallet, "toPaymentAccountId": bob_wallet, "amount": 1}
        invalid(ada.post("/payments/send", body | change), pointer)

    @pytest.mark.parametrize("path", ["/payments/send", "/payments/deposit", "/payments/withdraw"])
    def test_without_a_token(self, anyone, ada_wallet, bob_wallet, path):
        body = {"fromPaymentAccountId": ada_wallet, "toPaymentAccountId": bob_wallet, "amount": 1}
        problem(anyone.post(path, body), 401, "unauthenticated")
