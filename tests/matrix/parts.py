"""The other side, all of it in files: what a killed process has done stays, and what it has not done is missing.

Blobs, queues and the SFTP site are folders, behind the library calls that `shared` makes; the simulator of Optimizely
answers in the process that asks. Nothing listens on a port, so that a cell of the matrix takes a fraction of a second.
"""

import asyncio
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError, ServiceRequestError
from paramiko import SFTPAttributes, sftp
from requests.adapters import HTTPAdapter

from local.simulator.simulator import Simulator
from local.simulator.store import CLIENT_ID
from shared.clock import Clock
from shared.sftp.transfer import NoSuchFile, Refusal

# The storage account


class Blob:
    """A blob: its content, and beside it its metadata."""

    account_name, url = "matrix", "http://127.0.0.1/matrix"

    def __init__(self, account: "BlobAccount", container: str, name: str) -> None:
        folder = account.folder / container
        self.blob_name, self.container_name = name, container
        self._account = account
        self._path = folder / name
        self._blocks = folder / ".blocks"
        self._meta = folder / ".meta" / name

    def stage_block(self, block_id: str, data: bytes) -> None:
        """Keep a block until it is committed."""
        self._blocks.mkdir(exist_ok=True)
        (self._blocks / block_id).write_bytes(data)

    def commit_block_list(
        self, blocks: list[Any], *, metadata: Mapping[str, str], match_condition: MatchConditions | None
    ) -> None:
        """Let the blob appear."""
        if match_condition is MatchConditions.IfMissing and self._path.exists():
            raise ResourceExistsError
        self.put(b"".join((self._blocks / block.id).read_bytes() for block in blocks), metadata)

    def upload_blob(
        self,
        content: bytes,
        *,
        metadata: Mapping[str, str],
        overwrite: bool,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> None:
        """Write it in one go, unless it exists or is not the one that was found."""
        del match_condition
        if not overwrite and self._path.exists():
            raise ResourceExistsError
        if etag is not None and self.get_blob_properties().etag != etag:
            raise ResourceModifiedError
        self.put(content, metadata)

    def put(self, content: bytes, metadata: Mapping[str, str] | None = None) -> None:
        """Write it in one go."""
        for path, data in ((self._meta, json.dumps(dict(metadata or {})).encode()), (self._path, content)):
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{uuid.uuid4().hex}")
            part.write_bytes(data)
            part.replace(path)
        now = self._account.clock.now().timestamp()
        os.utime(self._path, (now, now))

    def get_blob_properties(self) -> SimpleNamespace:
        """Size, etag and metadata."""
        content = self._read()
        etag = hashlib.sha256(content + self._meta.read_bytes()).hexdigest()[:16]
        return SimpleNamespace(
            name=self.blob_name,
            size=len(content),
            etag=f'"{etag}"',
            metadata=json.loads(self._meta.read_text()),
            last_modified=datetime.fromtimestamp(self._path.stat().st_mtime, UTC),
        )

    def download_blob(self, *, offset: int | None = None, max_concurrency: int = 1) -> "_Content":
        """Its content from an offset."""
        del max_concurrency
        if self._account.breaks:
            self._account.breaks -= 1
            raise ServiceRequestError("no answer")
        return _Content(self._read()[offset or 0 :])

    def delete_blob(self) -> None:
        """Remove it."""
        self._read()
        self._path.unlink()

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise ResourceNotFoundError from None


class _Content:
    def __init__(self, content: bytes) -> None:
        self._content, self._read = content, 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._content[self._read :] if size < 0 else self._content[self._read : self._read + size]
        self._read += len(piece)
        return piece


class Container:
    """A container of blobs."""

    def __init__(self, account: "BlobAccount", name: str) -> None:
        self._account = account
        self._name = name
        self._folder = account.folder / name

    def create_container(self) -> None:
        """Create it."""
        self._folder.mkdir(parents=True)

    def exists(self) -> bool:
        """Whether it exists."""
        return self._folder.exists()

    def get_blob_client(self, name: str) -> Blob:
        """A blob."""
        return Blob(self._account, self._name, name)

    def list_blob_names(self) -> list[str]:
        """Names, sorted."""
        files = (path.relative_to(self._folder) for path in self._folder.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if not str(path).startswith("."))

    def list_blobs(self) -> list[SimpleNamespace]:
        """Names and times."""
        return [Blob(self._account, self._name, name).get_blob_properties() for name in self.list_blob_names()]


class BlobAccount:
    """The blobs of a storage account."""

    credential = SimpleNamespace(account_key="bWF0cml4")

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        #: How many more blobs are not answered for when they are read.
        self.breaks = 0

    def get_container_client(self, name: str) -> Container:
        """A container."""
        return Container(self, name)


class QueueAccount:
    """The queues of a storage account: a file is a message, its name begins with the time at which it is visible."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def get_queue_client(self, queue: str, **_: object) -> "Queue":
        """A queue."""
        return Queue(self._folder / queue, self._clock)


class Queue:
    """One queue."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def create_queue(self) -> None:
        """Create it."""
        self._folder.mkdir(parents=True)

    def send_message(self, text: str, *, visibility_timeout: int) -> None:
        """Send a message that is visible after some seconds."""
        if not self._folder.exists():
            raise ResourceNotFoundError
        due = self._clock.now() + timedelta(seconds=visibility_timeout)
        name = f"{due.timestamp():018.6f}-{len(list(self._folder.iterdir())):04}-{uuid.uuid4().hex[:8]}"
        (self._folder / name).write_text(text)

    def take(self) -> list[dict[str, Any]]:
        """Take every visible message, oldest first."""
        if not self._folder.exists():
            return []
        now = f"{self._clock.now().timestamp():018.6f}~"
        due = sorted(path for path in self._folder.iterdir() if path.name < now)
        taken = [json.loads(path.read_text()) for path in due]
        for path in due:
            path.unlink()
        return taken

    def get_queue_properties(self) -> SimpleNamespace:
        """How many messages it has."""
        if not self._folder.exists():
            raise ResourceNotFoundError
        return SimpleNamespace(approximate_message_count=len(list(self._folder.iterdir())))


# The SFTP site


class FolderClient:
    """The part of an SFTP client that a session uses, over a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        #: At how many more requests that change something the connection breaks.
        self.breaks = 0

    def _changes(self) -> None:
        if self.breaks:
            self.breaks -= 1
            raise EOFError

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def stat(self, path: str) -> SFTPAttributes:
        """Attributes of a file."""
        with _statuses():
            return SFTPAttributes.from_stat(self._path(path).stat())

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        """The files of a folder."""
        with _statuses():
            listed = sorted(self._path(folder).iterdir())
        for path in listed:
            yield path.name.encode(), SFTPAttributes.from_stat(path.stat())

    def read(self, path: str) -> Iterator[bytes]:
        """A file."""
        with _statuses():
            yield self._path(path).read_bytes()

    def writer(self, path: str, offset: int) -> "FolderWriter":
        """A writer from an offset."""
        self._changes()
        with _statuses():
            return FolderWriter(self._path(path), offset)

    def rename(self, source: str, target: str) -> None:
        """Rename; a file that exists is not replaced."""
        if self._path(target).exists():
            raise Refusal(sftp.SFTP_FAILURE)
        self.posix_rename(source, target)

    def posix_rename(self, source: str, target: str) -> None:
        """Rename, and replace."""
        self._changes()
        with _statuses():
            self._path(source).replace(self._path(target))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._changes()
        with _statuses():
            self._path(path).unlink()


class _statuses:  # noqa: N801 - a block
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise NoSuchFile(sftp.SFTP_NO_SUCH_FILE) from None


class FolderWriter:
    """Writes a file from an offset."""

    def __init__(self, path: Path, offset: int) -> None:
        path.touch()
        self._file = path.open("r+b")
        self._file.seek(offset)
        self.offset = offset

    def write(self, block: bytes) -> None:
        """Write a block."""
        self._file.write(block)
        self.offset += len(block)

    def finish(self) -> None:
        """Close it."""
        self._file.close()

    abandon = finish


# Optimizely


class InProcess(HTTPAdapter):
    """Answers the requests of a session by the simulator's handlers, in this thread."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._app = web.Application(client_max_size=2**26)
        self._app.add_subapp(f"/rest/{CLIENT_ID}", simulator._rest.application())
        self._app.freeze()
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        """End its event loop."""
        self._loop.close()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        """One exchange."""
        answer = self._loop.run_until_complete(self._handle(request))
        response = requests.Response()
        response.status_code, response.request, response.url = answer.status, request, str(request.url)
        response._content = bytes(answer.body or b"")  # type: ignore[arg-type]
        response.headers.update(answer.headers)
        return response

    async def _handle(self, request: requests.PreparedRequest) -> web.Response:
        body = request.body or b""
        loop = asyncio.get_running_loop()
        content = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
        content.feed_data(body if isinstance(body, bytes) else body.encode())
        content.feed_eof()
        asked = make_mocked_request(
            request.method or "GET", request.path_url, dict(request.headers), payload=content, app=self._app
        )
        answer = await self._app._handle(asked)
        assert isinstance(answer, web.Response)
        return answer


def copy_folder(source: Path, target: Path) -> None:
    """A copy of a folder with all that is in it."""
    shutil.rmtree(target, ignore_errors=True)
    # SQLite makes its index of the write-ahead log anew.
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*-shm"))


__all__ = ["BlobAccount", "FolderClient", "InProcess", "Queue", "QueueAccount", "copy_folder"]
