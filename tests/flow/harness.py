"""A whole bridge over real parts: Azurite, the simulator with its SFTP site, databases. Steps are called from here."""

import base64
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any
from xml.etree.ElementTree import fromstring

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient
from pydantic import SecretStr
from sqlalchemy import select, update

from local.demo.processes import Process
from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from local.faststats.wizard import BroadcastJob, insert_job
from shared.bridge import Bridge
from shared.broadcast import ORDER, RESTING, Broadcast, RouteKind, State
from shared.config.channels import DEFAULT, Channel
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.faststats.schema_map.names import WsDbSchema
from shared.ledger.leases import Leases
from shared.steps.broadcast_step import run_steps
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.steps.load_responses import load_responses
from shared.steps.monitor_import import monitor_import
from shared.steps.poll_jobs import poll_jobs
from shared.steps.upload_list import _prepare, _stage, _transfer, upload_list
from tests.clocks import MovableClock
from tests.databases import ZONE, Databases

#: Seconds within which a condition must come true; generous, for machines are slow at times.
PATIENCE = 300
#: Seconds between two sweeps while a broadcast is followed: as long as a lease of these tests lasts.
SWEEP_SECONDS = 2
_ROOT = Path(__file__).parents[2]
_NEVER = "0 0 0 1 1 *"


def channel(route: RouteKind = RouteKind.IMPORT_JOB, **more: Any) -> Channel:
    """A channel of the simulator's Optimizely."""
    return Channel(route=route, seed_list="Seed list", **more)


