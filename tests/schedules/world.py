"""A world in one process: two hosts of the bridge, FastStats, PeopleStage, Optimizely, an operator, and one clock."""

import atexit
import json
import random
import shutil
import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import requests
from pydantic import SecretStr
from sqlalchemy import Connection, Dialect, PoolProxiedConnection, event

import local.simulator.simulator
import shared.bridge
import shared.ledger.leases
from local.faststats.delivery_file_generator import write_delivery_file
from local.faststats.wizard import BroadcastJob, insert_job
from local.simulator.clock import START
from local.simulator.identity import Identity
from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.bridge import Bridge
from shared.broadcast import RESTING, Broadcast, RouteKind, State, delivery_key
from shared.config.settings import Settings
from shared.database.connections import Database, _begin_sqlite
from shared.errors import BridgeError
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.operations import broadcasts as operations
from shared.operations import holds
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.steps.load_responses import load_responses
from shared.steps.monitor_import import monitor_import
from shared.steps.poll_jobs import poll_jobs
from shared.steps.upload_list import upload_list
from shared.web.peoplestage import answer
from tests.clocks import MovableClock
from tests.databases import ZONE, Databases, copied, sqlite_files
from tests.flow.harness import make_settings
from tests.in_process.rest import InProcessRest
from tests.in_process.sftp_folder import FolderSite
from tests.schedules import edges
from tests.schedules.actors import NOTHING, Actor, Died, Strike
from tests.schedules.edges import BlobModel, Message, Points, QueueModel

#: Seconds: of a lease, and for which a received message stays invisible.
LEASE, INVISIBLE = 600, 600
#: Deliveries after which a message moves to the poison queue (host.json).
_MOST_DELIVERIES = 5
#: Rounds of a drain, of 20, after which an operator looks.
_PATIENCE = 19
#: Container that the drop channels watch.
DROPPED = "dropped"
#: Channels by name, and what they do.
CHANNELS = """
[channels.default]
import_job = { folder = "/import" }
[channels.after]
send = "after import"
import_job = { folder = "/import" }
[channels.loop]
route = "closed loop"
[channels.batch]
route = "sending batch"
sending_batch = { chunk_rows = 2 }
[channels.export]
route = "export file"
export_file = { site = "partner", folder = "/partner" }
list_file = { name = "{broadcast}.csv" }
[channels.dropped]
import_job = { folder = "/import" }
[channels.dropped.drop]
place = "container:dropped"
list_name = "Customers"
message_name = "Spring Newsletter"
urn_column = "Kunden ID"
settle_seconds = 1
newest_hours = 10_000
[sftp_sites.partner]
host = "sftp.invalid"
user = "partner"
host_keys = ["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
password = "PARTNER_PASSWORD"
"""
_COLUMNS: dict[str, Any] = {
    "urn_column": "Kunden ID",
    "email_column": "Email",
    "communication_key_column": "Communication Key",
}


class GarbageError(Exception):
    """A message that no step understands: its invocation fails."""


@dataclass(frozen=True, slots=True)
class Template:
    """What every world begins with: made once in a process, for keys and tables take a second."""

    folder: Path
    databases: Databases
    identity: Identity
    settings: Settings


