"""The simulator: its servers, and the loop that makes simulated events happen."""

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from local.simulator import batches, sending, sftp_site
from local.simulator.clock import START, Clock
from local.simulator.closed_loop import ClosedLoop
from local.simulator.control import Control
from local.simulator.faults import Faults
from local.simulator.identity import Identity, identity
from local.simulator.import_job import ImportJobs
from local.simulator.response_export import ResponseExport
from local.simulator.rest import Rest
from local.simulator.store import CLIENT_ID, Store, fact, set_fact

if TYPE_CHECKING:
    import asyncssh

#: Real seconds between two rounds, and between two records of the clock.
_ROUND, _RECORD = 0.05, 1.0
#: Bytes of the largest request body: chunks of sending batches have many recipients.
_LARGEST_BODY = 64 * 1024 * 1024


class Simulator:
    """A simulated Optimizely Campaign.

    Args:
        folder: holds all data; a simulation in it is continued.
        seed: seed of the recipients' behaviour.
        speed: simulated seconds per real second; 0 freezes the clock.
        reactions: whether recipients react to their mails; who does may unsubscribe, and is not mailed again.
    """

    def __init__(self, folder: Path, *, seed: int = 1, speed: float = 21600, reactions: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        began = int(START.timestamp())
        self._seed, self._reactions = seed, reactions
        self._store = Store(folder / "simulator.sqlite", now=began)
        with self._store.reading() as connection:
            elapsed = float(fact(connection, "elapsed") or 0)
        self.clock = Clock(elapsed, speed=speed)
        self.identity: Identity = identity(folder / "keys")
        self._faults = Faults()
        self._site = folder / "site"
        self._imports = ImportJobs(self._store, self._site / "import", self._faults)
        self._closed_loop = ClosedLoop(self._store, self._site / "closedloop", self._faults)
        self._export = ResponseExport(self._store, self._site / "responses", self._faults, began=began)
        self.control = Control(self._store, self.clock, self._faults)
        self._rest = Rest(self._store, self.clock, self.identity, self._faults)
        self._runner: web.AppRunner | None = None
        self._sftp: asyncssh.SSHAcceptor | None = None
        self._loop: asyncio.Task[None] | None = None
        self._port = 0

    async def start(self, *, run_loop: bool = True) -> Self:
        """Serve until `stop`.

        Args:
            run_loop: whether events happen by themselves; otherwise only when `round` is called.
        """
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.add_subapp(f"/rest/{CLIENT_ID}", self._rest.application())
        app.add_subapp("/control", self.control.application())
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self._sftp = await sftp_site.serve(self._site, self.identity, self._faults, 0)
        if run_loop:
            self._loop = asyncio.create_task(self._run_loop())
        return self

    async def stop(self) -> None:
        """Stop serving; all data are kept."""
        self._faults.clear_all()  # ends the waiting of delayed requests
        if self._loop:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop
        if self._sftp:
            self._sftp.close()
            await self._sftp.wait_closed()
        if self._runner:
            await self._runner.cleanup()
        self._record_clock()

    async def __aenter__(self) -> Self:
        """Start."""
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def addresses(self) -> dict[str, Any]:
        """Addresses and credentials, as in the ready file."""
        if self._sftp is None:
            msg = "the simulator is not started"
            raise RuntimeError(msg)
        sftp_port = self._sftp.get_port()
        public = self.identity.host_key.export_public_key().decode().strip()
        return {
            "rest_url": f"http://127.0.0.1:{self._port}/rest",
            "control_url": f"http://127.0.0.1:{self._port}/control",
            "client_id": CLIENT_ID,
            "api_user": self.identity.api_user,
            "api_password": self.identity.api_password,
            "sftp_host": "127.0.0.1",
            "sftp_port": sftp_port,
            "sftp_user": self.identity.sftp_user,
            "private_key_file": str(self.identity.private_key_file),
            "host_key": f"[127.0.0.1]:{sftp_port} {public}",
            "host_key_fingerprint": self.identity.host_key.get_fingerprint(),
            "import_folder": "/import",
            "closed_loop_folder": "/closedloop",
            "response_folder": "/responses",
        }

    def round(self) -> None:
        """Make everything happen that is due now."""
        now = self.clock.now()
        importing = self._imports.work(now)
        batching = batches.work(self._store, now, self._faults)
        looping = self._closed_loop.work(now)
        under_way = sending.work(self._store, self._seed if self._reactions else None, now)
        pending = self._export.work(now)
        self.control.idle = not (importing or batching or looping or under_way or pending)

    async def _run_loop(self) -> None:
        recorded = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.to_thread(self.round)
            if loop.time() - recorded > _RECORD:
                recorded = loop.time()
                await asyncio.to_thread(self._record_clock)
            await asyncio.sleep(_ROUND)

    def _record_clock(self) -> None:
        with self._store.writing() as connection:
            set_fact(connection, "elapsed", self.clock.elapsed())
