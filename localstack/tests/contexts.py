"""Which function belongs to which bounded context, and what each may therefore touch."""

ACCOUNT = [
    "SignupFunction",
    "SigninFunction",
    "SignoutFunction",
    "MeFunction",
    "RegisterFunction",
    "LoginFunction",
    "ValidateFunction",
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

TABLES = ["AccountTable", "SigningKeyTable", "PaymentTable"]
# The only functions that read or make the private halves of the signing keys.
SIGNERS = ["SigninFunction", "LoginFunction", "RotateKeysFunction"]
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
    return {"AccountTable"} | ({"SigningKeyTable"} if function in SIGNERS else set())


def other_tables(function):
    return set(TABLES) - own_tables(function)
