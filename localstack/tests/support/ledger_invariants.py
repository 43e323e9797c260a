"""Ledger invariants: each balance equals the sum of its transfers, and all balances together sum to zero."""

from collections import Counter

from support.tables import ledger_accounts, ledger_shards, ledger_transfers


def assert_ledger_balances(stack):
    """Reads the whole ledger and recomputes it. Call it only while no transfer is in flight."""
    stored, posted = Counter(), Counter()
    balances, from_external = Counter(), Counter()
    items = stack.tables.scan(stack.tables.payment)
    for account_id, balance, currency in ledger_accounts(items):
        stored[account_id] += balance
        balances[currency] += balance
    for account_id, received, currency in ledger_shards(items):
        stored[account_id] += received
        balances[currency] += received
    for transfer in ledger_transfers(items):
        for side, sign in (("from", -1), ("to", 1)):
            if side in transfer:
                posted[transfer[side]] += sign * transfer["amount"]
            else:
                # The external account is not stored. Its position is the opposite of what enters the platform.
                from_external[transfer["currency"]] -= sign * transfer["amount"]
    wrong = {
        account: f"balance {stored[account]}, transfers {posted[account]}"
        for account in stored.keys() | posted.keys()
        if stored[account] != posted[account]
    }
    assert not wrong, f"balances that differ from the sum of their transfers: {wrong}"
    unbalanced = {
        currency: f"balances {balances[currency]}, from external accounts {from_external[currency]}"
        for currency in balances.keys() | from_external.keys()
        if balances[currency] != from_external[currency]
    }
    assert not unbalanced, f"currencies whose ledger does not sum to zero: {unbalanced}"
