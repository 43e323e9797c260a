"""Deposits, withdrawals and sends, and their rejections."""

import secrets

import pytest
from support.problems import invalid, problem

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
    """Asserts that the balances of both shared accounts are unchanged by the test."""
    before = ada.balance(ada_wallet), bob.balance(bob_wallet)
    yield
    assert (ada.balance(ada_wallet), bob.balance(bob_wallet)) == before


def test_deposit_comes_from_an_external_account(ada, ada_wallet):
    before = ada.balance(ada_wallet)
    transfer = ada.deposit(ada_wallet, 250)
    assert transfer.keys() >= TRANSFER - {"note"}
    assert (transfer["type"], transfer["amount"]) == ("DEPOSIT", 250)
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (None, ada_wallet)
    assert ada.balance(ada_wallet) == before + 250


def test_withdrawal_goes_to_an_external_account(ada, ada_wallet):
    before = ada.balance(ada_wallet)
    transfer = ada.withdraw(ada_wallet, 250)
    assert (transfer["type"], transfer["amount"]) == ("WITHDRAWAL", 250)
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (ada_wallet, None)
    assert ada.balance(ada_wallet) == before - 250


def test_send_moves_exactly_the_amount(ada, ada_wallet, bob, bob_wallet):
    before = ada.balance(ada_wallet), bob.balance(bob_wallet)
    transfer = ada.send(ada_wallet, bob_wallet, 123, note="thanks")
    assert transfer.keys() >= TRANSFER
    assert (transfer["type"], transfer["amount"], transfer["note"]) == ("SEND", 123, "thanks")
    assert (transfer["fromPaymentAccountId"], transfer["toPaymentAccountId"]) == (ada_wallet, bob_wallet)
    assert (ada.balance(ada_wallet), bob.balance(bob_wallet)) == (before[0] - 123, before[1] + 123)


def test_send_between_own_accounts_moves_money(new_user):
    user = new_user()
    wallet, savings = user.open_account(balance=100), user.open_account()
    user.send(wallet, savings, 40)
    assert (user.balance(wallet), user.balance(savings)) == (60, 40)


def test_debit_account_pays_down_to_zero(new_user, bob_wallet):
    user = new_user()
    wallet = user.open_account(balance=10)
    problem(user.try_withdraw(wallet, 11), 422, "insufficient_funds")
    problem(user.try_send(wallet, bob_wallet, 11), 422, "insufficient_funds")
    user.withdraw(wallet, 10)
    problem(user.try_withdraw(wallet, 1), 422, "insufficient_funds")
    assert user.balance(wallet) == 0


def test_transfer_is_visible_to_its_parties_only(new_user, ada, ada_wallet, bob, bob_wallet, anonymous):
    path = f"/payments/transfers/{ada.send(ada_wallet, bob_wallet, 1)['id']}"
    assert ada.get(path).json() == bob.get(path).json()
    problem(new_user().get(path), 404, "transfer_not_found")
    problem(anonymous.get(path), 401, "unauthenticated")


@pytest.mark.parametrize("transfer_id", ["0190a1b2-5c3d-4e6f-8a7b-9c0d1e2f3a4b", "no-such-transfer", "%20"])
def test_unknown_transfer_returns_404(ada, transfer_id):
    problem(ada.get(f"/payments/transfers/{transfer_id}"), 404, "transfer_not_found")


def unknown_account():
    return f"unknown-{secrets.token_hex(8)}"


