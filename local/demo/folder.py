"""The demo's folder: everything the demo makes lies in it, so that it can be gone on with or thrown away."""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.broadcast import RouteKind, SendMode
from shared.settings import Settings

#: Zone of WS_DB and RS_DB in the demo.
ZONE = "Europe/Berlin"


class DemoFolderError(Exception):
    """The demo's folder cannot be used as asked."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo carries."""

    recipients: int
    seed: int
    #: Words of `RouteKind` and `SendMode`.
    route: str = RouteKind.IMPORT_JOB
    send: str = SendMode.VERIFY_THEN_START
    list_name: str = "Customers"
    message_name: str = "Spring Newsletter"


class DemoFolder:
    """The folder and the files in it.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.deliveries = self.path / "deliveries"
        self.azurite = self.path / "azurite"
        self.simulator = self.path / "simulator"
        self.logs = self.path / "logs"
        self.settings_file = self.path / "local.settings.json"
        self.summary = self.path / "summary.json"
        self._channels = self.path / "channels.toml"
        self._plan = self.path / "demo.json"
        self._lock = self.path / "demo.pid"

    def start_anew(self, plan: Plan) -> None:
        """Empty the folder and begin a new demo in it.

        Raises:
            DemoFolderError: it holds something else than a demo, or a demo that runs.
        """
        if self.path.exists() and any(self.path.iterdir()) and not self._plan.exists():
            msg = f"{self.path} is not empty and holds no demo: name another folder with --folder"
            raise DemoFolderError(msg)
        self._refuse_running()
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in (self.deliveries, self.azurite, self.simulator, self.logs):
            folder.mkdir(parents=True)
        self._plan.write_text(json.dumps(asdict(plan)))
        self._lock.write_text(str(os.getpid()))

    def go_on(self) -> Plan:
        """Go on with the demo in the folder.

        Raises:
            DemoFolderError: there is none, or it runs.
        """
        if not self._plan.exists():
            msg = f"{self.path} holds no demo to go on with: run `bridge demo` first"
            raise DemoFolderError(msg)
        self._refuse_running()
        self._lock.write_text(str(os.getpid()))
        return Plan(**json.loads(self._plan.read_text()))

    def give_back(self) -> None:
        """Say that no demo runs in the folder any more."""
        self._lock.unlink(missing_ok=True)

    def write_settings(self, plan: Plan, storage_connection: str, simulator: dict[str, Any]) -> Settings:
        """Write `local.settings.json` and the channels for the host, and read the settings of this process from it.

        Args:
            plan: what is carried, and how.
            storage_connection: Azurite's connection string.
            simulator: the simulator's ready file.
        """
        self._channels.write_text(_channels(plan, simulator))
        values = {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": storage_connection,
            "UPLOAD_LIST_QUEUE": "upload-list",
            "MONITOR_IMPORT_QUEUE": "monitor-import",
            "LOAD_RESPONSES_QUEUE": "load-responses",
            "POLL_JOBS_SCHEDULE": "*/2 * * * * *",
            "GATHER_RESPONSES_SCHEDULE": "*/2 * * * * *",
            "HOUSEKEEPING_SCHEDULE": "*/5 * * * * *",
            "DRAW_SUPPRESSIONS_SCHEDULE": "*/2 * * * * *",
            "SYSTEM_NAME": "Demo",
            "WS_DB": f"sqlite:///{self.path / 'WS_Demo.sqlite'}",
            "RS_DB": f"sqlite:///{self.path / 'RS_Demo.sqlite'}",
            "DATABASE_TIME_ZONE": ZONE,
            "DELIVERY_FOLDER": str(self.deliveries),
            "CHANNELS_FILE": str(self._channels),
            "OPTIMIZELY_REST_URL": simulator["rest_url"],
            "OPTIMIZELY_CLIENT_ID": str(simulator["client_id"]),
            "OPTIMIZELY_API_USER": simulator["api_user"],
            "OPTIMIZELY_API_PASSWORD": simulator["api_password"],
            "SFTP_HOST": simulator["sftp_host"],
            "SFTP_PORT": str(simulator["sftp_port"]),
            "SFTP_USER": simulator["sftp_user"],
            "SFTP_PRIVATE_KEY": Path(simulator["private_key_file"]).read_text(),
            "SFTP_HOST_KEYS": simulator["host_key"],
            "SFTP_RESPONSE_FOLDER": simulator["response_folder"],
            # Simulated hours pass in a second, so everything is looked at often.
            "MONITOR_INTERVAL_SECONDS": "1",
            "LEASE_SECONDS": "10",
            "RETRY_SECONDS": "1",
            "START_SETTLE_SECONDS": "5",
            "IMPORT_TIMEOUT_MINUTES": "5",
            "SEND_TIMEOUT_MINUTES": "5",
        }
        self.settings_file.touch(mode=0o600)
        self.settings_file.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=2))
        return Settings.model_validate(values)

    def _refuse_running(self) -> None:
        try:
            pid = int(self._lock.read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return
        if pid != os.getpid():
            msg = f"a demo runs in {self.path} already (process {pid})"
            raise DemoFolderError(msg)


def _channels(plan: Plan, simulator: dict[str, Any]) -> str:
    """The demo's one channel. What only the job can say (a time, upload only) is left out."""
    lines = ["[channels.default]", f'route = "{plan.route}"']
    if plan.send in {SendMode.VERIFY_THEN_START, SendMode.AFTER_IMPORT}:
        lines.append(f'send = "{plan.send}"')
    lines += [
        f'import_job = {{ folder = "{simulator["import_folder"]}" }}',
        f'closed_loop = {{ folder = "{simulator["closed_loop_folder"]}" }}',
        "suppress = true",
        'seed_list = "Seed list"',
    ]
    return "\n".join([*lines, ""])
