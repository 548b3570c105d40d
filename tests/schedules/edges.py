"""The edges of the bridge within this process: requests, the SFTP site, queues and blobs; and their points.

Requests reach the simulator's own handlers without a socket, and SFTP operations its folder without a server. Of
queues and blobs, which are Azurite elsewhere, there are small models: what `shared.storage` calls of the libraries.
"""

import asyncio
import os
import stat
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_parser import RawRequestMessage
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceResponseError,
)
from azure.storage.blob import BlobProperties
from multidict import CIMultiDict, CIMultiDictProxy
from paramiko import SFTPAttributes, Transport
from requests.models import RequestEncodingMixin
from yarl import URL

from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.database.connections import Database
from shared.ledger import Ledger
from shared.ledger.leases import HeldLease
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite
from shared.sftp.transfer import NoSuchFile, PipelinedClient, Refusal
from tests.clocks import MovableClock
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


# REST


class InProcessRest:
    """In place of a `requests.Session`: requests reach the simulator's handlers."""

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop) -> None:
        self._app = web.Application(client_max_size=64 * 1024 * 1024)
        self._app.add_subapp(f"/rest/{CLIENT_ID}", simulator._rest.application())
        self._app.freeze()
        self._loop = loop
        self._protocol: Any = SimpleNamespace(
            ssl_context=None,
            peername=None,
            sockname=None,
            transport=None,
            _reading_paused=False,
            pause_reading=lambda: None,
            resume_reading=lambda **_: None,
            connected=True,
            max_field_size=8190,
            max_headers=128,
        )
        user = f"{simulator.identity.api_user}:{simulator.identity.api_password}"
        self._login = requests.auth._basic_auth_str(*user.split(":", 1))

    def close(self) -> None:
        """Nothing to close."""

    def request(
        self, method: str, url: str, *, params: Mapping[str, object], data: Any, files: Any, headers: Any, timeout: Any
    ) -> requests.Response:
        """One exchange."""
        del timeout
        headers = dict(headers or {}) | {"Authorization": self._login, "Host": "optimizely.invalid"}
        body = data if isinstance(data, bytes) else urlencode(data or {}).encode()
        if files:
            body, headers["Content-Type"] = RequestEncodingMixin._encode_files(files, data or {})  # type: ignore[attr-defined]
        elif isinstance(data, dict):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        address = urlsplit(url)
        path = f"{address.path}?{urlencode(params)}" if params else address.path
        point = f"{method} {address.path.split('/', 3)[3]}"
        changes = method != "GET"
        reach(point)
        if changes:
            in_flight(False)
        answer = self._loop.run_until_complete(self._handle(method, path, headers, body))
        if changes and reach(f"{point} answered", losable=True) is Fault.LOSE:
            raise requests.ConnectionError
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response._content = answer.body if isinstance(answer.body, bytes) else b""
        return response

    async def _handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> web.Response:
        raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
        message = RawRequestMessage(
            method, path, HttpVersion11, CIMultiDictProxy(CIMultiDict(headers)), raw, False, None, False, False,
            URL(path, encoded=True),
        )  # fmt: skip
        payload = StreamReader(self._protocol, 2**16, loop=self._loop)
        payload.feed_data(body)
        payload.feed_eof()
        request = web.Request(message, payload, self._protocol, self._protocol, None, self._loop)  # type: ignore[arg-type]
        answer = await self._app._handle(request)
        assert isinstance(answer, web.Response)
        return answer


# SFTP


class FolderClient:
    """In place of paramiko's client: a folder of this machine."""

    def __init__(self, root: Path, began: float, epoch: float) -> None:
        self._root = root
        #: Moves the times of files to those of the schedule.
        self._moved = epoch - began

    def stat(self, path: str) -> SFTPAttributes:
        reach(f"SFTP stat {path}")
        try:
            return self._attributes(self._path(path).lstat())
        except FileNotFoundError:
            raise NoSuchFile(2) from None

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        reach(f"SFTP list {folder}")
        for entry in sorted(self._path(folder).iterdir()):
            yield os.fsencode(entry.name), self._attributes(entry.lstat())

    def read(self, path: str) -> Iterator[bytes]:
        reach(f"SFTP read {path}")
        try:
            yield self._path(path).read_bytes()
        except FileNotFoundError:
            raise NoSuchFile(2) from None

    def writer(self, path: str, offset: int) -> "_FileWriter":
        return _FileWriter(self._path(path), offset)

    def rename(self, source: str, target: str) -> None:
        if self._path(target).exists():
            raise Refusal(4)
        self.posix_rename(source, target)

    def posix_rename(self, source: str, target: str) -> None:
        with self._changing(f"rename {source} to {target}"):
            self._path(source).rename(self._path(target))

    def remove(self, path: str) -> None:
        with self._changing(f"remove {path}"):
            self._path(path).unlink()

    @contextmanager
    def _changing(self, operation: str) -> Iterator[None]:
        reach(f"SFTP {operation}")
        in_flight(False)
        try:
            yield
        except FileNotFoundError:
            raise NoSuchFile(2) from None
        if reach(f"SFTP {operation}, done", losable=True) is Fault.LOSE:
            raise ConnectionResetError

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _attributes(self, status: os.stat_result) -> SFTPAttributes:
        attributes = SFTPAttributes()
        attributes.st_mode, attributes.st_size = status.st_mode, status.st_size
        attributes.st_mtime = int(status.st_mtime + self._moved)
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        return attributes


class _FileWriter:
    def __init__(self, path: Path, offset: int) -> None:
        reach(f"SFTP write {path.name}")
        in_flight(False)  # an upload takes long: its rename is another request
        self._path = path
        self.offset = offset
        if not path.exists():
            path.touch()

    def write(self, block: bytes) -> None:
        with self._path.open("r+b") as file:
            file.seek(self.offset)
            file.write(block)
        self.offset += len(block)

    def finish(self) -> None:
        if reach(f"SFTP write {self._path.name}, done", losable=True) is Fault.LOSE:
            raise ConnectionResetError

    def abandon(self) -> None:
        """Nothing is open."""


class FolderSite(SftpSite):
    """The SFTP site, as a folder."""

    def __init__(self, client: FolderClient) -> None:
        self._client = client
        self._host = "sftp.invalid"
        self._pause = lambda _seconds: None
        self._transport: Any = SimpleNamespace(close=lambda: None)

    def _open(self, stack: ExitStack) -> SftpSession:  # noqa: ARG002
        transport: Transport = self._transport
        client: Any = self._client
        pipelined: PipelinedClient = client
        return SftpSession(self._host, transport, pipelined)


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
