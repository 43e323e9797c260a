"""An operator suspends a person and lets them act again: a function invoked by name, and no endpoint."""

import json

import pytest
from eventually import eventually
from invoke import invoke
from person import PASSWORD, unique_email, unique_phone
from problems import problem

FUNCTION = "SetPersonStatusFunction"


def refused(stack, order):
    """What the operator is told of an order that is not carried out."""
    answer = stack.functions.invoke(FunctionName=stack.function(FUNCTION), Payload=json.dumps(order).encode())
    assert answer.get("FunctionError"), answer["Payload"].read()
    return json.loads(answer["Payload"].read())["errorMessage"]


@pytest.fixture
def somebody(person):
    """A person of the test's own, who has signed in."""
    return person(phone=unique_phone())


def test_whoever_is_suspended_can_do_nothing_and_comes_back_with_nothing_of_the_past(stack, somebody):
    wallet, other = somebody.open_account(balance=10), somebody.open_account()
    old = somebody.token
    wrong = problem(somebody.try_sign_in("not " + PASSWORD), 401, "invalid_credentials")

    stack.set_person_status(somebody.id, "SUSPENDED", reason="case 4711")
    problem(somebody.get("/auth/me"), 401, "unauthenticated")
    problem(somebody.try_refresh(), 401, "invalid_refresh_token")
    suspended = problem(somebody.try_sign_in(), 401, "invalid_credentials")
    differs = {"requestId"}
    assert {k: v for k, v in suspended.items() if k not in differs} == {
        k: v for k, v in wrong.items() if k not in differs
    }
    eventually(lambda: somebody.try_send(wallet, other, 1_000).status_code == 401)
    for attempt in (somebody.try_send(wallet, other, 1), somebody.try_withdraw(wallet, 1)):
        problem(attempt, 401, "unauthenticated")
    problem(somebody.try_change_password("another correct horse battery"), 401, "unauthenticated")
    problem(somebody.try_update(phone=None), 401, "unauthenticated")

    stack.set_person_status(somebody.id, "ACTIVE", reason="case 4711 is closed")
    assert not somebody.is_signed_in()
    problem(somebody.try_refresh(), 401, "invalid_refresh_token")
    somebody.sign_in()
    assert somebody.balance(wallet) == 10
    eventually(lambda: somebody.try_send(wallet, other, 10).status_code == 201)
    somebody.token = old
    problem(somebody.try_send(other, wallet, 1), 401, "unauthenticated")


def test_a_suspended_person_is_still_paid(stack, somebody, ada, ada_wallet):
    wallet = somebody.open_account()
    stack.set_person_status(somebody.id, "SUSPENDED")
    eventually(lambda: stack.replica(somebody.id)["status"] == "SUSPENDED")
    ada.send(ada_wallet, wallet, 1)


def test_saying_it_again_changes_nothing_and_says_so(stack, somebody):
    def standing(status, changed):
        return {"userId": somebody.id, "status": status, "epoch": 1, "changed": changed}

    for status in ("SUSPENDED", "ACTIVE"):
        for changed in (True, False):
            assert stack.set_person_status(somebody.id, status) == standing(status, changed)
    kinds = [record["kind"] for record in stack.audit_of(somebody.id)]
    assert kinds[-2:] == ["PERSON_SUSPENDED", "PERSON_REACTIVATED"]


@pytest.mark.parametrize("name", ["email", "phone"])
def test_a_person_can_be_named_by_what_they_sign_in_by(stack, somebody, name):
    order = {name: getattr(somebody, name), "status": "SUSPENDED"}
    assert invoke(stack, FUNCTION, order)["userId"] == somebody.id
    assert not somebody.is_signed_in()


@pytest.mark.parametrize(
    ("order", "why"),
    [
        pytest.param({"status": "SUSPENDED"}, "one of userId, email and phone", id="nobody"),
        pytest.param({"email": "a@b.example", "phone": "+33612345678", "status": "ACTIVE"}, "one of", id="two names"),
        pytest.param({"email": unique_email(), "status": "SUSPENDED"}, "no such person", id="a stranger"),
        pytest.param({"email": unique_email()}, "status", id="no status"),
        pytest.param({"email": unique_email(), "status": "DELETED"}, "ACTIVE or SUSPENDED", id="another status"),
        pytest.param({"email": unique_email(), "status": "ACTIVE", "reason": "x" * 201}, "200", id="a long reason"),
        pytest.param({"email": unique_email(), "status": "ACTIVE", "epoch": 0}, "must be an object", id="another field"),
        pytest.param(unique_email(), "must be an object", id="a text"),
        pytest.param([unique_email(), "SUSPENDED"], "must be an object", id="a list"),
        pytest.param({"email": [unique_email()], "status": "ACTIVE"}, "each a text", id="a list of addresses"),
    ],
)
def test_an_order_that_is_none_fails_and_says_why_and_names_nobody(stack, order, why):
    message = refused(stack, order)
    assert why in message
    assert "@" not in message, "it goes to the log"