@cache
def template() -> Template:
    """The template of this process, in memory where the machine has a file system there."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    folder = Path(tempfile.mkdtemp(prefix="schedules-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    identity = Simulator(folder / "simulator", speed=0).identity
    for name in ("simulator/site/partner",):
        (folder / name).mkdir(parents=True)
    with sqlite3.connect(folder / "simulator" / "simulator.sqlite") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    (folder / "channels.toml").write_text(CHANNELS)
    (folder / "databases").mkdir()
    databases = sqlite_files(folder / "databases")
    return Template(folder, databases, identity, _settings(folder, databases, identity))


def _settings(folder: Path, databases: Databases, identity: Identity) -> Settings:
    addresses = {
        "rest_url": "https://optimizely.invalid/rest",
        "client_id": CLIENT_ID,
        "api_user": identity.api_user,
        "api_password": identity.api_password,
        "sftp_host": "sftp.invalid",
        "sftp_port": 22,
        "sftp_user": "user",
        "private_key_file": str(folder / "simulator/keys/client.pem"),
        "host_key": "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "response_folder": "/responses",
    }
    return make_settings(
        folder,
        "UseDevelopmentStorage=true",
        addresses,
        databases,
        CHANNELS_FILE=str(folder / "channels.toml"),
        LEASE_SECONDS=str(LEASE),
        MONITOR_INTERVAL_SECONDS="60",
        RETRY_SECONDS="30",
        START_SETTLE_SECONDS="120",
        IMPORT_TIMEOUT_MINUTES="240",
        SEND_TIMEOUT_MINUTES="1440",
    )


class World:
    """A world; close it at the end."""

    def __init__(self, seed: int = 1) -> None:
        made = template()
        self.folder = Path(tempfile.mkdtemp(dir=made.folder))
        self._close = ExitStack()
        self._close.callback(shutil.rmtree, self.folder, ignore_errors=True)
        shutil.copytree(made.folder / "simulator", self.folder / "simulator")
        (self.folder / "deliveries").mkdir()
        with patch.object(local.simulator.simulator, "identity", lambda _folder: made.identity):
            self.simulator = Simulator(self.folder / "simulator", seed=seed, speed=0)
        books = sqlite3.connect(
            self.folder / "simulator/simulator.sqlite",
            isolation_level=None,
            check_same_thread=False,
            factory=_KeptOpen,
        )
        books.row_factory = sqlite3.Row
        books.execute("PRAGMA synchronous = OFF")
        self._close.callback(lambda: sqlite3.Connection.close(books))
        store: Any = self.simulator._store
        store._connect = lambda: books
        self.clock = MovableClock(START)
        self.blobs, self.queues = BlobModel(self.clock), QueueModel(self.clock)
        # A heartbeat beats by the time of this machine, of which a lease never lives through a third in a schedule.
        self._close.enter_context(
            patch.object(shared.ledger.leases, "threading", SimpleNamespace(Event=threading.Event, Thread=_NeverBeats))
        )
        self._rest = InProcessRest(self.simulator, Points(lost=requests.ConnectionError))
        self._close.callback(self._rest.end)
        site = self.folder / "simulator" / "site"
        self._site = FolderSite(site, Points(lost=ConnectionResetError), ahead=START.timestamp() - time.time())
        databases = copied(made.databases, self.folder)
        #: The ledger's own tables, to look at.
        self.ledger = sqlite3.connect(self.folder / "RS_Test.sqlite", isolation_level=None)
        self.ledger.row_factory = sqlite3.Row
        self._close.callback(self.ledger.close)
        settings = made.settings.model_copy(
            update={
                "ws_db": SecretStr(databases.ws),
                "rs_db": SecretStr(databases.rs),
                "delivery_files": str(self.folder / "deliveries"),
            }
        )
        self.hosts = [self._host(settings) for _ in range(2)]
        self.actors: list[Actor] = []
        #: What was asked for: keys of broadcasts that must exist in the end, and ids of jobs.
        self.jobs: list[int] = []
        self.deliveries: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        #: How many delivery files were made; each is asked for once.
        self.asked = 0
        self.log: list[str] = []

    def close(self) -> None:
        """End every actor, and remove everything."""
        for actor in self.actors:
            if actor.frozen:
                actor.kill()
        for host in self.hosts:
            host.close()
        self._close.close()

    def _host(self, settings: Settings) -> Bridge:
        stand_ins: dict[str, Callable[..., Any]] = {
            "blob_service": lambda _settings: self.blobs,
            "queue_service": lambda _settings: self.queues,
            "optimizely_site": lambda _settings: self._site,
            "export_sites": lambda _channels: {"partner": self._site},
            "WsDbSchema": lambda zone, _names: schema(WsDbSchema, zone),
            "RsDbSchema": lambda zone, _names: schema(RsDbSchema, zone),
        }
        with ExitStack() as stack:
            for name, stand_in in stand_ins.items():
                stack.enter_context(patch.object(shared.bridge, name, stand_in))
            bridge = Bridge.from_settings(settings, clock=self.clock)
        self._rest.serve(bridge.rest._transport)
        for database in (bridge.rs_database, bridge.ws_database):
            assert database is not None
            event.listen(database.engine, "connect", _without_syncs)
            _compile_once(database)
            _begin_unheard(database.engine)
            database.clock = self.clock
            edges.point_transactions(database)
        edges.point_leases(bridge.ledger)
        return bridge

    # Actors

    def run(self, name: str, call: Callable[[], object], strike: Strike = NOTHING) -> Actor:
        """Run an invocation to its end, or until its fault strikes."""
        actor = Actor(name, call, strike)
        actor.go()
        self._note(actor)
        if actor.frozen:
            self.actors.append(actor)
        return actor

    def resume(self, actor: Actor) -> None:
        """Let a frozen actor go on."""
        self.actors.remove(actor)
        actor.go()
        self._note(actor)

    def _note(self, actor: Actor) -> None:
        how = "frozen" if actor.frozen else "dead" if actor.dead else repr(actor.error) if actor.error else "done"
        self.log.append(f"{self.clock.now():%d %H:%M:%S} {actor.name}: {how}")
        if actor.error is not None and not isinstance(actor.error, BridgeError | GarbageError | Died):
            raise actor.error

    # FastStats, PeopleStage and other systems ask for broadcasts

    def file(self, rows: int) -> Path:
        """A new delivery file."""
        self.asked += 1
        guid = uuid.UUID(int=random.Random(self.asked).getrandbits(128), version=4)
        path = self.folder / "deliveries" / f"Optimizely_Customers_{guid}.txt"
        write_delivery_file(path, rows, self.asked)
        return path

    def order(self, rows: int, *, channel: str, upload_only: bool = False, hours: int | None = None) -> None:
        """A job of WS_DB; with hours, to be sent so much later."""
        parameters = f"Channel={channel}"
        if hours is not None:
            send_at = self.clock.now() + timedelta(hours=hours)
            parameters += f";SendAt={send_at.isoformat(timespec='seconds')}"
        job = BroadcastJob(
            list_name="Customers",
            message_name="Spring Newsletter",
            file_path=self.file(rows).name,
            system="Test",
            upload_only=upload_only,
            parameters=parameters,
            **_COLUMNS,
        )
        database = self.hosts[0].ws_database
        assert database is not None
        self.jobs.append(insert_job(database, job, zone=ZONE, now=self.clock.now()))

    def drop(self, rows: int) -> None:
        """A delivery file in the container that a channel watches."""
        path = self.file(rows)
        self.blobs.put(DROPPED, path.name, path.read_bytes())
        self.dropped.append(path.name)

    def deliver(self, rows: int, channel: str) -> dict[str, Any]:
        """A delivery of PeopleStage, which its scripts have not uploaded yet."""
        path = self.file(rows)
        inputs = {
            "Path": rf"D:\Deliveries\{path.name}",
            "Size": str(path.stat().st_size),
            "ListName": "Customers",
            "MessageName": "Spring Newsletter",
            "UrnFieldName": _COLUMNS["urn_column"],
            "EmailFieldName": _COLUMNS["email_column"],
            "CommunicationKeyFieldName": _COLUMNS["communication_key_column"],
            "Channel": channel,
        }
        delivery = {
            "inputs": inputs,
            "key": delivery_key(uuid.UUID(path.stem[-36:])),
            "file": path,
            "accepted": False,
            "released": False,
        }
        self.deliveries.append(delivery)
        return delivery

    def call(self, host: int, slot: str, delivery: dict[str, Any], strike: Strike = NOTHING) -> None:
        """A call of the Upload or the Broadcast script, which writes the file where the answer says."""
        body = delivery["inputs"] if slot == "upload" else {"TransactionId": delivery["key"], "Wait": False}

        def call() -> object:
            status, text = answer(lambda: self.hosts[host], slot, json.dumps(body).encode())
            found = json.loads(text)
            if "UploadUrl" in found:
                self.blobs.put(
                    self.hosts[host].lists.name, f"{delivery['key']}/delivery", delivery["file"].read_bytes()
                )
            elif status == HTTPStatus.OK:
                delivery["accepted"] = True
                delivery["released"] |= slot == "broadcast"
            return status

        self.run(f"host {host} {slot} {delivery['key'][:6]}", call, strike)

    # The bridge's triggers

    def timer(self, host: int, name: str, strike: Strike = NOTHING) -> None:
        """A timer fires."""
        functions: dict[str, Callable[[Bridge], object]] = {
            "poll_jobs": poll_jobs,
            "housekeeping": housekeeping,
            "gather_responses": gather_responses,
        }
        self.run(f"host {host} {name}", lambda: functions[name](self.hosts[host]), strike)

    def receive(self, host: int, message: Message, strike: Strike = NOTHING) -> None:
        """A queue trigger receives a message and invokes its function, as the storage extension does."""
        message.visible_at = self.clock.now() + timedelta(seconds=INVISIBLE)
        message.deliveries += 1

        def call() -> None:
            try:
                self._invoke(self.hosts[host], message)
            except (BridgeError, GarbageError):
                if message.deliveries >= _MOST_DELIVERIES:
                    self._delete(message)
                else:
                    message.visible_at = self.clock.now() + timedelta(seconds=30)
                raise
            self._delete(message)

        self.run(f"host {host} {message.queue.partition('-')[0]} {edges.decoded(message)!r}", call, strike)

    def _invoke(self, bridge: Bridge, message: Message) -> None:
        """Call the step of the queue, as function_app does."""
        settings, loads = bridge.settings, message.queue == bridge.settings.load_responses_queue
        try:
            body = json.loads(edges.decoded(message))
            arguments = (body["response_file"],) if loads else (body["broadcast"], body["version"])
        except (ValueError, KeyError, TypeError):
            raise GarbageError from None
        step = upload_list if message.queue == settings.upload_list_queue else monitor_import
        (load_responses if loads else step)(bridge, *arguments)

    def _delete(self, message: Message) -> None:
        if message in self.queues.messages:
            self.queues.messages.remove(message)

    # An operator

    def operate(self, host: int, operation: str, broadcast: Broadcast, strike: Strike = NOTHING) -> None:
        """An operator's command. What an operator says about a parked broadcast is true by the books."""
        named: dict[str, Any] = {}
        if operation == "resolve":
            said = self._is_started(broadcast)
            if said is None:
                return
            named = said
        function = getattr(operations, operation)
        call = partial(function, self.hosts[host], broadcast.key, owner="an operator", **named)
        self.run(f"host {host} {operation} {broadcast.key[:6]} {named or ''}", call, strike)

    def _is_started(self, broadcast: Broadcast) -> dict[str, Any] | None:
        """What an operator who looks sees: whether it was started; None if it is better to wait."""
        key = broadcast.key
        with self.records() as books:
            campaign = books.execute(
                "SELECT campaign_id FROM mail_sent WHERE broadcast_key = ? UNION SELECT campaign_id FROM mail_waiting "
                "WHERE broadcast_key = ?",
                (key, key),
            ).fetchone()
            if campaign is not None:
                return {"started": True, "campaign_id": campaign[0]}
            if books.execute(
                "SELECT 1 FROM import_run WHERE state <> 'done' AND file LIKE ?", (f"%{key}%",)
            ).fetchone():
                return None
            begun = books.execute(
                "SELECT 1 FROM campaign WHERE id = ? AND status <> 'activationRequired' UNION SELECT 1 FROM "
                "sending_batch WHERE id = ? AND state = 'sent'",
                (broadcast.campaign_id, broadcast.batch_id),
            ).fetchone()
        if broadcast.request.route is RouteKind.EXPORT_FILE:
            return {"started": any((self.folder / "simulator/site/partner").glob(f"{key}.csv"))}
        return {"started": begun is not None}

    # Time

    def pass_time(self, seconds: float, rounds: int = 2) -> None:
        """Let time pass, here and at Optimizely."""
        for _ in range(rounds):
            self.clock.advance(seconds=seconds / rounds)
            self.simulator.clock.advance(timedelta(seconds=seconds / rounds))
            self.simulator.round()

    # What is true

    @contextmanager
    def records(self) -> Iterator[sqlite3.Connection]:
        """The simulator's own books."""
        with self.simulator._store.reading() as connection:
            yield connection

    def broadcasts(self) -> list[Broadcast]:
        """Every broadcast of the ledger, oldest first."""
        return self.hosts[0].ledger.broadcasts.newest(1000)[::-1]

    def unfinished(self) -> list[Broadcast]:
        """Those that are not at rest."""
        return [broadcast for broadcast in self.broadcasts() if broadcast.state not in RESTING]

    def drain(self, rounds: int = 100) -> None:
        """Stop every fault, and let the bridge do its work until nothing is left to do."""
        self.simulator._faults.clear_all()
        holds.lift(self.hosts[0], by="an operator")
        for actor in list(self.actors):
            self.resume(actor)
        for number in range(rounds):
            self.pass_time(660 if number % 2 else 70)
            for delivery in self.deliveries:
                if not delivery["released"]:
                    self.call(0, "broadcast", delivery)
            if number % 20 == _PATIENCE:
                self._resolve_parked()
            if number < 2 or self._not_taken_in():
                self.timer(number % 2, "poll_jobs")
            visible = self.queues.visible()
            for message in visible:
                self.receive(message.number % 2, message)
            if not visible or number % 5 == 0:
                if number and not self.unfinished() and not self._not_taken_in():
                    self.timer(0, "housekeeping")
                    return
                self.timer(1, "housekeeping")
        stuck = [(broadcast.key, broadcast.state, broadcast.attempts) for broadcast in self.unfinished()]
        raise AssertionError(f"nothing ends: {stuck}, not taken in: {self._not_taken_in()}")

    def _resolve_parked(self) -> None:
        """A parked broadcast keeps its list: the next one waits until an operator has settled it."""
        for broadcast in self.broadcasts():
            if broadcast.state is State.NEEDS_OPERATOR:
                self.operate(0, "resolve", broadcast)

    def drain_responses(self, rounds: int = 40) -> None:
        """Let recipients react, and load what Optimizely exports, until nothing is left to come."""
        before = None
        for number in range(rounds):
            self.pass_time(12 * 3600)
            for name in ("gather_responses", "housekeeping") if number % 4 == 3 else ("gather_responses",):
                self.timer(number % 2, name)
            for message in self.queues.visible():
                self.receive(message.number % 2, message)
            now = self.hosts[0].ledger.response_files.totals()
            if self.simulator.control.idle and now == before:
                return
            before = now
        raise AssertionError(f"responses do not end: {before}")

    def _not_taken_in(self) -> list[int | str]:
        taken = self.ledger.execute("SELECT job_id, delivery_file FROM broadcast").fetchall()
        jobs, files = {job for job, _ in taken}, {file for _, file in taken}
        return [job for job in self.jobs if job not in jobs] + [name for name in self.dropped if name not in files]


