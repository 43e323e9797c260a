"""Access tokens made by hand: with the platform's own key, so that one thing at a time can be wrong with them."""

import base64
import hmac
import json
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# In a PKCS#8 document of either version: an OCTET STRING of 34 bytes that holds one of 32, the private key (RFC 8410).
ED25519_SEED_PREFIX = bytes.fromhex("04220420")
# The key ring, in the table of the private keys.
RING = {"pk": "CURRENT_SIGNING_KEY", "sk": "CURRENT_SIGNING_KEY"}


def encode(raw):
    """base64url without padding, as JOSE has it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    """The header and the claims of a token, unverified."""
    header, claims, _signature = token.split(".")
    return json.loads(decode(header)), json.loads(decode(claims))


def signing_input(header, claims):
    return f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"


def signed(header, claims, private_key):
    message = signing_input(header, claims)
    return f"{message}.{encode(private_key.sign(message.encode()))}"


def signed_with_hmac(header, claims, secret):
    message = signing_input(header, claims)
    return f"{message}.{encode(hmac.digest(secret, message.encode(), 'sha256'))}"


def current_kid(stack):
    """The key that signs, read as an administrator. What signed before it may be gone."""
    return stack.signing_keys.get_item(Key=RING, ConsistentRead=True)["Item"]["kid"]


def platform_key(stack, kid):
    """The platform's own private key, read as an administrator."""
    (item,) = (key for key in stack.signing_key_items(stack.signing_keys) if key["sk"] == f"KEY#{kid}")
    document = base64.b64decode(item["privateKey"])
    seed = document.index(ED25519_SEED_PREFIX) + len(ED25519_SEED_PREFIX)
    return Ed25519PrivateKey.from_private_bytes(document[seed : seed + 32])


def fresh(claims):
    """Claims whose times are right now, whatever else is changed about them."""
    now = int(time.time())
    return claims | {"iat": now, "exp": now + 300}
