"""Signing keys: where each half is stored, and rotation."""

import base64

import pytest
from support import audit_log
from support.tokens import decode, parts, platform_key
from support.waiting import wait_until


def kid_of(token):
    return parts(token)[0]["kid"]


def rotate(stack, **parameters):
    """Invokes the rotation as an operator does, and returns the state of each key by id."""
    response = stack.invoke("RotateKeysFunction", parameters)
    return {key["kid"]: key["state"] for key in response["keys"]}


def only(state, states):
    """The id of the only key in a state."""
    (kid,) = (kid for kid, found in states.items() if found == state)
    return kid


def drop_cached_key(stack, function):
    """Restarts a function, which otherwise caches its signing key for five minutes."""
    stack.set_environment(function, stack.environment(function))


def published(anonymous):
    """The keys of the JWKS, by id."""
    response = anonymous.get("/.well-known/jwks.json")
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/jwk-set+json"
    assert response.headers["Cache-Control"] == "public, max-age=600"
    return {key["kid"]: key for key in response.json()["keys"]}


def verifies(stack, table, kid):
    """Whether the verifiers that read a table accept a key."""
    item = stack.tables.keys_in(table).get(kid)
    return bool(item) and item.get("status") != "RETIRED"


def test_new_deployment_has_a_key_that_tokens_name(stack, ada):
    assert kid_of(ada.token) in stack.tables.keys_in(stack.tables.signing_key)


def test_public_key_is_replicated_to_the_payment_context(stack, ada):
    kid = kid_of(ada.token)
    # It is replicated by an event, which may still be in flight on a new stack.
    public = wait_until(lambda: stack.tables.keys_in(stack.tables.payment).get(kid))
    assert decode(public["publicKey"]) == platform_key(stack, kid).public_key().public_bytes_raw()
    assert public["publicKey"] == stack.tables.keys_in(stack.tables.account)[kid]["publicKey"]


def test_private_keys_are_stored_in_no_other_table(stack):
    keys = stack.tables.keys_in(stack.tables.signing_key)
    assert keys
    private = {key["privateKey"] for key in keys.values()}
    private |= {base64.b64decode(document).hex() for document in private}
    for table in (stack.tables.account, stack.tables.payment):
        for item in stack.tables.scan(table):
            assert "privateKey" not in item
            texts = {value for value in item.values() if isinstance(value, str)}
            assert not texts & private, f"{table.name} holds a private key"


def test_jwks_contains_the_public_key(stack, anonymous, ada):
    kid = kid_of(ada.token)
    x = stack.tables.keys_in(stack.tables.account)[kid]["publicKey"]
    expected = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}
    assert published(anonymous)[kid] == expected


def test_rotate_keys_with_unknown_field_is_rejected(stack):
    with pytest.raises(AssertionError, match="unknown field"):
        rotate(stack, rotatenow=True)


def test_next_key_is_published_before_it_signs(stack, anonymous, new_user):
    user = new_user()
    wallet, other = user.open_account(balance=100), user.open_account()
    old_token = user.token

    states = rotate(stack, rotateNow=True)
    first, second = only("CURRENT", states), only("NEXT", states)
    assert first == kid_of(old_token)
    wait_until(lambda: second in published(anonymous) and verifies(stack, stack.tables.payment, second))
    # It has not been published for long enough to sign, however often the rotation is requested.
    assert only("CURRENT", rotate(stack, rotateNow=True)) == first

    stack.tables.backdate_key("next")
    states = rotate(stack, rotateNow=True)
    assert (states[first], states[second]) == ("RETIRING", "CURRENT")
    drop_cached_key(stack, "SigninFunction")
    user.sign_in()
    assert kid_of(user.token) == second
    for token in (old_token, user.token):
        user.token = token
        assert user.get("/auth/me").status_code == 200
        user.send(wallet, other, 1)
    assert {first, second} <= published(anonymous).keys()
    assert first not in stack.tables.keys_in(stack.tables.signing_key), "a private key is deleted after its use"


def test_retired_key_is_removed_from_jwks_and_both_contexts(stack, anonymous, new_user):
    # Not the key of the shared users' tokens, which other tests need.
    states = rotate(stack, rotateNow=True)
    second, third = only("CURRENT", states), only("NEXT", states)
    wait_until(lambda: verifies(stack, stack.tables.payment, third))
    stack.tables.backdate_key("next")
    assert only("CURRENT", rotate(stack, rotateNow=True)) == third
    retiring = stack.tables.key_set()["retiring"]
    assert retiring[-1]["kid"] == second
    stack.tables.backdate_key("retiring", f"[{len(retiring) - 1}]")
    assert second not in rotate(stack)
    kinds = [event["kind"] for event in audit_log.events_of_keys(stack) if event["detail"] == second]
    assert kinds == ["SIGNING_KEY_PUBLISHED", "SIGNING_KEY_PROMOTED", "SIGNING_KEY_RETIRED"]

    wait_until(lambda: second not in published(anonymous))
    wait_until(lambda: not verifies(stack, stack.tables.payment, second))
    assert not verifies(stack, stack.tables.account, second)
    # A function that has cached the retired key must not sign with it in the tests that follow.
    drop_cached_key(stack, "SigninFunction")
    user = new_user()
    assert kid_of(user.token) == third
    assert user.get("/auth/me").status_code == 200
    assert user.open_account(balance=1)