class _NeverBeats:
    """In place of the thread of a heartbeat."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        """Nothing starts."""

    def join(self) -> None:
        """Nothing ends."""


class _KeptOpen(sqlite3.Connection):
    """One connection for all transactions of the simulator: opening one takes longer than most of them."""

    def close(self) -> None:
        """Stays open until the world ends."""


@cache
def schema[Kind: WsDbSchema | RsDbSchema](kind: type[Kind], zone: str) -> Kind:
    """The tables of a database of FastStats: statements over tables of their own would be compiled anew."""
    return kind(zone)


#: The first dialect of each database, and what was compiled for it.
_compiled: dict[str, tuple[Dialect, Any]] = {}


def _compile_once(database: Database) -> None:
    """Let compiled statements outlive a world: compiling takes a third of its time. They are kept by dialect."""
    engine = database.engine
    engine.dialect, engine._compiled_cache = _compiled.setdefault(
        database.name, (engine.dialect, engine._compiled_cache)
    )


def _begin_unheard(engine: Any) -> None:
    """Let the dialect begin transactions: an engine that has a listener looks for more of them at each statement."""
    event.remove(engine, "begin", _begin_sqlite)
    engine._has_events = engine._proxied._has_events = False

    def note(connection: Connection, options: Mapping[str, Any]) -> None:
        connection.connection.info.update(options)

    def begin(connection: PoolProxiedConnection) -> None:
        writes = connection.info.pop("writes", False)
        connection.cursor().execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    engine.dialect.set_connection_execution_options, engine.dialect.do_begin = note, begin


def _without_syncs(connection: sqlite3.Connection, _entry: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()
