"""Verification of access tokens, in both contexts."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.problems import problem
from support.tokens import decode, encode, fresh, parts, platform_key, signed, signed_with_hmac, signing_input

# One protected endpoint of each context: both apply the same rules, but are configured separately.
ENDPOINTS = ["/auth/me", "/payments/accounts"]


@pytest.fixture(scope="module")
def genuine(stack, ada):
    """The header and claims of a real token, and the private key that signs them."""
    header, claims = parts(ada.token)
    kid = stack.tables.key_set()["kid"]
    return header | {"kid": kid}, fresh(claims), platform_key(stack, kid)


@pytest.fixture(params=ENDPOINTS)
def authorised_as(request, anonymous):
    """Sends an Authorization header to a protected endpoint."""
    return lambda value: anonymous.get(request.param, headers={"Authorization": value} if value else {})


def altered(mapping, changes):
    """`mapping` with `changes`; None removes a key."""
    return {name: value for name, value in (mapping | changes).items() if value is not None}


def test_handmade_token_with_platform_key_is_accepted(authorised_as, genuine):
    # Control of this module: the tokens of the other tests are valid except for what they change.
    assert authorised_as(f"Bearer {signed(*genuine)}").status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="no header"),
        pytest.param("Bearer", id="the scheme only"),
        pytest.param("Bearer garbage", id="garbage"),
        pytest.param("Bearer a.b.c", id="three parts"),
        pytest.param("Basic YWRhOnBhc3N3b3Jk", id="another scheme"),
    ],
)
def test_request_without_token_returns_401(authorised_as, value):
    problem(authorised_as(value), 401, "unauthenticated")


def test_token_with_forged_signature_returns_401(authorised_as, ada):
    signed_part, signature = ada.token.rsplit(".", 1)
    forged = bytearray(decode(signature))
    forged[0] ^= 1
    problem(authorised_as(f"Bearer {signed_part}.{encode(bytes(forged))}"), 401, "unauthenticated")


def test_token_with_altered_claims_returns_401(authorised_as, ada, bob):
    header, claims = parts(ada.token)
    signature = ada.token.rsplit(".", 1)[1]
    stolen = f"{signing_input(header, claims | {'sub': bob.id})}.{signature}"
    problem(authorised_as(f"Bearer {stolen}"), 401, "unauthenticated")


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
def test_token_with_alg_none_returns_401(authorised_as, genuine, name):
    header, claims, _key = genuine
    unsigned = signing_input(header | {"alg": name}, claims)
    problem(authorised_as(f"Bearer {unsigned}."), 401, "unauthenticated")


def test_token_with_hs256_and_public_key_returns_401(authorised_as, genuine):
    header, claims, key = genuine
    public = key.public_key().public_bytes_raw()
    for secret in (public, encode(public).encode()):
        confused = signed_with_hmac(header | {"alg": "HS256"}, claims, secret)
        problem(authorised_as(f"Bearer {confused}"), 401, "unauthenticated")


@pytest.mark.parametrize("kid", ["the platform's", "of its own"])
def test_token_signed_with_foreign_key_returns_401(authorised_as, genuine, kid):
    header, claims, _key = genuine
    if kid == "of its own":
        header = header | {"kid": "unknown"}
    other = signed(header, claims, Ed25519PrivateKey.generate())
    problem(authorised_as(f"Bearer {other}"), 401, "unauthenticated")


def test_expired_token_returns_401(authorised_as, genuine):
    header, claims, key = genuine
    an_hour_ago = int(time.time()) - 3600
    expired = signed(header, claims | {"iat": an_hour_ago - 900, "exp": an_hour_ago}, key)
    problem(authorised_as(f"Bearer {expired}"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("header_changes", "claim_changes"),
    [
        pytest.param({"typ": "JWT"}, {}, id="another typ"),
        pytest.param({"typ": None}, {}, id="no typ"),
        pytest.param({"kid": None}, {}, id="no kid"),
        pytest.param({}, {"iss": "https://elsewhere.example"}, id="another issuer"),
        pytest.param({}, {"iss": None}, id="no issuer"),
        pytest.param({}, {"aud": "another-audience"}, id="another audience"),
        pytest.param({}, {"aud": None}, id="no audience"),
        pytest.param({}, {"exp": None}, id="no expiry"),
        pytest.param({}, {"sub": None}, id="no subject"),
        pytest.param({}, {"sid": None}, id="no session"),
        pytest.param({}, {"epoch": None}, id="no epoch"),
    ],
)
def test_signed_token_with_one_invalid_property_returns_401(authorised_as, genuine, header_changes, claim_changes):
    header, claims, key = genuine
    wrong = signed(altered(header, header_changes), altered(claims, claim_changes), key)
    problem(authorised_as(f"Bearer {wrong}"), 401, "unauthenticated")
