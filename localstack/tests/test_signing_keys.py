"""Where the halves of a signing key are: the private one in a table of its own, the public one where it is needed."""

import base64

from eventually import eventually
from stack import scan
from tokens import decode, parts, platform_key


def by_kid(items):
    return {item["sk"].removeprefix("KEY#"): item for item in items}


def test_a_fresh_deployment_has_a_key_and_tokens_name_it(stack, ada):
    header, _claims = parts(ada.token)
    assert header["kid"] in by_kid(stack.signing_key_items(stack.signing_keys))


def test_the_public_half_reaches_the_payment_side(stack, ada):
    kid = parts(ada.token)[0]["kid"]
    # By event: on a stack that was deployed a moment ago it may still be on its way.
    published = eventually(lambda: by_kid(stack.signing_key_items(stack.payments)).get(kid))
    assert decode(published["publicKey"]) == platform_key(stack, kid).public_key().public_bytes_raw()
    assert published["publicKey"] == by_kid(stack.signing_key_items(stack.accounts))[kid]["publicKey"]


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
