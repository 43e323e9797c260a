"""GET /payments/histories: the transfers of a user, with pagination and filters."""

import pytest
from support.problems import problem
from support.waiting import wait_until


@pytest.fixture(scope="module")
def historian(new_user, ada, ada_wallet):
    """A user with seven transfers of every kind, their ids oldest first, and the two accounts of the user."""
    user = new_user()
    wallet, savings = user.open_account(), user.open_account()
    transfers = [
        user.deposit(wallet, 100),
        user.send(wallet, ada_wallet, 10),
        ada.send(ada_wallet, wallet, 20),
        user.send(wallet, savings, 30),
        user.deposit(savings, 40),
        user.withdraw(wallet, 5),
        user.deposit(wallet, 1),
    ]
    wait_until(lambda: len(user.histories()) == len(transfers))
    return user, [transfer["id"] for transfer in transfers], wallet, savings


def test_histories_return_newest_first_with_direction(historian):
    user, ids, _wallet, _savings = historian
    lines = user.histories()
    assert [line["id"] for line in lines] == ids[::-1]
    assert [line["direction"] for line in lines] == ["IN", "OUT", "IN", "SELF", "IN", "OUT", "IN"]
    assert all(line["amount"] > 0 for line in lines)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_histories_pages_hold_each_transfer_once(historian, limit):
    user, ids, _wallet, _savings = historian
    assert [line["id"] for line in user.histories(limit=limit)] == ids[::-1]


def test_histories_last_page_has_no_cursor(historian):
    user, _ids, _wallet, _savings = historian
    first = user.get("/payments/histories", limit=4).json()
    assert len(first["data"]) == 4
    last = user.get("/payments/histories", limit=4, cursor=first["nextCursor"]).json()
    assert len(last["data"]) == 3
    assert last["nextCursor"] is None


def test_histories_filter_by_account(historian):
    user, ids, _wallet, savings = historian
    lines = user.histories(paymentAccountId=savings)
    assert [line["id"] for line in lines] == [ids[4], ids[3]]
    assert all(savings in (line["fromPaymentAccountId"], line["toPaymentAccountId"]) for line in lines)


def test_histories_filter_by_time(historian):
    user, ids, _wallet, _savings = historian
    lines = user.histories()[::-1]
    second, sixth = lines[1]["createdAt"], lines[5]["createdAt"]
    from_second = [line["id"] for line in user.histories(**{"from": second})]
    assert from_second == [line["id"] for line in lines if line["createdAt"] >= second][::-1]
    before_sixth = {line["id"] for line in user.histories(to=sixth)}
    # Whether the end is included is not asserted.
    assert {line["id"] for line in lines if line["createdAt"] < sixth} <= before_sixth
    assert not {line["id"] for line in lines if line["createdAt"] > sixth} & before_sixth


def test_histories_without_transfers_are_empty(new_user):
    page = new_user().get("/payments/histories").json()
    assert (page["data"], page["nextCursor"]) == ([], None)


def test_histories_of_foreign_account_return_404(historian, bob):
    _somebody, _ids, wallet, _savings = historian
    problem(bob.get("/payments/histories", paymentAccountId=wallet), 404, "account_not_found")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"limit": 0}, id="a limit of zero"),
        pytest.param({"limit": 101}, id="a limit over 100"),
        pytest.param({"limit": "many"}, id="a limit that is not a number"),
        pytest.param({"cursor": "made-up"}, id="an invalid cursor"),
        pytest.param({"from": "yesterday"}, id="an invalid time"),
    ],
)
def test_histories_with_invalid_query_return_400(ada, query):
    problem(ada.get("/payments/histories", **query), 400, "invalid_request")