def until(condition: Callable[[], bool], what: str, *, between: Callable[[], object] = lambda: None) -> None:
    """Wait for a condition, doing something between two checks."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        between()
        time.sleep(0.05)  # a check costs more CPU than this, here and in Azurite


def change_job(flow: "Flow", job_id: int, **columns: object) -> None:
    """Change a job as its client or FastStats does."""
    queue = WsDbSchema(ZONE).job_queue
    with flow.ws_database.writing() as connection:
        connection.execute(update(queue).where(queue.c.job_id == job_id).values(**columns))


@dataclass
class Flow:
    """The bridge, what it talks to, and verbs for the tests."""

    bridge: Bridge
    clock: MovableClock
    site: dict[str, Any]
    queues: QueueServiceClient
    folder: Path

    def order(self, *, recipients: int = 60, seed: int = 1, command: str | None = None, **job: Any) -> int:
        """Play FastStats: a delivery file and a job."""
        name = delivery_file_name("Customers", seed)
        write_delivery_file(Path(self.bridge.settings.delivery_files, name), recipients, seed)
        columns = {"list_name": "Customers", "message_name": "Spring Newsletter", "file_path": name} | job
        return insert_job(self.ws_database, BroadcastJob(**columns), zone=ZONE, now=datetime.now(UTC), command=command)

    @property
    def ws_database(self) -> Database:
        """WS_DB."""
        assert self.bridge.ws_database is not None
        return self.bridge.ws_database

    def use(self, default: Channel) -> None:
        """Make this the channel of jobs that name none."""
        self.bridge.channels._channels = MappingProxyType({DEFAULT: default})

    def poll(self) -> None:
        """Take waiting jobs in."""
        poll_jobs(self.bridge)

    def stop_at(self, job_id: int, state: State) -> None:
        """Bring a new broadcast as far as this state, and not further.

        Nothing sweeps here: on a busy machine the short lease of these tests would run out, and the step with it.
        """
        steps = {State.CLAIMED: _stage, State.STAGED: _prepare, State.PREPARED: _transfer}
        broadcast = self.broadcast(job_id)
        before = {known: step for known, step in steps.items() if ORDER.index(known) < ORDER.index(state)}
        if before:
            leases = Leases(self.bridge.rs_database, seconds=PATIENCE, clock=self.bridge.clock)
            patient = replace(self.bridge, ledger=replace(self.bridge.ledger, leases=leases))
            run_steps(patient, broadcast.key, broadcast.version, before)
        assert self.broadcast(job_id).state is state

    def broadcast(self, job_id: int | None) -> Broadcast:
        """The broadcast of a job."""
        return next(row for row in self.bridge.ledger.broadcasts.newest(100) if row.request.job_id == job_id)

    def deliver(self) -> int:
        """Deliver every visible message to its step, as the queue triggers do."""
        settings = self.bridge.settings
        steps: dict[str, Callable[[dict[str, Any]], object]] = {
            settings.upload_list_queue: lambda message: upload_list(
                self.bridge, message["broadcast"], message["version"]
            ),
            settings.monitor_import_queue: lambda message: monitor_import(
                self.bridge, message["broadcast"], message["version"]
            ),
            settings.load_responses_queue: lambda message: load_responses(self.bridge, message["response_file"]),
        }
        delivered = 0
        for name, step in steps.items():
            for message in self.take(name):
                step(message)
                delivered += 1
        return delivered

    def take(self, queue: str) -> list[dict[str, Any]]:
        """Take every visible message from a queue."""
        client = self.queues.get_queue_client(queue)
        taken = []
        try:
            for message in client.receive_messages(messages_per_page=32, visibility_timeout=600):
                taken.append(json.loads(base64.b64decode(message.content)))
                client.delete_message(message)
        except ResourceNotFoundError:
            return []
        return taken

    def run(self, job_id: int | None) -> Broadcast:
        """Poll, and deliver messages until the broadcast of the job is at rest."""

        swept = time.monotonic()

        def pass_on() -> None:
            nonlocal swept
            self.deliver()
            if time.monotonic() - swept > SWEEP_SECONDS:
                # On a machine so busy that a lease runs out, the sweep goes on; otherwise it finds nothing.
                housekeeping(self.bridge)
                swept = time.monotonic()

        poll_jobs(self.bridge)
        until(lambda: self.broadcast(job_id).state in RESTING, f"job {job_id} at rest", between=pass_on)
        return self.broadcast(job_id)

    def sweep_until_at_rest(self, job_id: int | None) -> Broadcast:
        """After a crash: sweep and deliver until the broadcast of the job is at rest and its job reported so.

        The clock moves past the leases of whoever died, so that nobody waits for them to expire.
        """
        self.clock.advance(seconds=self.bridge.settings.lease_seconds)

        def pass_on() -> None:
            poll_jobs(self.bridge)
            housekeeping(self.bridge)
            self.deliver()

        until(
            lambda: any(
                row.request.job_id == job_id and row.state in RESTING and row.reported_at is not None
                for row in self.bridge.ledger.broadcasts.newest(100)
            ),
            f"job {job_id} at rest and reported",
            between=pass_on,
        )
        return self.broadcast(job_id)

    def collect_responses(self) -> None:
        """Gather and load until the simulator is idle and every response file is loaded."""

        def all_loaded() -> bool:
            state, totals = self.simulator(), self.bridge.ledger.response_files.totals()
            ended = totals["files_loaded"] + totals["files_failed"]
            return bool(state["idle"]) and ended == len(state["response_files"]) > 0

        def pass_on() -> None:
            gather_responses(self.bridge)
            self.deliver()

        until(all_loaded, "every response loaded", between=pass_on)

    def simulator(self) -> dict[str, Any]:
        """The simulator's own records."""
        state: dict[str, Any] = self._control("GET", "state")
        return state

    def simulated_time(self) -> datetime:
        """What time it is at Optimizely."""
        return datetime.fromisoformat(self.simulator()["simulated_time"])

    def set_clock(self, **values: float) -> None:
        """Change Optimizely's clock: `speed`, `advance_seconds`."""
        self._control("POST", "clock", values)

    def pass_time(self, **by: float) -> None:
        """Let time pass at Optimizely."""
        self.set_clock(advance_seconds=timedelta(**by).total_seconds())

    def add_fault(self, knob: dict[str, Any]) -> None:
        """Let the simulator play a fault."""
        self._control("POST", "faults", knob)

    def clear_faults(self) -> None:
        """Let the simulator play no fault any more."""
        self._control("DELETE", "faults")

    def strikes(self) -> int:
        """How often the faults have struck."""
        return sum(fault["struck"] for fault in self._control("GET", "faults"))

    def set(self, **settings: object) -> None:
        """Change settings of the bridge."""
        self.bridge = replace(self.bridge, settings=self.bridge.settings.model_copy(update=settings))

    def _control(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.site['control_url']}/{path}", content, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def live(self) -> None:
        """Let some time pass at Optimizely, and deliver messages."""
        self.pass_time(minutes=2)
        self.deliver()

    def campaign(self, broadcast: Broadcast) -> dict[str, Any]:
        """The simulator's record of the broadcast's Smart Campaign."""
        campaigns: list[dict[str, Any]] = self.simulator()["campaigns"]
        return next(campaign for campaign in campaigns if campaign["id"] == broadcast.campaign_id)

    def copies(self, broadcast: Broadcast) -> list[dict[str, Any]]:
        """Every Smart Campaign that was copied for the broadcast."""
        return [campaign for campaign in self.simulator()["campaigns"] if broadcast.key in campaign["name"]]

    def job(self, job_id: int) -> tuple[str, dict[str, str]]:
        """State and results of a job, as its client reads them."""
        schema = WsDbSchema(ZONE)
        queue, results = schema.job_queue, schema.results
        assert results is not None
        with self.ws_database.reading() as connection:
            state = connection.scalar(select(queue.c.state).where(queue.c.job_id == job_id))
            text = connection.scalar(select(results.c.results).where(results.c.job_id == job_id))
        return str(state), {element.tag: element.text or "" for element in fromstring(text)} if text else {}


