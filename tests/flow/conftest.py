"""Bridges over real parts: Azurite, the simulator with its SFTP site, databases."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from cli.main import app
from local.azurite import Azurite
from shared.bridge import Bridge
from shared.config.settings import Settings
from tests.clocks import MovableClock
from tests.databases import Databases
from tests.flow.harness import Flow, make_settings
from tests.flow.simulators import Simulators


@contextmanager
def bridge_over(
    site: dict[str, Any], folder: Path, azurite: Azurite, databases: Databases, **more: str
) -> Iterator[Flow]:
    """A bridge with queues and containers of its own; `more` are further settings."""
    (folder / "deliveries").mkdir()
    settings, clock = make_settings(folder, azurite.connection_string, site, databases, **more), MovableClock()
    bridge = Bridge.from_settings(settings, clock=clock)
    bridge.rs_database.clock = clock
    for container in (bridge.lists, bridge.rejects, bridge.responses):
        container.create_container()
    with closing(bridge), QueueServiceClient.from_connection_string(azurite.connection_string) as queues:
        yield Flow(bridge, clock, site, queues, folder)


@pytest.fixture(scope="session")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Starts simulators."""
    with Simulators(tmp_path_factory.mktemp("simulators") / "simulators.log") as process:
        yield process


@pytest.fixture(scope="session")
def shared_simulator(simulators: Simulators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """One simulator for the tests that check only their own broadcasts.

    Nobody reacts: whom a test makes unsubscribe, another one could not mail.
    """
    with simulators.new(tmp_path_factory.mktemp("shared"), reactions=False) as site:
        yield site


@pytest.fixture
def flow(tmp_path: Path, azurite: Azurite, shared_simulator: dict[str, Any], databases: Databases) -> Iterator[Flow]:
    """A bridge whose simulator others use too."""
    with bridge_over(shared_simulator, tmp_path, azurite, databases) as flow:
        yield flow


@pytest.fixture
def slow_flow(alone: Flow) -> Flow:
    """A bridge whose Optimizely has a clock that a test moves."""
    alone.set_clock(speed=0)
    return alone


@pytest.fixture
def alone(tmp_path: Path, azurite: Azurite, databases: Databases, simulators: Simulators) -> Iterator[Flow]:
    """A bridge with a simulator of its own, for tests of responses."""
    with simulators.new(tmp_path / "simulator") as site, bridge_over(site, tmp_path, azurite, databases) as flow:
        yield flow


@pytest.fixture
def command(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a `bridge` command with the settings of the flow's bridge."""

    def run(*arguments: object, **differing: str) -> Result:
        for name, field in Settings.model_fields.items():
            value = getattr(flow.bridge.settings, name)
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            if value is not None:
                monkeypatch.setenv(str(field.alias), str(value))
        for name, text in differing.items():
            monkeypatch.setenv(name, text)
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run
