"""Hosts as processes, over a small function app and a real Azurite."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from local.azurite import Azurite
from local.demo.processes import Process

APP = Path(__file__).parent / "app"
PATIENCE = 60


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
    queue: QueueClient
    #: The same queue, for messages that are put on it as they are.
    raw: QueueClient
    poison: QueueClient
    stack: ExitStack
    tag: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def environment(self) -> dict[str, str]:
        """Settings of the app."""
        return {
            "AzureWebJobsStorage": self.connection,
            "APP_FOLDER": str(self.folder),
            "APP_QUEUE": str(self.queue.queue_name),
            "APP_TICK": "*/1 * * * * *",
            "AzureFunctionsWebHost__hostid": self.tag,
        }

    def start(self, name: str = "host", **settings: str) -> tuple[Process, dict[str, Any]]:
        """Start a host and wait until it is ready."""
        process = Process(name, ["local.host", "--app", str(APP)], self.folder, {**self.environment(), **settings})
        self.stack.callback(process.stop)
        return process, process.wait_ready()

    def send(self, **body: Any) -> None:
        """Put a message on the queue of the app."""
        self.queue.send_message(json.dumps(body))

    def records(self, kind: str) -> list[dict[str, Any]]:
        """What the app recorded of a kind."""
        file = self.folder / "record.jsonl"
        if not file.exists():
            return []
        complete = file.read_text().rpartition("\n")[0].splitlines()
        return [one for one in map(json.loads, complete) if kind in one]

    def is_empty(self) -> bool:
        """Whether the queue holds no message, visible or not."""
        return self.queue.get_queue_properties().approximate_message_count == 0


@pytest.fixture
def hosts(tmp_path: Path, azurite: Azurite) -> Iterator[Hosts]:
    """Hosts that share a queue of their own."""
    name = f"work-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack, QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        queue = service.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())
        queue.create_queue()
        raw, poison = service.get_queue_client(name), service.get_queue_client(f"{name}-poison")
        yield Hosts(tmp_path, azurite.connection_string, queue, raw, poison, stack)
