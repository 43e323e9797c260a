"""Access tokens built by hand with the platform's own key, so that a test can break one property at a time."""

import base64
import hmac
import json
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# In a PKCS#8 document: an OCTET STRING of 34 bytes that wraps another of 32, the private key (RFC 8410).
ED25519_SEED_PREFIX = bytes.fromhex("04220420")


def encode(raw):
    """base64url without padding (RFC 7515)."""
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


def platform_key(stack, kid):
    """The private half of a signing key, read as an administrator."""
    item = stack.tables.keys_in(stack.tables.signing_key)[kid]
    document = base64.b64decode(item["privateKey"])
    seed = document.index(ED25519_SEED_PREFIX) + len(ED25519_SEED_PREFIX)
    return Ed25519PrivateKey.from_private_bytes(document[seed : seed + 32])


def fresh(claims):
    """Claims that were issued now and expire in five minutes."""
    now = int(time.time())
    return claims | {"iat": now, "exp": now + 300}
