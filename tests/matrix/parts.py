"""The storage account, all of it in files: what a killed process has done stays, and what it has not done is missing.

Blobs and queues are folders, behind the library calls that `shared` makes; the SFTP site and Optimizely's REST are
those of `tests/in_process`. Nothing listens on a port, so that a cell of the matrix takes a fraction of a second.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError, ServiceRequestError

from shared.clock import Clock
from tests.in_process.passage import Passage

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


class Breaks(Passage):
    """A connection that breaks, at some operations that change something."""

    #: At how many more.
    left = 0

    def changing(self, operation: str) -> None:
        """Something is about to be changed."""
        del operation
        if self.left:
            self.left -= 1
            raise EOFError


# Copies


def copy_folder(source: Path, target: Path) -> None:
    """A copy of a folder with all that is in it."""
    shutil.rmtree(target, ignore_errors=True)
    # SQLite makes its index of the write-ahead log anew.
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("*-shm"))


__all__ = ["BlobAccount", "Breaks", "Queue", "QueueAccount", "copy_folder"]
