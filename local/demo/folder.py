"""The demo's folder: it holds all data of a demo, so that the demo can be resumed or deleted."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.broadcast import Intake, RouteKind, SendMode
from shared.config.settings import Settings

#: Time zone of WS_DB and RS_DB in the demo.
ZONE = "Europe/Berlin"
#: Container that the demo's channel watches for delivery files.
DROPPED = "dropped"
#: App setting with the private key for the SFTP site of exported files.
_PARTNER_KEY = "PARTNER_PRIVATE_KEY"


class DemoFolderError(Exception):
    """The demo's folder cannot be used."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The broadcast of the demo, and its route."""

    recipients: int
    seed: int
    #: Values of `Intake`, `RouteKind` and `SendMode`.
    intake: str = Intake.JOB
    route: str = RouteKind.IMPORT_JOB
    send: str = SendMode.VERIFY_THEN_START
    list_name: str = "Customers"
    message_name: str = "Spring Newsletter"


class DemoFolder:
    """The folder and its files.

    Args:
        path: path of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.deliveries = self.path / "deliveries"
        self.azurite = self.path / "azurite"
        self.simulator = self.path / "simulator"
        self.logs = self.path / "logs"
        self.settings_file = self.path / "local.settings.json"
        self.summary = self.path / "summary.json"
        #: A folder on the simulator's SFTP site, in the role of a partner's site.
        self._partner = self.simulator / "site" / "partner"
        self._channels = self.path / "channels.toml"
        self._plan = self.path / "demo.json"
        #: Connection strings of databases that are not in the folder.
        self.databases_file = self.path / "databases.json"
        self._lock = self.path / "demo.pid"

    def create(self, plan: Plan) -> None:
        """Delete the previous demo and begin a new one.

        Raises:
            DemoFolderError: the folder holds something other than a demo, or a running demo.
        """
        if self.path.exists() and any(self.path.iterdir()) and not self._plan.exists():
            msg = f"{self.path} is not empty and contains no demo: choose another folder with --folder"
            raise DemoFolderError(msg)
        self._refuse_running()
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in (self.deliveries, self.azurite, self.simulator, self.logs, self._partner):
            folder.mkdir(parents=True)
        self._plan.write_text(json.dumps(asdict(plan)))
        self._lock.write_text(str(os.getpid()))

    def resume(self) -> Plan:
        """Resume the demo in the folder.

        Raises:
            DemoFolderError: there is no demo, or it is running.
        """
        if not self._plan.exists():
            msg = f"{self.path} contains no demo to resume: run `.venv/bin/bridge demo` first"
            raise DemoFolderError(msg)
        self._refuse_running()
        self._lock.write_text(str(os.getpid()))
        return Plan(**json.loads(self._plan.read_text()))

    def release(self) -> None:
        """Mark the folder as not in use by a running demo."""
        self._lock.unlink(missing_ok=True)

    def write_settings(
        self, plan: Plan, storage_connection: str, simulator: dict[str, Any], databases: Mapping[str, str]
    ) -> Settings:
        """Write the `local.settings.json` and the channels of the host, and return the same settings for this process.

        Args:
            plan: the broadcast and its route.
            storage_connection: Azurite's connection string.
            simulator: the simulator's ready file.
            databases: connection strings of WS_DB and RS_DB where they are not in the folder.
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
            **databases,
            "DATABASE_TIME_ZONE": ZONE,
            "DELIVERY_FILES": str(self.deliveries),
            "CHANNELS_FILE": str(self._channels),
            "OPTIMIZELY_REST_URL": simulator["rest_url"],
            "OPTIMIZELY_CLIENT_ID": str(simulator["client_id"]),
            "OPTIMIZELY_API_USER": simulator["api_user"],
            "OPTIMIZELY_API_PASSWORD": simulator["api_password"],
            "SFTP_HOST": simulator["sftp_host"],
            "SFTP_PORT": str(simulator["sftp_port"]),
            "SFTP_USER": simulator["sftp_user"],
            "SFTP_PRIVATE_KEY": Path(simulator["private_key_file"]).read_text(),
            _PARTNER_KEY: Path(simulator["private_key_file"]).read_text(),
            "SFTP_HOST_KEYS": simulator["host_key"],
            "SFTP_RESPONSE_FOLDER": simulator["response_folder"],
            # Hours of simulated time pass in a second, so all checks are frequent.
            "MONITOR_INTERVAL_SECONDS": "1",
            "LEASE_SECONDS": "10",
            "RETRY_SECONDS": "1",
            "START_SETTLE_SECONDS": "5",
            "RESPONSE_FILE_SETTLE_SECONDS": "1",
            "IMPORT_TIMEOUT_MINUTES": "5",
            "SEND_TIMEOUT_MINUTES": "5",
        }
        if "ONLY_MAIL" in os.environ:
            values["ONLY_MAIL"] = os.environ["ONLY_MAIL"]
        self.settings_file.touch(mode=0o600)
        self.settings_file.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=2))
        os.environ[_PARTNER_KEY] = values[
            _PARTNER_KEY
        ]  # the bridge reads keys of other SFTP sites from the environment
        return Settings.model_validate(values)

    def exported_rows(self, broadcast_key: str) -> int | None:
        """Number of rows in the exported file of a broadcast; None when there is no file."""
        files = list(self._partner.glob(f"*{broadcast_key}*"))
        return sum(1 for _ in files[0].open("rb")) - 1 if files else None

    def _refuse_running(self) -> None:
        try:
            pid = int(self._lock.read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return
        if pid != os.getpid():
            msg = f"a demo is already running in {self.path} (process {pid})"
            raise DemoFolderError(msg)


def _channels(plan: Plan, simulator: dict[str, Any]) -> str:
    """The demo's channels file. Send modes that only a job can request (a time, upload only) are omitted."""
    sent_by_channel = {SendMode.VERIFY_THEN_START, SendMode.AFTER_IMPORT}
    if plan.intake == Intake.FILE:
        sent_by_channel.add(SendMode.UPLOAD_ONLY)
    lines = ["[channels.default]", f'route = "{plan.route}"']
    if plan.send in sent_by_channel:
        lines.append(f'send = "{plan.send}"')
    if plan.route == RouteKind.EXPORT_FILE:
        lines += [
            'export_file = { site = "partner", folder = "/partner" }',
            'fields = { "Kunden ID" = "customer", "Email" = "mail" }',
            'list_file = { name = "{delivery_file}-{broadcast}.csv", quote_all = true }',
        ]
    else:
        lines += [
            f'import_job = {{ folder = "{simulator["import_folder"]}" }}',
            f'closed_loop = {{ folder = "{simulator["closed_loop_folder"]}" }}',
            "suppress = true",
            'seed_list = "Seed list"',
        ]
    if plan.intake == Intake.FILE:
        lines += [
            "[channels.default.drop]",
            f'place = "container:{DROPPED}"',
            f'list_name = "{plan.list_name}"',
            f'message_name = "{plan.message_name}"',
            'urn_column = "Kunden ID"',
            "settle_seconds = 1",
        ]
    lines += [
        "[sftp_sites.partner]",
        f'host = "{simulator["sftp_host"]}"',
        f"port = {simulator['sftp_port']}",
        f'user = "{simulator["sftp_user"]}"',
        f'host_keys = ["{simulator["host_key"]}"]',
        f'private_key = "{_PARTNER_KEY}"',
    ]
    return "\n".join([*lines, ""])
