"""Fixtures of the suite: the stack, and users of its API."""

import pytest
from support.events import subscribe
from support.provider import Provider, WebhookSecrets
from support.stack import Stack
from support.users import User, http_session

pytest_plugins = ["support.expected_failures"]


@pytest.fixture(scope="session")
def stack():
    return Stack()


@pytest.fixture(scope="session")
def http():
    with http_session() as session:
        yield session


@pytest.fixture(scope="session")
def anonymous(stack, http):
    """A client without credentials."""
    return User(stack.api_url, http)


@pytest.fixture(scope="session")
def new_user(stack, http):
    """A factory of users who have signed up and in."""

    def make(**identity):
        user = User(stack.api_url, http, **identity)
        user.sign_up()
        user.sign_in()
        return user

    return make


@pytest.fixture(scope="module")
def ada(new_user):
    """A user shared by the tests of one module, which must finish before the user's token expires.

    A test that changes credentials, sessions or limits takes a user of its own.
    """
    return new_user()


@pytest.fixture(scope="module")
def bob(new_user):
    """A second shared user."""
    return new_user()


@pytest.fixture(scope="module")
def ada_wallet(ada):
    """A shared DEBIT account. Tests compare its balance before and after, and assume no amount."""
    return ada.open_account(balance=1_000_000)


@pytest.fixture(scope="module")
def bob_wallet(bob):
    return bob.open_account()


@pytest.fixture(scope="session")
def provider(stack, anonymous):
    """The payment provider, with the deployment's current webhook secret."""
    return Provider(anonymous, WebhookSecrets(stack).read()["current"])


@pytest.fixture(scope="module")
def account_events(stack):
    """A subscription to the events of the account context."""
    with subscribe(stack, stack.account_topic_arn) as subscription:
        yield subscription


@pytest.fixture(scope="module")
def payment_events(stack):
    """A subscription to the events of the payment context."""
    with subscribe(stack, stack.payment_topic_arn) as subscription:
        yield subscription
