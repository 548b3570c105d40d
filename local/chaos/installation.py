"""What is started: Azurite, the simulator, two hosts, the databases, and a proxy before each server."""

import json
import os
import re
import sqlite3
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Final, Self

from local.azurite import Azurite
from local.chaos.proxy import Proxies, Proxy, Trouble
from local.demo.folder import ZONE
from local.demo.processes import NotReadyError, Process
from local.faststats.databases import create_databases
from local.simulator.clock import START
from local.simulator.store import Store
from shared.bridge import Bridge
from shared.config.settings import Settings
from shared.database.connections import Database

#: The function app: the folder that holds function_app.py.
_APP: Final = Path(__file__).resolve().parents[2]
#: Container that the channel `dropped` watches.
DROPPED: Final = "dropped"
#: Lists with an import job each, and lists of the pool: with few of them most broadcasts would only wait.
LISTS: Final = tuple(f"Chaos {number:02}" for number in range(1, 13))
_POOL: Final = 20
#: Simulated seconds per second: an import job fires every 10 minutes.
_SPEED: Final = 1800
_CHANNELS: Final = """
[channels.default]
[channels.after]
send = "after import"
[channels.loop]
route = "closed loop"
closed_loop = {{ copy_name = "{{campaign}}*{{broadcast}}*" }}
[channels.batch]
route = "sending batch"
sending_batch = {{ chunk_rows = 3 }}
[channels.export]
route = "export file"
export_file = {{ site = "partner", folder = "/partner" }}
list_file = {{ name = "{{broadcast}}.csv" }}
[channels.dropped]
route = "sending batch"
[channels.dropped.drop]
place = "container:{dropped}"
list_name = "{list_name}"
message_name = "Spring Newsletter"
urn_column = "Kunden ID"
settle_seconds = 1
[sftp_sites.partner]
host = "{sftp_host}"
port = {sftp_port}
user = "{sftp_user}"
host_keys = ["{host_key}"]
private_key = "PARTNER_PRIVATE_KEY"
"""


