"""The suite's fixtures: the stack, and people to use it."""

import pytest
from person import Person, http_session
from stack import Stack
from webhooks import Provider, Vault


@pytest.fixture(scope="session")
def stack():
    return Stack()


@pytest.fixture(scope="session")
def http():
    with http_session() as session:
        yield session


@pytest.fixture(scope="session")
def anyone(stack, http):
    """Somebody who has neither signed up nor in."""
    return Person(stack.api_url, http)


@pytest.fixture(scope="session")
def person(stack, http):
    """Makes people who have signed up and in."""

    def make(**identity):
        somebody = Person(stack.api_url, http, **identity)
        somebody.sign_up()
        somebody.sign_in()
        return somebody

    return make


@pytest.fixture(scope="session")
def ada(person):
    """A person whom tests share: a test that would hinder another must make its own."""
    return person()


@pytest.fixture(scope="session")
def bob(person):
    """Ada's counterpart."""
    return person()


@pytest.fixture(scope="session")
def ada_wallet(ada):
    """A DEBIT account that tests share: each compares its balance before and after, and assumes no amount."""
    return ada.open_account(balance=1_000_000)


@pytest.fixture(scope="session")
def bob_wallet(bob):
    return bob.open_account()


@pytest.fixture(scope="session")
def provider(stack, anyone):
    """The provider that collects payments here, as far as its webhooks tell."""
    return Provider(anyone, Vault(stack).read()["current"])
