"""Staged files: list files on their way to Optimizely, reject files, response files as they came.

A staged file appears whole or not at all, with metadata that tells what is in it, and is never
changed afterwards. Reading and writing stream: one block of it is in memory at a time.
"""

import io
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from shared.errors import StagedFileMissing
from shared.storage.account import BLOCK_SIZE, mapped_errors

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: A signature that begins now would not yet be valid where the clock is behind.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """What is known of a staged file."""

    #: In bytes.
    size: int
    #: Tells this content from any other under this name.
    tag: str
    #: What its writer said about it.
    metadata: Mapping[str, str]


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

    def commit(self, metadata: Mapping[str, str], *, replace: bool = False) -> bool:
        """Let the file appear, unless one of this name is there already.

        Args:
            metadata: what an adopter must know about the content; names of letters, digits and `_`.
            replace: take the place of one that is there already.

        Returns:
            False when there was one and it is left as it is.
        """
        if self._buffer:
            self._send(bytes(self._buffer))
            self._buffer.clear()
        with mapped_errors("commit a staged file"):
            try:
                self._blob.commit_block_list(
                    self._blocks,
                    metadata=dict(metadata),
                    match_condition=None if replace else MatchConditions.IfMissing,
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
        self.name = container
        self._service = service
        self._container = service.get_container_client(container)

    def create_container(self) -> None:
        """Create the container if it is not there."""
        with mapped_errors("create a container"):
            try:
                self._container.create_container()
            except ResourceExistsError:
                return

    def exists(self) -> bool:
        """Whether the container is there."""
        with mapped_errors("look at a container"):
            return self._container.exists()

    def writer(self, name: str) -> StagedFileWriter:
        """A writer of the staged file `name`."""
        return StagedFileWriter(self._container.get_blob_client(name))

    def find(self, name: str) -> "StagedFile | None":
        """What is known of the staged file `name`; None when there is no such file."""
        with mapped_errors("look at a staged file"):
            try:
                found = self._container.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return StagedFile(size=found.size, tag=found.etag.strip('"'), metadata=dict(found.metadata or {}))

    def open(self, name: str, offset: int = 0) -> "SupportsRead[bytes]":
        """Read a staged file from its beginning, or from an offset in bytes.

        Raises:
            StagedFileMissing: there is no such file.
        """
        with mapped_errors("read a staged file"):
            try:
                return _Reader(self._container.get_blob_client(name), offset)
            except ResourceNotFoundError:
                raise StagedFileMissing(blob=name) from None
            except HttpResponseError as error:
                if offset and error.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return io.BytesIO()  # nothing lies behind the offset
                raise

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a staged file in pieces.

        Raises:
            StagedFileMissing: there is no such file.
        """
        source = self.open(name)
        while piece := source.read(BLOCK_SIZE):
            yield piece

    def remove(self, name: str) -> None:
        """Remove the staged file `name`; nothing happens where there is none."""
        with mapped_errors("remove a staged file"):
            try:
                self._container.get_blob_client(name).delete_blob()
            except ResourceNotFoundError:
                return

    def names(self) -> Iterator[str]:
        """Names of all staged files, in their order."""
        with mapped_errors("list staged files"):
            yield from self._container.list_blob_names()

    def older_than(self, before: datetime) -> Iterator[str]:
        """Names of the staged files that were last written before then."""
        with mapped_errors("list staged files"):
            for blob in self._container.list_blobs():
                if blob.last_modified < before:
                    yield blob.name

    def upload_url(self, name: str, *, expires_at: datetime) -> str:
        """Where somebody without any other right can write the staged file `name`, until then.

        Signed with the app's identity (a user-delegation SAS), or with the account key where the storage account is
        reached by connection string. It allows to write this one file, not to read it.
        """
        blob = self._container.get_blob_client(name)
        begins = datetime.now(UTC) - _CLOCKS_DIFFER
        with mapped_errors("sign an upload"):
            key = getattr(self._service.credential, "account_key", None)
            signed_by: dict[str, Any] = (
                {"account_key": key}
                if key
                else {"user_delegation_key": self._service.get_user_delegation_key(begins, expires_at)}
            )
            signature = generate_blob_sas(
                account_name=str(blob.account_name),
                container_name=blob.container_name,
                blob_name=blob.blob_name,
                permission=BlobSasPermissions(create=True, write=True),
                start=begins,
                expiry=expires_at,
                protocol="https" if blob.url.startswith("https:") else None,
                **signed_by,
            )
        return f"{blob.url}?{signature}"


class _Reader:
    def __init__(self, blob: BlobClient, offset: int) -> None:
        self._stream = blob.download_blob(offset=offset or None, max_concurrency=1)

    def read(self, size: int = -1, /) -> bytes:
        with mapped_errors("read a staged file"):
            return self._stream.read(size)
