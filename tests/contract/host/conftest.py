"""Hosts as processes, over a small function app and a real Azurite."""

import base64
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobClient, BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import Azurite
from local.demo.processes import Process

APP = Path(__file__).parent / "app"
PATIENCE = 300


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.02)


@dataclass
class Hosts:
    """Hosts of one app, and what it recorded."""

    folder: Path
    connection: str
    queues: QueueServiceClient
    stack: ExitStack
    app: Path = APP
    #: The host id and the name of the queue: nobody else's.
    tag: str = field(default_factory=lambda: f"work-{uuid.uuid4().hex[:12]}")

    def environment(self) -> dict[str, str]:
        """Settings of the app."""
        return {
            "AzureWebJobsStorage": self.connection,
            "APP_FOLDER": str(self.folder),
            "APP_QUEUE": self.tag,
            "APP_TICK": "*/1 * * * * *",
            "AzureFunctionsWebHost__hostid": self.tag,
            # As many as may run at once; by default the worker has four more than there are processors.
            "PYTHON_THREADPOOL_THREAD_COUNT": "16",
        }

    def start(self, name: str = "host", *options: str, **settings: str) -> tuple[Process, dict[str, Any]]:
        """Start a host and wait until it is ready."""
        arguments = ["local.host", "--app", str(self.app), *options]
        process = Process(name, arguments, self.folder, {**self.environment(), **settings})
        self.stack.callback(process.stop)
        return process, process.wait_ready()

    def with_host_json(self, **extensions: Any) -> None:
        """Give the app another host.json."""
        self.app = self.folder / "app"
        shutil.copytree(APP, self.app, ignore=shutil.ignore_patterns("__pycache__"))
        (self.app / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))

    def queue(self, suffix: str = "") -> QueueClient:
        """The queue of the app, or one whose name begins with it; messages as they are."""
        return self.queues.get_queue_client(self.tag + suffix)

    def send(self, suffix: str = "", **body: Any) -> str:
        """Put a message on a queue of the app as Azure expects it. Returns: its id."""
        message = self.queue(suffix).send_message(base64.b64encode(json.dumps(body).encode()).decode())
        return str(message.id)

    def contents(self, suffix: str) -> list[str]:
        """The visible messages of a queue; none if there is no such queue."""
        try:
            return [str(message.content) for message in self.queue(suffix).peek_messages(max_messages=32)]
        except ResourceNotFoundError:
            return []

    def is_empty(self, suffix: str = "") -> bool:
        """Whether a queue holds no message, visible or not."""
        return self.queue(suffix).get_queue_properties().approximate_message_count == 0

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What the app recorded of a kind."""
        file = self.folder / "record.jsonl"
        if not file.exists():
            return []
        complete = file.read_text().rpartition("\n")[0].splitlines()
        return [record for record in map(json.loads, complete) if kind in record]

    def begun(self, number: int) -> list[dict[str, Any]]:
        """What the app recorded when it began to work on a message."""
        return [record for record in self.records("begun") if record["begun"] == number]

    def status_blob(self, function: str) -> BlobClient:
        """Where the host keeps what it knows of a timer."""
        blobs = self.stack.enter_context(BlobServiceClient.from_connection_string(self.connection))
        container = blobs.get_container_client("azure-webjobs-hosts")
        if not container.exists():
            container.create_container()
        return container.get_blob_client(f"timers/{self.tag}/Host.Functions.{function}/status")


@contextmanager
def make_hosts(folder: Path, azurite: Azurite) -> Iterator[Hosts]:
    """Hosts that share a queue of their own."""
    connection = azurite.connection_string
    with ExitStack() as stack, QueueServiceClient.from_connection_string(connection) as queues:
        made = Hosts(folder, connection, queues, stack)
        made.queue().create_queue()
        yield made


@pytest.fixture
def hosts(tmp_path: Path, azurite: Azurite) -> Iterator[Hosts]:
    """For a test that starts hosts of its own."""
    with make_hosts(tmp_path, azurite) as made:
        yield made


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Iterator[Hosts]:
    """One host for the tests of a module that look only at their own messages."""
    with make_hosts(tmp_path_factory.mktemp("running"), azurite) as made:
        made.start()
        yield made
