"""A simulator with a frozen clock, in this process."""

import asyncio
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import paramiko
import pytest
import requests

from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import RestTransport
from shared.sftp.site import SftpSite
from tests.contract.simulator.description import PATH, Description


class Simulation:
    """A simulator whose time passes only when a test says so."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self.simulator = simulator
        self.addresses: dict[str, Any] = simulator.addresses()
        self._loop = loop
        self.session = requests.Session()
        self.session.hooks["response"].append(self._hold_to_description)
        self.session.auth = (self.addresses["api_user"], self.addresses["api_password"])
        self.rest = OptimizelyRest(
            RestTransport(
                base_url=self.addresses["rest_url"],
                client_id=self.addresses["client_id"],
                user=self.addresses["api_user"],
                password=self.addresses["api_password"],
            )
        )
        self.site = SftpSite(
            host=self.addresses["sftp_host"],
            port=self.addresses["sftp_port"],
            user=self.addresses["sftp_user"],
            private_key=Path(self.addresses["private_key_file"]).read_text(),
            passphrase=None,
            host_keys=self.addresses["host_key"],
        )

    def _hold_to_description(self, answer: requests.Response, **_: object) -> None:
        """Every response is allowed by the description, even to an invalid request."""
        if PATH.exists():
            description = Description.load()
            operation, _parameters = description.operation(answer.request.method or "", answer.request.url or "")
            description.check_answer(operation, answer, listed=False)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """The answer to a request of the REST API, without the client."""
        return self.session.request(method, f"{self.addresses['rest_url']}/{CLIENT_ID}{path}", timeout=30, **more)

    def upload(self, path: str, content: bytes) -> None:
        """Put a file onto the SFTP site as every client does: under another name until it is whole."""
        key = paramiko.RSAKey.from_private_key_file(self.addresses["private_key_file"])
        with paramiko.Transport((self.addresses["sftp_host"], self.addresses["sftp_port"])) as transport:
            transport.connect(username=self.addresses["sftp_user"], pkey=key)
            with paramiko.SFTPClient.from_transport(transport) as client:  # type: ignore[union-attr] # it is open
                client.putfo(io.BytesIO(content), f"{path}.part")
                client.posix_rename(f"{path}.part", path)

    def pass_time(self, **span: float) -> None:
        """Let simulated time pass, and everything happen that is due."""
        self.simulator.clock.advance(timedelta(**span))
        self.simulator.round()

    def list_id(self, name: str = "Customers") -> int:
        """Id of a recipient list."""
        return next(
            recipient_list.id for recipient_list in self.rest.select_recipient_lists() if recipient_list.name == name
        )

    def state(self) -> dict[str, Any]:
        """The simulator's own records."""
        return self.simulator.control.state()


@contextmanager
def simulation(folder: Path) -> Iterator[Simulation]:
    """A simulation in a folder; an existing one is continued."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    simulator = Simulator(folder, speed=0)

    # The test alone lets things happen.
    async def serve() -> None:
        await simulator.start(run_loop=False)

    try:
        asyncio.run_coroutine_threadsafe(serve(), loop).result(30)
        made = Simulation(simulator, loop)
        yield made
        made.rest.close()
        made.session.close()
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[Simulation]:
    """A new simulation."""
    with simulation(tmp_path / "simulator") as made:
        yield made


@pytest.fixture(scope="module")
def shared_vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulation]:
    """One simulation for the tests that look only at what they make themselves."""
    with simulation(tmp_path_factory.mktemp("shared") / "simulator") as made:
        yield made
