"""The books: that every balance is the sum of its transfers, and that all of them together sum to zero."""

from collections import Counter

from stack import scan


def assert_books_balance(stack):
    """Reads the whole ledger and recomputes it. Call it when no money is moving."""
    stored, moved = Counter(), Counter()
    balances, from_outside = Counter(), Counter()
    for item in scan(stack.payments):
        if item["sk"] == "ACCOUNT":
            # What it has drawn from its intake shards is in its balance; what a shard has received is counted below.
            balance = item["balance"] - sum(item.get("drawn", []))
            stored[item["pk"].removeprefix("ACCOUNT#")] += balance
            balances[item["currency"]] += balance
        elif item["sk"].startswith("INTAKE#"):
            stored[item["pk"].removeprefix("ACCOUNT#")] += item["received"]
            balances[item["currency"]] += item["received"]
        elif item["sk"] == "TRANSFER" and item["status"] == "COMPLETED":
            for side, sign in (("from", -1), ("to", 1)):
                if side in item:
                    moved[item[side]] += sign * item["amount"]
                else:
                    # What leaves the outside enters the platform: the outside's own position has the other sign.
                    from_outside[item["currency"]] -= sign * item["amount"]
    wrong = {
        account: f"balance {stored[account]}, transfers {moved[account]}"
        for account in stored.keys() | moved.keys()
        if stored[account] != moved[account]
    }
    assert not wrong, f"balances that are not the sum of their transfers: {wrong}"
    unbalanced = {
        currency: f"balances {balances[currency]}, from outside {from_outside[currency]}"
        for currency in balances.keys() | from_outside.keys()
        if balances[currency] != from_outside[currency]
    }
    assert not unbalanced, f"currencies whose books do not sum to zero: {unbalanced}"
