"""A world in a folder: Optimizely, FastStats, a storage account, and any number of processes of the bridge."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest

from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from local.faststats.wizard import BroadcastJob, insert_job
from local.simulator.clock import START
from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind
from shared.config.channels import DEFAULT, Channel
from shared.config.response_layouts import ResponseLayout
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.routes.export_file import ExportFileRoute
from shared.steps.load_responses import load_responses
from shared.steps.monitor_import import monitor_import
from shared.steps.upload_list import upload_list
from tests.clocks import MovableClock
from tests.databases import ZONE, Databases, sqlite_files
from tests.flow.harness import make_settings
from tests.in_process.rest import InProcessRest
from tests.in_process.sftp_folder import FolderSite
from tests.matrix.boundaries import Died, Process, running
from tests.matrix.parts import BlobAccount, Breaks, Queue, QueueAccount, copy_folder

#: How far time moves while nobody has anything to do: an import job fires every ten minutes.
TICK: Final = timedelta(minutes=10)
LEASE: Final = timedelta(seconds=120)
_SETTINGS: Final = {
    "LEASE_SECONDS": str(LEASE.total_seconds()),
    "MONITOR_INTERVAL_SECONDS": "30",
    "RETRY_SECONDS": "1",
    "START_SETTLE_SECONDS": "60",
    "IMPORT_TIMEOUT_MINUTES": "300",
    "SEND_TIMEOUT_MINUTES": "300",
    "UPLOAD_LIST_QUEUE": "upload-list",
    "MONITOR_IMPORT_QUEUE": "monitor-import",
    "LOAD_RESPONSES_QUEUE": "load-responses",
    "STAGING_CONTAINER": "staging",
    "REJECTS_CONTAINER": "rejects",
    "RESPONSES_CONTAINER": "responses",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a queue, and the step that it is for."""

    queue: str
    body: dict[str, Any]

    def deliver(self, bridge: Bridge) -> None:
        """Call its step, as the trigger of the queue does."""
        if self.queue == "load-responses":
            load_responses(bridge, self.body["response_file"])
            return
        step = upload_list if self.queue == "upload-list" else monitor_import
        step(bridge, self.body["broadcast"], self.body["version"])


