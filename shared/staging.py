"""Staged files: list files on their way to Optimizely, reject files, response files as they came.

A staged file appears whole or not at all, with metadata that tells what is in it, and is never
changed afterwards. Reading and writing stream: one block of it is in memory at a time.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient

from shared.errors import StagedFileMissing
from shared.storage import BLOCK_SIZE, mapped_errors


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        ...


class StagedFileWriter(AbstractContextManager["StagedFileWriter"]):
    """Writes one staged file. Without `commit` nothing of it remains."""

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self._buffer = bytearray()
        self._blocks: list[BlobBlock] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Blocks that were not committed vanish by themselves."""
        self._buffer.clear()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            StorageUnavailable: the storage account did not take it.
        """
        self._buffer += data
        while len(self._buffer) >= BLOCK_SIZE:
            self._send(bytes(self._buffer[:BLOCK_SIZE]))
            del self._buffer[:BLOCK_SIZE]

    def commit(self, metadata: Mapping[str, str]) -> bool:
        """Let the file appear, unless one of this name is there already.

        Args:
            metadata: what an adopter must know about the content; names of letters, digits and `_`.

        Returns:
            False when there was one; it is left as it is.
        """
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        with mapped_errors("commit a staged file"):
            try:
                self._blob.commit_block_list(
                    self._blocks, metadata=dict(metadata), match_condition=MatchConditions.IfMissing
                )
            except (ResourceExistsError, ResourceModifiedError):
                return False
        return True

    def _send(self, data: bytes) -> None:
        # Ids of one blob have equal length, and those of two writers must not meet.
        block_id = uuid.uuid4().hex
        with mapped_errors("write a staged file"):
            self._blob.stage_block(block_id, data)
        self._blocks.append(BlobBlock(block_id))


class Staging:
    """One container of staged files."""

    def __init__(self, service: BlobServiceClient, container: str) -> None:
        self._container = service.get_container_client(container)

    def create_container(self) -> None:
        """Create the container if it is not there."""
        with mapped_errors("create a container"):
            try:
                self._container.create_container()
            except ResourceExistsError:
                return

    def writer(self, name: str) -> StagedFileWriter:
        """A writer of the staged file `name`."""
        return StagedFileWriter(self._container.get_blob_client(name))

    def metadata(self, name: str) -> dict[str, str] | None:
        """What the writer said about the file; None when there is no such file."""
        with mapped_errors("look at a staged file"):
            try:
                return self._container.get_blob_client(name).get_blob_properties().metadata
            except ResourceNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        """Size of the file in bytes; None when there is no such file."""
        with mapped_errors("look at a staged file"):
            try:
                return self._container.get_blob_client(name).get_blob_properties().size
            except ResourceNotFoundError:
                return None

    def open(self, name: str) -> Readable:
        """Read a staged file from its beginning.

        Raises:
            StagedFileMissing: there is no such file.
        """
        with mapped_errors("read a staged file"):
            try:
                return _Reader(self._container.get_blob_client(name))
            except ResourceNotFoundError:
                raise StagedFileMissing(blob=name) from None

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a staged file in pieces.

        Raises:
            StagedFileMissing: there is no such file.
        """
        source = self.open(name)
        while piece := source.read(BLOCK_SIZE):
            yield piece


class _Reader:
    def __init__(self, blob: BlobClient) -> None:
        self._stream = blob.download_blob(max_concurrency=1)

    def read(self, size: int = -1, /) -> bytes:
        with mapped_errors("read a staged file"):
            return self._stream.read(size)
