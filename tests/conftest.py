"""Fixtures for every test."""

from collections.abc import Iterator

import pytest

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for the whole run; tests use queues and containers of their own."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running