def make_settings(folder: Path, storage: str, site: dict[str, Any], databases: Databases, **more: str) -> Settings:
    """Settings of a bridge of its own."""
    tag = uuid.uuid4().hex[:12]
    return Settings.model_validate(
        {
            "AzureWebJobsStorage": storage,
            "UPLOAD_LIST_QUEUE": f"upload-{tag}",
            "MONITOR_IMPORT_QUEUE": f"monitor-{tag}",
            "LOAD_RESPONSES_QUEUE": f"load-{tag}",
            "STAGING_CONTAINER": f"staging-{tag}",
            "REJECTS_CONTAINER": f"rejects-{tag}",
            "RESPONSES_CONTAINER": f"responses-{tag}",
            "SYSTEM_NAME": "Test",
            "WS_DB": databases.ws,
            "RS_DB": databases.rs,
            "DATABASE_TIME_ZONE": ZONE,
            "DELIVERY_FILES": str(folder / "deliveries"),
            "OPTIMIZELY_REST_URL": site["rest_url"],
            "OPTIMIZELY_CLIENT_ID": str(site["client_id"]),
            "OPTIMIZELY_API_USER": site["api_user"],
            "OPTIMIZELY_API_PASSWORD": site["api_password"],
            "SFTP_HOST": site["sftp_host"],
            "SFTP_PORT": str(site["sftp_port"]),
            "SFTP_USER": site["sftp_user"],
            "SFTP_PRIVATE_KEY": Path(site["private_key_file"]).read_text(),
            "SFTP_HOST_KEYS": site["host_key"],
            "SFTP_RESPONSE_FOLDER": site["response_folder"],
            "MONITOR_INTERVAL_SECONDS": "0.1",
            "LEASE_SECONDS": "30",
            "RETRY_SECONDS": "0.02",
            "START_SETTLE_SECONDS": "0.5",
            "RESPONSE_FILE_SETTLE_SECONDS": "0",
            "IMPORT_TIMEOUT_MINUTES": "5",
            "SEND_TIMEOUT_MINUTES": "5",
            **more,
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """The settings as app settings, with schedules that never come."""
    texts = {}
    for name, field in Settings.model_fields.items():
        value = _NEVER if name.endswith("_schedule") else getattr(settings, name)
        if value is not None:
            texts[str(field.alias)] = str(value.get_secret_value() if isinstance(value, SecretStr) else value)
    return texts


@contextmanager
def app_host(flow: Flow, **settings: str) -> Iterator[tuple[Process, str]]:
    """The app in a host of its own, whose timers fire only if a setting says so; its address."""
    process = Process(
        "host", ["local.host", "--app", str(_ROOT)], flow.folder, environment(flow.bridge.settings) | settings
    )
    try:
        yield process, process.wait_ready()["url"]
    finally:
        process.stop()
