"""The demo: starts all processes, submits the broadcast, waits for all responses, and sums up."""

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from local.azurite import Azurite
from local.demo.databases import kept
from local.demo.folder import ZONE, DemoFolder, Plan
from local.demo.intake import drop_file, insert_broadcast_job, play_peoplestage
from local.demo.processes import NotReadyError, Process
from local.demo.summary import summarize
from local.faststats.databases import create_databases
from local.faststats.peoplestage import SlotError
from shared.bridge import Bridge
from shared.broadcast import RESTING, Broadcast, Intake, SendMode, State

#: The function app: the folder that holds function_app.py.
APP = Path(__file__).resolve().parents[2]
#: Seconds between two checks of the progress.
_POLL_SECONDS = 0.5
#: Seconds without progress after which the demo gives up.
_PATIENCE_SECONDS = 180


class DemoStoppedError(Exception):
    """The demo stopped before its end; it can be resumed."""


@dataclass(slots=True)
class Progress:
    """The progress that the live view shows."""

    plan: Plan
    seconds: float = 0
    broadcast: Broadcast | None = None
    simulator: dict[str, Any] = field(default_factory=dict)
    responses: dict[str, int] = field(default_factory=dict)


@contextmanager
def running(folder: DemoFolder, plan: Plan, *, report: Callable[[str], None]) -> Iterator["Demo"]:
    """Start all processes of the demo, and stop them at the end.

    Args:
        folder: the folder of the demo.
        plan: the broadcast and its route.
        report: called with each progress message.

    Raises:
        NotReadyError: a process did not become ready.
    """
    with ExitStack() as stack:
        report("Starting Azurite, the storage emulator: queues and blobs.")
        azurite = stack.enter_context(Azurite(folder.azurite))
        report("Starting the Optimizely Campaign simulator: SFTP site, REST API, recipients.")
        arguments = ["local.simulator", "--data", str(folder.simulator), "--seed", str(plan.seed)]
        simulator = Process("simulator", arguments, folder.logs)
        stack.callback(simulator.stop)
        optimizely = simulator.wait_ready()
        settings = folder.write_settings(plan, azurite.connection_string, optimizely, kept(folder.databases_file))
        bridge = Bridge.from_settings(settings)
        stack.callback(bridge.close)
        if bridge.test_installation:
            report(bridge.test_installation)
        ws_database = bridge.ws_database
        if ws_database is None:
            msg = "the demo has no WS_DB"
            raise NotReadyError(msg)
        create_databases(ws_database, bridge.rs_database, zone=ZONE)
        bridge.set_up()
        host = Process(
            "host",
            ["local.host", "--app", str(APP), "--settings", str(folder.settings_file)],
            folder.logs,
            # Without MALLOC_ARENA_MAX, the C library keeps a heap per thread, and memory appears to grow with rows.
            {"PYTHON_THREADPOOL_THREAD_COUNT": "8", "MALLOC_ARENA_MAX": "2"},
        )
        stack.callback(host.stop)
        ready = host.wait_ready()
        report(f"Started the Functions host as process {host.pid}; log: {host.log}.")
        optimizely_time = datetime.fromisoformat(_simulator_state(optimizely["control_url"])["simulated_time"])
        match plan.intake:
            case Intake.FILE:
                drop_file(folder, plan, azurite.connection_string, report)
            case Intake.CHANNEL:
                try:
                    play_peoplestage(bridge.rs_database, folder, plan, ready, optimizely_time, report)
                except (SlotError, OSError, TimeoutError) as error:
                    raise DemoStoppedError(str(error)) from None
            case _:
                insert_broadcast_job(ws_database, folder, plan, settings, optimizely_time, report)
        yield Demo(folder, plan, bridge, host, ready["url"], optimizely["control_url"])


class Demo:
    """A running demo."""

    def __init__(
        self, folder: DemoFolder, plan: Plan, bridge: Bridge, host: Process, url: str, control_url: str
    ) -> None:
        self._folder = folder
        self._plan = plan
        self._bridge = bridge
        self._host = host
        self._url = url
        self._control_url = control_url
        self._started = time.monotonic()

    def watch(self) -> Iterator[Progress]:
        """Yield the progress every half second until the broadcast is at rest and all responses are loaded.

        Raises:
            DemoStoppedError: the host ended, or there was no progress for minutes.
        """
        last, changed = None, time.monotonic()
        while True:
            progress = self._progress()
            yield progress
            if self._is_done(progress):
                return
            if ended := self._host.ended():
                msg = f"the Functions host {ended}"
                raise DemoStoppedError(msg)
            current = (progress.broadcast, progress.responses, progress.simulator.get("idle"))
            if current != last:
                last, changed = current, time.monotonic()
            elif time.monotonic() - changed > _PATIENCE_SECONDS:
                msg = f"no progress for {_PATIENCE_SECONDS} seconds"
                raise DemoStoppedError(msg)
            time.sleep(_POLL_SECONDS)

    def summary(self) -> dict[str, Any]:
        """The closing summary."""
        progress = self._progress()
        if progress.broadcast is None:
            msg = "there is no broadcast"
            raise DemoStoppedError(msg)
        memory = self._host.peak_memory()
        return summarize(
            self._bridge,
            progress.broadcast,
            progress.simulator,
            exported_rows=self._folder.exported_rows(progress.broadcast.key),
            recipients=self._plan.recipients,
            seed=self._plan.seed,
            seconds=round(progress.seconds, 1),
            host_peak_memory_mib=memory and round(memory / 1024**2, 1),
        )

    def suggestions(self) -> list[str]:
        """Commands to try while the demo is running, one line each."""
        settings = f"--settings {self._folder.settings_file}"
        return [
            f"The demo keeps running until Ctrl-C. Status: {self._url}/status, health: {self._url}/health.",
            "To try in another terminal:",
            f"  .venv/bin/bridge responses load FILE --json {settings}",
            f"  .venv/bin/bridge erase --address ADDRESS {settings}",
            f"  .venv/bin/bridge doctor {settings}",
        ]

    def wait(self) -> None:
        """Wait until the host ends."""
        while self._host.ended() is None:
            time.sleep(_POLL_SECONDS)

    def _progress(self) -> Progress:
        newest = self._bridge.ledger.broadcasts.newest(1)
        return Progress(
            plan=self._plan,
            seconds=time.monotonic() - self._started,
            broadcast=newest[0] if newest else None,
            simulator=_simulator_state(self._control_url),
            responses=self._bridge.ledger.response_files.totals(),
        )

    def _is_done(self, progress: Progress) -> bool:
        broadcast, responses = progress.broadcast, progress.responses
        if broadcast is None or broadcast.state not in RESTING:
            return False
        if broadcast.state is not State.CLOSED or broadcast.request.send_mode is SendMode.UPLOAD_ONLY:
            return True
        written = len(progress.simulator.get("response_files", ()))
        processed = responses["files_loaded"] + responses["files_failed"]
        return bool(progress.simulator.get("idle")) and processed >= written > 0


def _simulator_state(control_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{control_url}/state", timeout=30) as response:  # noqa: S310 - loopback
        state: dict[str, Any] = json.load(response)
    return state
