"""A deployment may want an identifier verified before its people do more than look at their money."""

from contextlib import contextmanager

import pytest
from codes import codes_to
from person import unique_phone
from problems import problem

WRITES, READS = "SendFunction", "ListAccountsFunction"


def configure(stack, function, variables):
    name = stack.function(function)
    stack.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    stack.functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


@contextmanager
def requiring(stack, identifier):
    """Two functions as a deployment with another RequireVerified has them, until the end of the block."""
    before = {function: stack.environment(function) for function in (WRITES, READS)}
    try:
        for function, variables in before.items():
            configure(stack, function, variables | {"REQUIRE_VERIFIED": identifier})
        yield
    finally:
        for function, variables in before.items():
            configure(stack, function, variables)


@pytest.mark.parametrize("identifier", ["email", "phone"])
def test_who_is_not_verified_looks_and_moves_nothing_until_a_token_says_they_are(stack, person, identifier):
    somebody = person(phone=unique_phone())
    wallet, other = somebody.open_account(balance=100), somebody.open_account()
    with requiring(stack, identifier):
        refusal = problem(somebody.try_send(wallet, other, 1), 403, "verification_required")
        assert "/auth/verifications" in refusal["detail"]
        assert somebody.balance(wallet) == 100

        assert somebody.post("/auth/verifications", {"identifier": identifier}).status_code == 202
        code = codes_to(stack, getattr(somebody, identifier))[-1]
        answer = somebody.post("/auth/verifications/confirm", {"identifier": identifier, "code": code})
        assert answer.status_code == 200, answer.text
        problem(somebody.try_send(wallet, other, 1), 403, "verification_required")

        somebody.refresh()
        somebody.send(wallet, other, 1)
    assert somebody.balance(wallet) == 99
