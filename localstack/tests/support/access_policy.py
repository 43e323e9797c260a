"""The access policy that no rule derives: which functions may do what no other function may.

A function that is not named here needs no entry.
"""

# Issue access tokens, and so may read the private halves of the signing keys.
TOKEN_ISSUERS = {
    "SigninFunction",
    "SignoutFunction",
    "LoginFunction",
    "RefreshFunction",
    "ChangePasswordFunction",
}
# Creates and deletes private keys.
KEY_ROTATION = "RotateKeysFunction"
# Delete items, each from one table: private keys after their use, and released identifiers.
DELETERS = {KEY_ROTATION: "SigningKeyTable", "UpdateMeFunction": "AccountTable"}
# Reads whole tables and indexes, and runs by schedule.
LEDGER_AUDIT = "AuditLedgerFunction"
# Verify and sign webhooks.
WEBHOOK_SECRET_READERS = {"ProviderWebhookFunction", "ProviderSimulatorFunction"}
# The topic of each context's events, to which only its publisher may publish.
TOPICS = {"account": "AccountEventsTopic", "payment": "PaymentEventsTopic"}
PUBLISHERS = {"PublisherFunction", "PaymentPublisherFunction"}