class Host:
    """A process of the bridge: when it dies, all that it holds in memory is gone."""

    def __init__(self, world: "World", name: str) -> None:
        self.process = Process(name)
        self.bridge = world.new_bridge()

    def does[Result](self, act: Callable[[Bridge], Result]) -> Result | None:
        """Let the process do something; None if it dies of it."""
        try:
            with running(self.process):
                return act(self.bridge)
        except Died:
            self.process.dead = True
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the bridge of a scenario is configured."""

    channel: Channel = field(default_factory=lambda: Channel(seed_list="Seed list"))
    responses: ResponseLayout = field(default_factory=ResponseLayout)
    settings: dict[str, str] = field(default_factory=dict)


def new_world(folder: Path) -> None:
    """A world in which nothing has happened, for others to copy."""
    for name in ("deliveries", "dropped", "ferg", "blobs/staging", "blobs/rejects", "blobs/responses"):
        (folder / name).mkdir(parents=True)
    sqlite_files(folder)
    Simulator(folder / "simulator", speed=0)
    for name in ("partner", "responses/archive"):
        (folder / "simulator" / "site" / name).mkdir(parents=True)


class World:
    """Everything that outlives a process of the bridge.

    Args:
        template: the folder that `new_world` made.
        folder: a folder of its own.
        setup: how the bridge is configured.
    """

    def __init__(self, template: Path, folder: Path, setup: Setup) -> None:
        copy_folder(template, folder)
        self.folder = folder
        self.site = folder / "simulator" / "site"
        self.site_breaks = Breaks()
        self._site = FolderSite(self.site, self.site_breaks)
        self.clock = MovableClock(START)
        self.simulator = Simulator(folder / "simulator", speed=0)
        self._setup = setup
        self._rest = InProcessRest(self.simulator)
        self.blobs: Any = BlobAccount(folder / "blobs", self.clock)
        self._queues: Any = QueueAccount(folder / "queues", self.clock)
        self._settings = _settings(folder, self.simulator, setup.settings)
        self._hosts: list[Host] = []
        #: A bridge that only looks.
        self.watcher = self.new_bridge()

    # Processes

    def host(self) -> Host:
        """A new process."""
        host = Host(self, f"host {len(self._hosts) + 1}")
        self._hosts.append(host)
        return host

    def new_bridge(self) -> Bridge:
        """A bridge over this world."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("shared.bridge.blob_service", lambda _settings: self.blobs)
            patched.setattr("shared.bridge.queue_service", lambda _settings: self._queues)
            patched.setattr("shared.bridge.optimizely_site", lambda _settings: self._site)
            bridge = Bridge.from_settings(self._settings, clock=self.clock)
        bridge.rs_database.clock = self.clock
        bridge.channels._channels = MappingProxyType({DEFAULT: self._channel()})
        bridge.channels.responses = MappingProxyType({DEFAULT: self._setup.responses})
        export = bridge.routes[RouteKind.EXPORT_FILE]
        assert isinstance(export, ExportFileRoute)
        export._sites = {"partner": FolderSite(self.site / "partner")}
        self._rest.serve(bridge.rest._transport)
        return bridge

    def _channel(self) -> Channel:
        """The channel of the scenario; a folder that it watches is in this world."""
        channel = self._setup.channel
        if channel.drop is None:
            return channel
        return channel.model_copy(
            update={"drop": channel.drop.model_copy(update={"place": str(self.folder / "dropped")})}
        )

    def copy_to(self, folder: Path) -> None:
        """A copy of all files, while nobody writes."""
        copy_folder(self.folder, folder)

    def disconnect(self) -> None:
        """Close every connection to the databases; the next request opens one."""
        for host in self._hosts:
            host.bridge.close()
        self.watcher.close()

    def close(self) -> None:
        """Release every file."""
        self.disconnect()
        self._rest.end()

    # What can be seen of it

    def broadcasts(self) -> list[Broadcast]:
        """Every broadcast of the ledger, newest first."""
        return self.watcher.ledger.broadcasts.newest(100)

    def mails(self, broadcast: Broadcast) -> int:
        """Mails that were sent for a broadcast, by the books of Optimizely."""
        return self.count("SELECT count(*) FROM mail_sent WHERE broadcast_key = ?", broadcast.key)

    def mailed_twice(self) -> int:
        """Communication Keys that were mailed more than once, over all Smart Campaigns."""
        groups = "SELECT 1 FROM mail_sent GROUP BY communication_key HAVING count(*) > 1"
        return self.count(f"SELECT count(*) FROM ({groups})")  # noqa: S608 - no input

    def count(self, query: str, *values: object) -> int:
        """A number from the books of Optimizely."""
        with self.simulator._store.reading() as connection:
            return int(connection.execute(query, values).fetchone()[0] or 0)

    def decision(self, broadcast: Broadcast) -> tuple[bool, int | None]:
        """What an operator finds out about a parked broadcast: whether it was started, and its Smart Campaign."""
        if broadcast.request.route is RouteKind.EXPORT_FILE:
            return any((self.site / "partner").glob(f"*{broadcast.key}*.csv")), None
        started = (
            "SELECT max(id) FROM campaign WHERE (id = ? OR name LIKE ?) "
            "AND status IN ('activated', 'running', 'paused', 'finished', 'canceled')"
        )
        campaign = self.count(started, broadcast.campaign_id, f"%{broadcast.key}%")
        return campaign > 0, campaign or None

    # Time, and what comes with it

    def pass_days(self) -> None:
        """Let so much time pass that whatever is still to come has come."""
        for _ in range(6):
            self.tick(timedelta(hours=12))

    def tick(self, by: timedelta = TICK) -> None:
        """Let time pass, and happen at Optimizely what is due."""
        self.clock.advance(seconds=by.total_seconds())
        self.simulator.clock.advance(by)
        self.simulator.round()

    def messages(self) -> list[Message]:
        """Take the visible messages of all queues."""
        return [
            Message(queue, body)
            for queue in ("upload-list", "monitor-import", "load-responses")
            for body in Queue(self.folder / "queues" / queue, self.clock).take()
        ]

    # FastStats

    def order(self, *, recipients: int = 12, seed: int = 1, **job: Any) -> None:
        """Play FastStats: a delivery file and a job."""
        name = delivery_file_name("Customers", seed)
        write_delivery_file(self.folder / "deliveries" / name, recipients, seed)
        columns = {"list_name": "Customers", "message_name": "Spring Newsletter", "file_path": name} | job
        with closing(Database(f"sqlite:///{self.folder / 'WS_Test.sqlite'}", "WS_DB")) as database:
            insert_job(database, BroadcastJob(**columns), zone=ZONE, now=self.clock.now())


def _settings(folder: Path, simulator: Simulator, more: dict[str, str]) -> Settings:
    identity = simulator.identity
    site = {
        "rest_url": "http://127.0.0.1/rest",
        "client_id": CLIENT_ID,
        "api_user": identity.api_user,
        "api_password": identity.api_password,
        "sftp_host": "site",
        "sftp_port": 22,
        "sftp_user": identity.sftp_user,
        "private_key_file": str(identity.private_key_file),
        "host_key": f"site {identity.host_key.export_public_key().decode().strip()}",
        "response_folder": "/responses",
    }
    databases = Databases(f"sqlite:///{folder / 'WS_Test.sqlite'}", f"sqlite:///{folder / 'RS_Test.sqlite'}")  # type: ignore[arg-type]
    if "FERG_FILES" in more:
        more = more | {"FERG_FILES": str(folder / "ferg")}
    return make_settings(folder, "UseDevelopmentStorage=true", site, databases, **_SETTINGS | more)
