"""Suspension and reactivation of users by an operator, who invokes a function."""

import pytest
from support import audit_log
from support.problems import problem
from support.stack import SET_USER_STATUS
from support.users import PASSWORD, unique_email, unique_phone
from support.waiting import wait_until


@pytest.fixture
def user(new_user):
    """A user that only this test uses."""
    return new_user(phone=unique_phone())


def test_suspended_user_has_no_access_until_reactivated(stack, user):
    wallet, other = user.open_account(balance=10), user.open_account()
    old = user.token
    wrong = problem(user.try_sign_in("not " + PASSWORD), 401, "invalid_credentials")

    stack.set_user_status(user.id, "SUSPENDED", reason="case 4711")
    problem(user.get("/auth/me"), 401, "unauthenticated")
    problem(user.try_refresh(), 401, "invalid_refresh_token")
    suspended = problem(user.try_sign_in(), 401, "invalid_credentials")
    differs = {"requestId"}
    assert {k: v for k, v in suspended.items() if k not in differs} == {
        k: v for k, v in wrong.items() if k not in differs
    }
    wait_until(lambda: user.try_send(wallet, other, 1_000).status_code == 401)
    for attempt in (user.try_send(wallet, other, 1), user.try_withdraw(wallet, 1)):
        problem(attempt, 401, "unauthenticated")
    problem(user.try_change_password("another correct horse battery"), 401, "unauthenticated")
    problem(user.try_update(phone=None), 401, "unauthenticated")

    stack.set_user_status(user.id, "ACTIVE", reason="case 4711 is closed")
    assert not user.is_signed_in()
    problem(user.try_refresh(), 401, "invalid_refresh_token")
    user.sign_in()
    # The payment context may still have the suspension.
    wait_until(lambda: user.get("/payments/accounts").status_code == 200)
    assert user.balance(wallet) == 10
    wait_until(lambda: user.try_send(wallet, other, 10).status_code == 201)
    user.token = old
    problem(user.try_send(other, wallet, 1), 401, "unauthenticated")


def test_suspended_user_still_receives_money(stack, user, ada, ada_wallet):
    wallet = user.open_account()
    stack.set_user_status(user.id, "SUSPENDED")
    wait_until(lambda: stack.tables.user_replica(user.id)["status"] == "SUSPENDED")
    ada.send(ada_wallet, wallet, 1)


def test_set_user_status_repeated_reports_no_change(stack, user):
    def result(status, changed):
        return {"userId": user.id, "status": status, "epoch": 1, "changed": changed}

    for status in ("SUSPENDED", "ACTIVE"):
        for changed in (True, False):
            assert stack.set_user_status(user.id, status) == result(status, changed)
    kinds = [record["kind"] for record in audit_log.events_of(stack, user.id)]
    assert kinds[-2:] == ["PERSON_SUSPENDED", "PERSON_REACTIVATED"]


@pytest.mark.parametrize("name", ["email", "phone"])
def test_set_user_status_accepts_email_and_phone(stack, user, name):
    request = {name: getattr(user, name), "status": "SUSPENDED"}
    assert stack.invoke(SET_USER_STATUS, request)["userId"] == user.id
    assert not user.is_signed_in()


@pytest.mark.parametrize(
    ("event", "message"),
    [
        pytest.param({"status": "SUSPENDED"}, "one of userId, email and phone", id="no identifier"),
        pytest.param(
            {"email": "a@b.example", "phone": "+33612345678", "status": "ACTIVE"}, "one of", id="two identifiers"
        ),
        pytest.param({"email": unique_email(), "status": "SUSPENDED"}, "no such", id="an unknown user"),
        pytest.param({"email": unique_email()}, "status", id="no status"),
        pytest.param({"email": unique_email(), "status": "DELETED"}, "ACTIVE or SUSPENDED", id="an unknown status"),
        pytest.param({"email": unique_email(), "status": "ACTIVE", "reason": "x" * 201}, "200", id="a long reason"),
        pytest.param(
            {"email": unique_email(), "status": "ACTIVE", "epoch": 0}, "must be an object", id="an unknown field"
        ),
        pytest.param(unique_email(), "must be an object", id="a string"),
        pytest.param([unique_email(), "SUSPENDED"], "must be an object", id="a list"),
        pytest.param({"email": [unique_email()], "status": "ACTIVE"}, "must be an object", id="a list of addresses"),
    ],
)
def test_set_user_status_with_invalid_request_fails(stack, event, message):
    error = stack.invoke_for_error(SET_USER_STATUS, event)
    assert message in error
    assert "@" not in error, "it is logged"
