"""GET /payments/histories: a person's transfers, newest first, page by page."""

import pytest
from eventually import eventually
from problems import problem


@pytest.fixture(scope="module")
def historian(person, ada, ada_wallet):
    """Somebody with seven transfers of every kind, the transfers' ids oldest first, and their two accounts."""
    somebody = person()
    wallet, savings = somebody.open_account(), somebody.open_account()
    transfers = [
        somebody.deposit(wallet, 100),
        somebody.send(wallet, ada_wallet, 10),
        ada.send(ada_wallet, wallet, 20),
        somebody.send(wallet, savings, 30),
        somebody.deposit(savings, 40),
        somebody.withdraw(wallet, 5),
        somebody.deposit(wallet, 1),
    ]
    eventually(lambda: len(somebody.histories()) == len(transfers))
    return somebody, [transfer["id"] for transfer in transfers], wallet, savings


def test_the_newest_transfer_comes_first_with_its_direction(historian):
    somebody, ids, _wallet, _savings = historian
    lines = somebody.histories()
    assert [line["id"] for line in lines] == ids[::-1]
    assert [line["direction"] for line in lines] == ["IN", "OUT", "IN", "SELF", "IN", "OUT", "IN"]
    assert all(line["amount"] > 0 for line in lines)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_of_any_size_hold_each_transfer_once_and_in_order(historian, limit):
    somebody, ids, _wallet, _savings = historian
    assert [line["id"] for line in somebody.histories(limit=limit)] == ids[::-1]


def test_a_page_is_no_longer_than_its_limit_and_the_last_has_no_cursor(historian):
    somebody, _ids, _wallet, _savings = historian
    first = somebody.get("/payments/histories", limit=4).json()
    assert len(first["data"]) == 4
    last = somebody.get("/payments/histories", limit=4, cursor=first["nextCursor"]).json()
    assert len(last["data"]) == 3
    assert last["nextCursor"] is None


def test_one_accounts_history_holds_only_its_own_transfers(historian):
    somebody, ids, _wallet, savings = historian
    lines = somebody.histories(paymentAccountId=savings)
    assert [line["id"] for line in lines] == [ids[4], ids[3]]
    assert all(savings in (line["fromPaymentAccountId"], line["toPaymentAccountId"]) for line in lines)


def test_a_history_can_be_cut_by_time(historian):
    somebody, ids, _wallet, _savings = historian
    lines = somebody.histories()[::-1]
    second, sixth = lines[1]["createdAt"], lines[5]["createdAt"]
    from_second = [line["id"] for line in somebody.histories(**{"from": second})]
    assert from_second == [line["id"] for line in lines if line["createdAt"] >= second][::-1]
    before_sixth = {line["id"] for line in somebody.histories(to=sixth)}
    # Whether the end itself belongs to the range is for the API to say; what lies inside and outside is not.
    assert {line["id"] for line in lines if line["createdAt"] < sixth} <= before_sixth
    assert not {line["id"] for line in lines if line["createdAt"] > sixth} & before_sixth


def test_somebody_without_transfers_has_an_empty_history(person):
    assert person().get("/payments/histories").json() == {"data": [], "nextCursor": None}


def test_anothers_account_has_no_history_to_see(historian, bob):
    _somebody, _ids, wallet, _savings = historian
    problem(bob.get("/payments/histories", paymentAccountId=wallet), 404, "account_not_found")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"limit": 0}, id="a limit of zero"),
        pytest.param({"limit": 101}, id="a limit over 100"),
        pytest.param({"limit": "many"}, id="a limit in words"),
        pytest.param({"cursor": "made-up"}, id="a cursor that was never given"),
        pytest.param({"from": "yesterday"}, id="a time in words"),
    ],
)
def test_a_query_that_cannot_be_read_is_a_400(ada, query):
    problem(ada.get("/payments/histories", **query), 400, "invalid_request")
