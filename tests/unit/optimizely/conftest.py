"""A server instead of the REST API, for each test."""

from collections.abc import Iterator

import pytest

from shared.optimizely.rest.client import OptimizelyRest
from tests.unit.optimizely.rest_server import Campaign, client_of, serving


@pytest.fixture
def campaign() -> Iterator[Campaign]:
    server = Campaign()
    with serving(server):
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that the REST client would have made."""
    return []


@pytest.fixture
def rest(campaign: Campaign, pauses: list[float]) -> Iterator[OptimizelyRest]:
    client = client_of(campaign, sleep=pauses.append)
    yield client
    client.close()
