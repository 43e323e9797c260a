"""The platform of the tests that would disturb others."""

import pytest
from support.own_platform import own_platform


@pytest.fixture(scope="package")
def platform():
    with own_platform() as platform:
        yield platform
