"""Which function belongs to which bounded context, and what each may therefore touch."""

ACCOUNT = [
    "SignupFunction",
    "SigninFunction",
    "SignoutFunction",
    "MeFunction",
    "RegisterFunction",
    "LoginFunction",
    "ValidateFunction",
    "JwksFunction",
    "RefreshFunction",
    "ListSessionsFunction",
    "EndSessionFunction",
    "SendCodeFunction",
    "ConfirmCodeFunction",
    "ChangePasswordFunction",
    "UpdateMeFunction",
    "SetPersonStatusFunction",
    "PublisherFunction",
    "RotateKeysFunction",
]
PAYMENT = [
    "OpenAccountFunction",
    "ListAccountsFunction",
    "DepositFunction",
    "WithdrawFunction",
    "SendFunction",
    "HistoriesFunction",
    "GetTransferFunction",
    "CreatePaymentFunction",
    "GetPaymentFunction",
    "ListPaymentsFunction",
    "UpdatePaymentStatusFunction",
    "ProviderWebhookFunction",
    "PaymentPublisherFunction",
    "SyncFunction",
]
# An outsider that plays the provider.
SIMULATOR = ["ProviderSimulatorFunction"]
# Serves what the platform says about itself.
DOCS = ["HealthFunction", "DocsFunction"]
EVERY_FUNCTION = ACCOUNT + PAYMENT + SIMULATOR + DOCS

TABLES = ["AccountTable", "SigningKeyTable", "AuditTable", "PaymentTable"]
# The only functions that read or make the private halves of the signing keys. Whoever ends all sessions
# but their own goes on with a fresh token.
SIGNERS = [
    "SigninFunction",
    "SignoutFunction",
    "LoginFunction",
    "RefreshFunction",
    "ChangePasswordFunction",
    "RotateKeysFunction",
]
# Functions that do something of which the audit trail tells, and may therefore add records to it.
AUDITED = [
    "SignupFunction",
    "SigninFunction",
    "SignoutFunction",
    "RegisterFunction",
    "LoginFunction",
    "RefreshFunction",
    "EndSessionFunction",
    "SendCodeFunction",
    "ConfirmCodeFunction",
    "ChangePasswordFunction",
    "UpdateMeFunction",
    "SetPersonStatusFunction",
    "RotateKeysFunction",
]
# Functions that the clock invokes.
SCHEDULED = ["RotateKeysFunction"]
# The only functions that delete anything: a private key that signs no more, an identifier that somebody gives up.
DELETE = {"RotateKeysFunction": "SigningKeyTable", "UpdateMeFunction": "AccountTable"}
# The table whose stream a function reads, which is not the table.
STREAMS = {"PublisherFunction": "AccountTable", "PaymentPublisherFunction": "PaymentTable"}
# What reads a stream, a queue or nothing needs no table.
WITHOUT_A_TABLE = [*STREAMS, *SIMULATOR, *DOCS]
# The only functions that read what webhooks are signed with.
KNOW_THE_WEBHOOK_SECRET = ["ProviderWebhookFunction", *SIMULATOR]


def own_tables(function):
    """The tables that a function has any business with."""
    if function in WITHOUT_A_TABLE:
        return set()
    if function in PAYMENT:
        return {"PaymentTable"}
    own = {"AccountTable"}
    if function in SIGNERS:
        own.add("SigningKeyTable")
    if function in AUDITED:
        own.add("AuditTable")
    return own


def other_tables(function):
    return set(TABLES) - own_tables(function)
