"""Signing keys: where their halves are, and how one follows the other."""

import base64

import pytest
from eventually import eventually
from invoke import invoke
from stack import scan
from tokens import RING, decode, parts, platform_key
from trail import ask

LONG_AGO = "2020-01-01T00:00:00.000Z"


def by_kid(items):
    return {item["sk"].removeprefix("KEY#"): item for item in items}


def kid_of(token):
    return parts(token)[0]["kid"]


def rotate(stack, **asked):
    """What an operator asks of the keys; the state of each after that."""
    answer = invoke(stack, "RotateKeysFunction", asked)
    return {key["kid"]: key["state"] for key in answer["keys"]}


def the(state, states):
    """The one key in this state."""
    (kid,) = (kid for kid, its_state in states.items() if its_state == state)
    return kid


def backdate(stack, attribute, index=""):
    """Lets what a key of the ring waits for have passed long ago."""
    stack.signing_keys.update_item(
        Key=RING,
        UpdateExpression=f"SET #key{index}.since = :then",
        ConditionExpression=f"attribute_exists(#key{index}.kid)",
        ExpressionAttributeNames={"#key": attribute},
        ExpressionAttributeValues={":then": LONG_AGO},
    )


def let_go_of_the_key(stack, function):
    """Starts a function anew: it may hold its key for five minutes."""
    name = stack.function(function)
    stack.functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": stack.environment(function)}
    )
    stack.functions.get_waiter("function_updated_v2").wait(FunctionName=name)


def published(anyone):
    """The keys of the JWKS, by their ids."""
    answer = anyone.get("/.well-known/jwks.json")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    return {key["kid"]: key for key in answer.json()["keys"]}


def verifies(stack, table, kid):
    """Whether a table holds the key for its verifiers."""
    item = by_kid(stack.signing_key_items(table)).get(kid)
    return bool(item) and item.get("status") != "RETIRED"


def test_a_fresh_deployment_has_a_key_and_tokens_name_it(stack, ada):
    assert kid_of(ada.token) in by_kid(stack.signing_key_items(stack.signing_keys))


def test_the_public_half_reaches_the_payment_side(stack, ada):
    kid = kid_of(ada.token)
    # By event: on a stack that was deployed a moment ago it may still be on its way.
    public = eventually(lambda: by_kid(stack.signing_key_items(stack.payments)).get(kid))
    assert decode(public["publicKey"]) == platform_key(stack, kid).public_key().public_bytes_raw()
    assert public["publicKey"] == by_kid(stack.signing_key_items(stack.accounts))[kid]["publicKey"]


def test_no_other_table_holds_a_private_half(stack):
    keys = stack.signing_key_items(stack.signing_keys)
    assert keys
    private = {key["privateKey"] for key in keys}
    private |= {base64.b64decode(document).hex() for document in private}
    for table in (stack.accounts, stack.payments):
        for item in scan(table):
            assert "privateKey" not in item
            texts = {value for value in item.values() if isinstance(value, str)}
            assert not texts & private, f"{table.name} holds a private key in {item['pk']}"


def test_the_jwks_is_the_public_half_for_whoever_verifies_by_themselves(stack, anyone, ada):
    kid = kid_of(ada.token)
    x = by_kid(stack.signing_key_items(stack.accounts))[kid]["publicKey"]
    expected = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": "EdDSA"}
    assert published(anyone)[kid] == expected


def test_a_misspelt_wish_is_refused(stack):
    with pytest.raises(AssertionError, match="unknown field"):
        rotate(stack, rotatenow=True)


def test_a_key_is_published_before_it_signs_and_the_former_one_verifies_on(stack, anyone, person):
    somebody = person()
    wallet, other = somebody.open_account(balance=100), somebody.open_account()
    old_token = somebody.token

    states = rotate(stack, rotateNow=True)
    first, second = the("CURRENT", states), the("NEXT", states)
    assert first == kid_of(old_token)
    eventually(lambda: second in published(anyone) and verifies(stack, stack.payments, second))
    # It has not been published for long enough to sign, however often that is asked.
    assert the("CURRENT", rotate(stack, rotateNow=True)) == first

    backdate(stack, "next")
    states = rotate(stack, rotateNow=True)
    assert (states[first], states[second]) == ("RETIRING", "CURRENT")
    let_go_of_the_key(stack, "SigninFunction")
    somebody.sign_in()
    assert kid_of(somebody.token) == second
    for token in (old_token, somebody.token):
        somebody.token = token
        assert somebody.get("/auth/me").status_code == 200
        somebody.send(wallet, other, 1)
    assert {first, second} <= published(anyone).keys()
    assert first not in by_kid(stack.signing_key_items(stack.signing_keys)), "what signs no more is gone"


def test_a_retired_key_leaves_the_jwks_and_both_sides(stack, anyone, person):
    # Not the key that signed the tokens of this suite's people: those must live on.
    states = rotate(stack, rotateNow=True)
    second, third = the("CURRENT", states), the("NEXT", states)
    eventually(lambda: verifies(stack, stack.payments, third))
    backdate(stack, "next")
    assert the("CURRENT", rotate(stack, rotateNow=True)) == third
    retiring = stack.signing_keys.get_item(Key=RING, ConsistentRead=True)["Item"]["retiring"]
    assert retiring[-1]["kid"] == second
    backdate(stack, "retiring", f"[{len(retiring) - 1}]")
    assert second not in rotate(stack)
    trail = ask(stack, "what happened to the signing keys", FROM="2", TO="3")
    kinds = [record["kind"] for record in trail if record["detail"] == second]
    assert kinds == ["SIGNING_KEY_PUBLISHED", "SIGNING_KEY_PROMOTED", "SIGNING_KEY_RETIRED"]

    eventually(lambda: second not in published(anyone))
    eventually(lambda: not verifies(stack, stack.payments, second))
    assert not verifies(stack, stack.accounts, second)
    # Whoever signed with it meanwhile must not go on, here or in the tests that follow.
    let_go_of_the_key(stack, "SigninFunction")
    somebody = person()
    assert kid_of(somebody.token) == third
    assert somebody.get("/auth/me").status_code == 200
    assert somebody.open_account(balance=1)
