"""Bridges over real parts: Azurite, the simulator with its SFTP site, SQLite."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from local.azurite import Azurite
from local.demo.processes import Process
from local.faststats import create_databases
from shared.bridge import Bridge
from tests.flow.harness import ZONE, Flow, make_settings


@contextmanager
def simulator(folder: Path) -> Iterator[dict[str, Any]]:
    """A simulator process; what its ready file says."""
    process = Process("simulator", ["local.simulator", "--data", str(folder / "simulator")], folder)
    try:
        yield process.wait_ready()
    finally:
        process.stop()


@contextmanager
def bridge_over(site: dict[str, Any], folder: Path, azurite: Azurite, **more: str) -> Iterator[Flow]:
    """A bridge with databases and queues of its own."""
    (folder / "deliveries").mkdir()
    bridge = Bridge.from_settings(make_settings(folder, azurite.connection_string, site, **more))
    assert bridge.ws_database is not None
    create_databases(bridge.ws_database, bridge.rs_database, zone=ZONE)
    bridge.set_up()
    with QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        yield Flow(bridge, site, queues, folder)
    bridge.close()


@pytest.fixture(scope="session")
def shared_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One simulator for the tests that look only at their own broadcasts."""
    with simulator(tmp_path_factory.mktemp("shared")) as site:
        yield site


@pytest.fixture
def flow(tmp_path: Path, azurite: Azurite, shared_simulator: dict[str, Any]) -> Iterator[Flow]:
    """A bridge whose simulator others use too."""
    with bridge_over(shared_simulator, tmp_path, azurite) as made:
        yield made


@pytest.fixture
def slow_flow(alone: Flow) -> Flow:
    """A bridge whose Optimizely has a clock that a test moves."""
    alone.set_clock(speed=0)
    return alone


@pytest.fixture
def alone(tmp_path: Path, azurite: Azurite) -> Iterator[Flow]:
    """A bridge with a simulator of its own, for tests of responses."""
    with simulator(tmp_path) as site, bridge_over(site, tmp_path, azurite) as made:
        yield made
