"""The points of a schedule at the edges of the bridge, and its queues and blobs.

Requests and SFTP operations are those of `tests/in_process`. Of queues and blobs, which are Azurite elsewhere, there
are small models in memory: what `shared.storage` calls of the libraries.
"""

from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.storage.blob import BlobProperties

from shared.database.connections import Database
from shared.ledger import Ledger
from shared.ledger.leases import HeldLease
from tests.clocks import MovableClock
from tests.in_process.passage import Passage
from tests.schedules.actors import Died, Fault, committed, dead, in_flight, marked, reach, within_transaction

# Databases


def point_transactions(database: Database) -> None:
    """Make a point of the beginning and the end of each transaction that writes.

    A transaction that reads needs none: what it reads is as old as the next write or request finds it.
    """

    def pointed(original: Callable[[], Any], kind: str) -> Callable[[], Any]:
        @contextmanager
        def transaction() -> Iterator[Any]:
            if dead():
                raise Died
            if kind == "write":
                in_flight(False)
                reach(f"{database.name} write")
            with original() as connection, within_transaction():
                yield connection
            if kind == "write":
                committed()
                reach(f"{database.name} written")

        return transaction

    for kind, name in (("read", "reading"), ("write", "writing")):
        setattr(database, name, pointed(getattr(database, name), kind))


def point_leases(ledger: Ledger) -> None:
    """Note when a try is recorded, and when the lease is checked or renewed for a request."""
    held, trying = ledger.leases.held, ledger.effects.trying

    @contextmanager
    def noted(*arguments: Any, **named: Any) -> Iterator[HeldLease | None]:
        with held(*arguments, **named) as lease:
            if lease is not None:
                _note_checks(lease)
            yield lease

    ledger.leases.held = noted  # type: ignore[method-assign]
    ledger.effects.trying = marked("trying")(trying)  # type: ignore[method-assign]


def _note_checks(lease: HeldLease) -> None:
    check = lease.check

    def checked() -> None:
        check()
        in_flight(True)

    lease.check = checked  # type: ignore[method-assign]
    if hasattr(lease, "renew"):  # the code before it confirmed its lease has none
        lease.renew = marked("renewing")(lease.renew)  # type: ignore[method-assign]


# What actors pass


class Points(Passage):
    """Makes points of operations: before each one, and after one that changes something.

    Args:
        lost: what the library raises in place of an answer that is lost.
    """

    def __init__(self, lost: Callable[[], Exception]) -> None:
        self._lost = lost

    def looking(self, operation: str) -> None:
        reach(operation)

    def changing(self, operation: str) -> None:
        reach(operation)
        in_flight(False)

    def changed(self, operation: str) -> None:
        if reach(f"{operation}, done", losable=True) is Fault.LOSE:
            raise self._lost()


# Queues


@dataclass(slots=True)
class Message:
    """A message of a queue."""

    number: int
    queue: str
    content: str
    visible_at: datetime
    deliveries: int = 0


class QueueModel:
    """In place of `QueueServiceClient`: every queue of the storage account."""

    def __init__(self, clock: MovableClock) -> None:
        self._clock = clock
        self.messages: list[Message] = []
        self._sent = 0

    def get_queue_client(self, queue: str, **_: object) -> "_Queue":
        return _Queue(self, queue)

    def add(self, queue: str, content: str, delay: float) -> None:
        self._sent += 1
        visible_at = self._clock.now() + timedelta(seconds=delay)
        self.messages.append(Message(self._sent, queue, content, visible_at))

    def visible(self) -> list[Message]:
        """The messages that a queue trigger could receive now."""
        now = self._clock.now()
        return [message for message in self.messages if message.visible_at <= now]


@dataclass(frozen=True, slots=True)
class _Queue:
    model: QueueModel
    name: str

    def send_message(self, text: str, *, visibility_timeout: float) -> None:
        reach(f"send to {self.name}")
        self.model.add(self.name, text, visibility_timeout)
        if reach(f"sent to {self.name}", losable=True) is Fault.LOSE:
            raise ServiceResponseError("lost")

    def get_queue_properties(self) -> object:
        return SimpleNamespace(
            approximate_message_count=sum(message.queue == self.name for message in self.model.messages)
        )


def decoded(message: Message) -> bytes:
    """The content that a queue trigger hands over, whether the client encoded it or not."""
    try:
        return b64decode(message.content, validate=True)
    except ValueError:
        return message.content.encode()