class Installation:
    """Everything that runs, for the duration of a `with` block.

    Args:
        folder: an empty folder for all data and logs.
        seed: seed of the recipients' behaviour.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self._seed = seed
        self._stack = ExitStack()
        self.deliveries = folder / "deliveries"
        self.books = folder / "simulator" / "simulator.sqlite"
        self.ledger = folder / "RS_Chaos.sqlite"
        self.jobs = folder / "WS_Chaos.sqlite"

    def __enter__(self) -> Self:
        """Start everything."""
        with self._stack:
            for folder in (self.deliveries, self.folder / "logs", self.folder / "simulator/site/partner"):
                folder.mkdir(parents=True)
            self._add_lists()
            azurite = self._stack.enter_context(Azurite(self.folder / "azurite"))
            arguments = ["local.simulator", "--data", str(self.folder / "simulator"), "--seed", str(self._seed)]
            simulator = Process("simulator", [*arguments, "--speed", str(_SPEED)], self.folder / "logs")
            self._stack.callback(simulator.stop)
            self.optimizely = simulator.wait_ready()
            proxies = Proxies()
            self._stack.callback(proxies.close)
            #: By what is behind it.
            self.proxies: dict[str, Proxy] = {}
            storage = re.sub(
                r"(\w+)Endpoint=http://127\.0\.0\.1:(\d+)",
                lambda match: self._proxied(proxies, match),
                azurite.connection_string,
            )
            self.storage = azurite.connection_string
            self.proxies["REST"] = proxies.open(int(re.findall(r":(\d+)/", self.optimizely["rest_url"])[0]))
            self.proxies["SFTP"] = proxies.open(self.optimizely["sftp_port"])
            settings = self._write_settings(storage)
            # This process is the operator and FastStats: it goes past the proxies.
            os.environ["PARTNER_PRIVATE_KEY"] = settings["PARTNER_PRIVATE_KEY"]
            direct = {"AzureWebJobsStorage": self.storage, "OPTIMIZELY_REST_URL": self.optimizely["rest_url"]}
            self.bridge = Bridge.from_settings(Settings.model_validate(settings | direct))
            self._stack.callback(self.bridge.close)
            self.ws_database = Database(f"sqlite:///{self.jobs}", "WS_DB")
            self._stack.callback(self.ws_database.close)
            create_databases(self.ws_database, self.bridge.rs_database, zone=ZONE)
            self.bridge.set_up()
            self.hosts: list[Process] = [self._start_host(number) for number in range(2)]
            self.await_hosts()
            self._stack.callback(self._stop_hosts)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self._stack.close()

    def restart(self, number: int) -> None:
        """Start a host that was killed."""
        self.hosts[number].stop()
        self.hosts[number] = self._start_host(number)

    def await_hosts(self) -> None:
        """Wait until both hosts run; one that could not start in the midst of faults is started once more."""
        for number, host in enumerate(self.hosts):
            try:
                host.wait_ready()
            except NotReadyError:
                self.restart(number)
                self.hosts[number].wait_ready()

    def heal(self) -> None:
        """End every trouble of the proxies."""
        for proxy in self.proxies.values():
            proxy.play(Trouble.NONE)

    def _stop_hosts(self) -> None:
        for host in self.hosts:
            host.stop()

    def _proxied(self, proxies: Proxies, match: re.Match[str]) -> str:
        proxy = proxies.open(int(match[2]))
        self.proxies[f"Azurite's {match[1].lower()}s"] = proxy
        return f"{match[1]}Endpoint=http://127.0.0.1:{proxy.port}"

    def _start_host(self, number: int) -> Process:
        arguments = ["local.host", "--app", str(_APP), "--settings", str(self.folder / "local.settings.json")]
        environment = {"PYTHON_THREADPOOL_THREAD_COUNT": "8", "MALLOC_ARENA_MAX": "2"}
        return Process(f"host{number}", arguments, self.folder / "logs", environment)

    def _add_lists(self) -> None:
        """Give Optimizely more recipient lists, each with the fields of the first one."""
        Store(self.books, now=int(START.timestamp()))
        with closing(sqlite3.connect(self.books)) as books, books:
            (first, last) = books.execute("SELECT min(id), max(id) FROM recipient_list").fetchone()
            for list_id, name in enumerate((*LISTS, *(f"Pool {n}" for n in range(5, _POOL + 1))), start=last + 1):
                books.execute(
                    "INSERT INTO recipient_list SELECT ?, ?, 0, created, modified FROM recipient_list WHERE id = ?",
                    (list_id, name, first),
                )
                books.execute(
                    "INSERT INTO list_field SELECT ?, position, internal_name, display_name, type, required "
                    "FROM list_field WHERE list_id = ?",
                    (list_id, first),
                )
                if name.startswith("Pool"):
                    books.execute("INSERT INTO pool_list VALUES (?, 0, NULL, NULL)", (list_id,))

    def _write_settings(self, storage: str) -> dict[str, str]:
        optimizely, sftp_port = self.optimizely, self.proxies["SFTP"].port
        host_key = optimizely["host_key"].replace(f":{optimizely['sftp_port']}", f":{sftp_port}")
        channels = self.folder / "channels.toml"
        named = optimizely | {"sftp_port": sftp_port, "host_key": host_key, "dropped": DROPPED, "list_name": LISTS[0]}
        channels.write_text(_CHANNELS.format_map(named))
        rest_url = re.sub(r":(\d+)/", f":{self.proxies['REST'].port}/", optimizely["rest_url"])
        private_key = Path(optimizely["private_key_file"]).read_text()
        values = {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": storage,
            "UPLOAD_LIST_QUEUE": "upload-list",
            "MONITOR_IMPORT_QUEUE": "monitor-import",
            "LOAD_RESPONSES_QUEUE": "load-responses",
            "POLL_JOBS_SCHEDULE": "*/2 * * * * *",
            "GATHER_RESPONSES_SCHEDULE": "*/5 * * * * *",
            "HOUSEKEEPING_SCHEDULE": "*/10 * * * * *",
            "DRAW_SUPPRESSIONS_SCHEDULE": "0 0 0 1 1 *",
            "SYSTEM_NAME": "Chaos",
            "WS_DB": f"sqlite:///{self.jobs}",
            "RS_DB": f"sqlite:///{self.ledger}",
            "DATABASE_TIME_ZONE": ZONE,
            "DELIVERY_FILES": str(self.deliveries),
            "CHANNELS_FILE": str(channels),
            "OPTIMIZELY_REST_URL": rest_url,
            "OPTIMIZELY_CLIENT_ID": str(optimizely["client_id"]),
            "OPTIMIZELY_API_USER": optimizely["api_user"],
            "OPTIMIZELY_API_PASSWORD": optimizely["api_password"],
            "SFTP_HOST": optimizely["sftp_host"],
            "SFTP_PORT": str(sftp_port),
            "SFTP_USER": optimizely["sftp_user"],
            "SFTP_PRIVATE_KEY": private_key,
            "PARTNER_PRIVATE_KEY": private_key,
            "SFTP_HOST_KEYS": host_key,
            "SFTP_RESPONSE_FOLDER": optimizely["response_folder"],
            "MONITOR_INTERVAL_SECONDS": "2",
            "LEASE_SECONDS": "8",
            "RETRY_SECONDS": "1",
            "START_SETTLE_SECONDS": "3",
            "RESPONSE_FILE_SETTLE_SECONDS": "1",
            # A host that waits for a cut or stopped server, or for its turn on this machine, is no reason to give up.
            "MAX_ATTEMPTS": "12",
            "IMPORT_TIMEOUT_MINUTES": "10",
            "SEND_TIMEOUT_MINUTES": "10",
        }
        file = self.folder / "local.settings.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"IsEncrypted": False, "Values": values}, indent=2))
        return values


def hold_write_lock(database: Path, seconds: float) -> None:
    """Hold SQLite's write lock, as a long transaction of somebody else does."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        with suppress(sqlite3.OperationalError):  # it is busy for so long: the others have their trouble
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
        if connection.in_transaction:
            connection.execute("ROLLBACK")
