"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from local.azurite import Azurite


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than five seconds (leave out with -m 'not slow')")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for the whole run; tests use queues, containers and host ids of their own."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running
