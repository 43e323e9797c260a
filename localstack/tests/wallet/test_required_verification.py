"""The RequireVerified parameter: unverified users may read, but not move money."""

from contextlib import contextmanager

import pytest
from support.codes import codes_to
from support.problems import problem
from support.users import unique_phone

WRITER, READER = "SendFunction", "ListAccountsFunction"


@contextmanager
def requiring(stack, identifier):
    """Configures two functions with RequireVerified until the end of the block."""
    before = {function: stack.environment(function) for function in (WRITER, READER)}
    try:
        for function, variables in before.items():
            stack.set_environment(function, variables | {"REQUIRE_VERIFIED": identifier})
        yield
    finally:
        for function, variables in before.items():
            stack.set_environment(function, variables)


@pytest.mark.parametrize("identifier", ["email", "phone"])
def test_unverified_user_may_read_but_not_move_money(stack, new_user, identifier):
    user = new_user(phone=unique_phone())
    wallet, other = user.open_account(balance=100), user.open_account()
    with requiring(stack, identifier):
        rejection = problem(user.try_send(wallet, other, 1), 403, "verification_required")
        assert "/auth/verifications" in rejection["detail"]
        assert user.balance(wallet) == 100

        assert user.post("/auth/verifications", {"identifier": identifier}).status_code == 202
        code = codes_to(stack, getattr(user, identifier))[-1]
        response = user.post("/auth/verifications/confirm", {"identifier": identifier, "code": code})
        assert response.status_code == 200, response.text
        problem(user.try_send(wallet, other, 1), 403, "verification_required")

        user.refresh()
        user.send(wallet, other, 1)
    assert user.balance(wallet) == 99
