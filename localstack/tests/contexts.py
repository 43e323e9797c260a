"""Which function belongs to which bounded context, and what each may therefore touch."""

ACCOUNT = [
    "SignupFunction",
    "SigninFunction",
    "SignoutFunction",
    "MeFunction",
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
    "SyncFunction",
]
# Serves what the platform says about itself.
DOCS = ["HealthFunction"]
EVERY_FUNCTION = ACCOUNT + PAYMENT + DOCS

TABLES = ["AccountTable", "SigningKeyTable", "PaymentTable"]
# The only functions that read or make the private halves of the signing keys.
SIGNERS = ["SigninFunction", "RotateKeysFunction"]
# What reads a stream or nothing needs no table.
WITHOUT_A_TABLE = ["PublisherFunction", *DOCS]


def own_tables(function):
    """The tables that a function has any business with."""
    if function in WITHOUT_A_TABLE:
        return set()
    if function in PAYMENT:
        return {"PaymentTable"}
    return {"AccountTable"} | ({"SigningKeyTable"} if function in SIGNERS else set())


def other_tables(function):
    return set(TABLES) - own_tables(function)