# Blobs


@dataclass(slots=True)
class _Content:
    data: bytes
    metadata: dict[str, str]
    etag: str
    modified: datetime


@dataclass(slots=True)
class BlobModel:
    """In place of `BlobServiceClient`: every container of the storage account."""

    clock: MovableClock
    containers: dict[str, dict[str, _Content]] = field(default_factory=dict)
    credential: Any = field(default_factory=lambda: SimpleNamespace(account_key="a2V5"))
    writes: int = 0

    def get_container_client(self, name: str) -> "_Container":
        return _Container(self, name, self.containers.setdefault(name, {}))

    def put(self, container: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None:
        self.writes += 1
        content = _Content(data, dict(metadata or {}), f'"{self.writes}"', self.clock.now())
        self.containers.setdefault(container, {})[name] = content


@dataclass(frozen=True, slots=True)
class _Container:
    service: BlobModel
    name: str
    blobs: dict[str, _Content]

    def create_container(self) -> None:
        """They all exist."""

    def exists(self) -> bool:
        return True

    def get_blob_client(self, name: str) -> "_Blob":
        return _Blob(self, name)

    def list_blob_names(self) -> Iterable[str]:
        return sorted(self.blobs)

    def list_blobs(self, **_: object) -> list[BlobProperties]:
        return [_Blob(self, name).get_blob_properties() for name in sorted(self.blobs)]

    def walk_blobs(self, prefix: str | None = None, **_: object) -> list[BlobProperties]:
        reach(f"list {self.name}")
        return [blob for blob in self.list_blobs() if blob.name.startswith(prefix or "")]


@dataclass(slots=True)
class _Blob:
    container: _Container
    blob_name: str
    blocks: dict[str, bytes] = field(default_factory=dict)
    account_name: str = "schedules"

    @property
    def container_name(self) -> str:
        return self.container.name

    @property
    def url(self) -> str:
        return f"https://schedules.invalid/{self.container_name}/{self.blob_name}"

    def stage_block(self, block_id: str, data: bytes) -> None:
        self.blocks[block_id] = data

    def commit_block_list(self, blocks: Any, *, metadata: dict[str, str], match_condition: Any) -> None:
        reach(f"commit {self.blob_name}")
        if match_condition is not None and self.blob_name in self.container.blobs:
            raise ResourceModifiedError("exists") if len(blocks) else ResourceExistsError("exists")
        data = b"".join(self.blocks[block.id] for block in blocks)
        self.container.service.put(self.container.name, self.blob_name, data, metadata)
        if reach(f"committed {self.blob_name}", losable=True) is Fault.LOSE:
            raise ServiceResponseError("lost")

    def upload_blob(self, data: bytes, *, metadata: dict[str, str], overwrite: bool, **condition: Any) -> None:
        reach(f"write {self.blob_name}")
        found = self.container.blobs.get(self.blob_name)
        if found is not None and not overwrite:
            raise ResourceExistsError("exists")
        if "etag" in condition and (found is None or condition["etag"] != found.etag):
            raise ResourceModifiedError("changed")
        self.container.service.put(self.container.name, self.blob_name, data, metadata)
        if reach(f"wrote {self.blob_name}", losable=True) is Fault.LOSE:
            raise ServiceResponseError("lost")

    def get_blob_properties(self) -> BlobProperties:
        content = self._content()
        properties = BlobProperties(
            name=self.blob_name,
            metadata=content.metadata,
            **{"ETag": content.etag, "Content-Length": len(content.data)},
        )
        properties.last_modified = content.modified
        properties.size = len(content.data)
        properties.etag = content.etag
        return properties

    def download_blob(self, *, offset: int | None, max_concurrency: int) -> Any:
        del max_concurrency
        reach(f"read {self.blob_name}")
        data = self._content().data[offset or 0 :]
        position = 0

        def read(size: int = -1) -> bytes:
            nonlocal position
            end = len(data) if size < 0 else position + size
            block, position = data[position:end], min(end, len(data))
            return block

        return SimpleNamespace(read=read)

    def delete_blob(self) -> None:
        reach(f"remove {self.blob_name}")
        self._content()
        del self.container.blobs[self.blob_name]

    def _content(self) -> _Content:
        try:
            return self.container.blobs[self.blob_name]
        except KeyError:
            raise ResourceNotFoundError("no such blob") from None