@pytest.mark.usefixtures("nothing_moves")
class TestRefused:
    """Refused transfers return the documented problem and move no money."""

    def test_send_from_unknown_account_returns_404(self, new_user, bob_wallet):
        problem(new_user().try_send(unknown_account(), bob_wallet, 1), 404, "account_not_found")

    def test_transfer_on_foreign_account_returns_404(self, ada, bob, ada_wallet, bob_wallet):
        problem(bob.try_send(ada_wallet, bob_wallet, 1), 404, "account_not_found")
        problem(bob.try_withdraw(ada_wallet, 1), 404, "account_not_found")
        problem(bob.try_deposit(ada_wallet, 1), 404, "account_not_found")

    def test_send_to_same_account_is_rejected(self, ada, ada_wallet):
        problem(ada.try_send(ada_wallet, ada_wallet, 1), 422, "same_account")

    def test_send_to_unknown_account_returns_404(self, ada, ada_wallet):
        problem(ada.try_send(ada_wallet, unknown_account(), 1), 404, "account_not_found")

    def test_send_over_balance_is_rejected(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, ada.balance(ada_wallet) + 1), 422, "insufficient_funds")

    def test_credit_to_frozen_account_is_rejected(self, stack, new_user, ada, ada_wallet):
        user = new_user()
        frozen = user.open_account()
        stack.freeze(frozen)
        problem(ada.try_send(ada_wallet, frozen, 1), 422, "account_frozen")
        problem(user.try_deposit(frozen, 1), 422, "account_frozen")
        assert user.balance(frozen) == 0

    def test_debit_of_frozen_account_is_rejected(self, stack, new_user, bob_wallet):
        user = new_user()
        frozen = user.open_account(balance=10)
        stack.freeze(frozen)
        problem(user.try_send(frozen, bob_wallet, 1), 422, "account_frozen")
        problem(user.try_withdraw(frozen, 1), 422, "account_frozen")
        assert user.balance(frozen) == 10

    def test_transfer_in_other_currency_than_account_is_rejected(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, 1, currency="JPY"), 422, "currency_mismatch")
        problem(ada.try_deposit(ada_wallet, 1, currency="JPY"), 422, "currency_mismatch")
        problem(ada.try_withdraw(ada_wallet, 1, currency="JPY"), 422, "currency_mismatch")

    def test_send_in_other_currency_than_payee_is_rejected(self, new_user, ada, ada_wallet):
        yen = new_user().open_account(currency="JPY")
        problem(ada.try_send(ada_wallet, yen, 1), 422, "currency_mismatch")

    @pytest.mark.parametrize("move", ["send", "deposit", "withdraw"])
    @pytest.mark.parametrize(
        "amount",
        [
            pytest.param(0, id="zero"),
            pytest.param(-1, id="negative"),
            pytest.param(1.5, id="a float"),
            pytest.param(1.0, id="a whole float"),
            pytest.param(2**53, id="2^53"),
            pytest.param(2**64, id="beyond 64 bits"),
            pytest.param(10**400, id="beyond any float"),
            pytest.param("100", id="a string"),
            pytest.param(None, id="null"),
            pytest.param(True, id="a boolean"),
            pytest.param([1], id="a list"),
        ],
    )
    def test_invalid_amount_is_rejected(self, ada, ada_wallet, bob_wallet, move, amount):
        if move == "send":
            response = ada.try_send(ada_wallet, bob_wallet, amount)
        else:
            response = {"deposit": ada.try_deposit, "withdraw": ada.try_withdraw}[move](ada_wallet, amount)
        invalid(response, "/amount")

    def test_largest_valid_amount_is_rejected_for_funds_only(self, ada, ada_wallet, bob_wallet):
        problem(ada.try_send(ada_wallet, bob_wallet, 2**53 - 1), 422, "insufficient_funds")

    def test_deposit_over_balance_limit_is_rejected(self, ada, ada_wallet):
        problem(ada.try_deposit(ada_wallet, 2**53 - 1), 422, "headroom_exceeded")

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            pytest.param({"currency": "XYZ"}, "/currency", id="an unknown currency"),
            pytest.param({"currency": 840}, "/currency", id="a number for a currency"),
            pytest.param({"fromPaymentAccountId": None}, "/fromPaymentAccountId", id="no payer"),
            pytest.param({"toPaymentAccountId": 7}, "/toPaymentAccountId", id="a number for a payee"),
            pytest.param({"note": ["a", "b"]}, "/note", id="a list for a note"),
            pytest.param({"userId": "user"}, "/userId", id="an unknown field"),
        ],
    )
    def test_send_with_invalid_field_points_to_it(self, ada, ada_wallet, bob_wallet, change, pointer):
        body = {"fromPaymentAccountId": ada_wallet, "toPaymentAccountId": bob_wallet, "amount": 1}
        invalid(ada.post("/payments/send", body | change), pointer)

    @pytest.mark.parametrize("path", ["/payments/send", "/payments/deposit", "/payments/withdraw"])
    def test_transfer_without_token_returns_401(self, anonymous, ada_wallet, bob_wallet, path):
        body = {"fromPaymentAccountId": ada_wallet, "toPaymentAccountId": bob_wallet, "amount": 1}
        problem(anonymous.post(path, body), 401, "unauthenticated")
