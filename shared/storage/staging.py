"""Staged files: list files on their way to Optimizely, reject files, response files as they came.

A staged file appears complete or not at all, with metadata about its content, and is never changed. Reads and writes
stream, with one block in memory at a time.
"""

import io
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobSasPermissions, BlobServiceClient, generate_blob_sas

from shared.errors import StagedFileMissing
from shared.storage.account import BLOCK_SIZE, mapped_errors

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: A signature that begins now would not be valid yet on a server whose clock is behind.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """Properties of a staged file."""

    #: In bytes.
    size: int
    #: Identifies this content among all with this name.
    tag: str
    #: From its writer.
    metadata: Mapping[str, str]


class StagedFileWriter(AbstractContextManager["StagedFileWriter"]):
    """Writes a staged file. Without `commit`, nothing of it remains."""

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self._buffer = bytearray()
        self._blocks: list[BlobBlock] = []

    def __exit__(self, *_: object) -> None:
        """Discard what was not committed; the storage account removes its blocks."""
        self._buffer.clear()

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            StorageUnavailable: the storage account did not accept it.
        """
        self._buffer += data
        while len(self._buffer) >= BLOCK_SIZE:
            self._send(bytes(self._buffer[:BLOCK_SIZE]))
            del self._buffer[:BLOCK_SIZE]

    def commit(self, metadata: Mapping[str, str], *, replace: bool = False) -> bool:
        """Let the file appear, unless its name is taken.

        Args:
            metadata: what a later reader must know about the content; names of letters, digits and `_`.
            replace: replace an existing file.

        Returns:
            Whether the file appeared; an existing file is left as it is.
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
        # All ids of a blob have the same length; ids of two writers must differ.
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
        """Create the container if it does not exist."""
        with mapped_errors("create a container"), suppress(ResourceExistsError):
            self._container.create_container()

    def exists(self) -> bool:
        """Whether the container exists."""
        with mapped_errors("check a container"):
            return self._container.exists()

    def writer(self, name: str) -> StagedFileWriter:
        """A writer of the staged file `name`."""
        return StagedFileWriter(self._container.get_blob_client(name))

    def find(self, name: str) -> StagedFile | None:
        """The staged file `name`, if it exists."""
        with mapped_errors("check a staged file"):
            try:
                blob = self._container.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return StagedFile(size=blob.size, tag=blob.etag.strip('"'), metadata=dict(blob.metadata or {}))

    def put_metadata(self, name: str, metadata: Mapping[str, str], *, replacing: StagedFile | None) -> bool:
        """Write a staged file without content, unless another process has changed it meanwhile.

        Args:
            name: its name.
            metadata: what it says; names of letters, digits and `_`.
            replacing: the file as it was found; None if it was not found.

        Returns:
            Whether it was written.
        """
        condition: dict[str, Any] = {"overwrite": False}
        if replacing is not None:
            unchanged = MatchConditions.IfNotModified
            condition = {"overwrite": True, "etag": f'"{replacing.tag}"', "match_condition": unchanged}
        with mapped_errors("write a staged file"):
            try:
                self._container.get_blob_client(name).upload_blob(b"", metadata=dict(metadata), **condition)
            except (ResourceExistsError, ResourceModifiedError):
                return False
        return True

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
                    return io.BytesIO()  # the file ends before the offset
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
        """Remove the staged file `name` if it exists."""
        with mapped_errors("remove a staged file"), suppress(ResourceNotFoundError):
            self._container.get_blob_client(name).delete_blob()

    def names(self) -> Iterator[str]:
        """Names of all staged files, sorted."""
        with mapped_errors("list staged files"):
            yield from self._container.list_blob_names()

    def older_than(self, before: datetime) -> Iterator[str]:
        """Names of the staged files that were last written before a time."""
        with mapped_errors("list staged files"):
            for blob in self._container.list_blobs():
                if blob.last_modified < before:
                    yield blob.name

    def upload_url(self, name: str, *, expires_at: datetime) -> str:
        """A URL at which a caller without any other permission can write the staged file `name`.

        It is signed with the app's identity (a user-delegation SAS), or with the account key if the storage account is
        accessed by connection string. It allows writing this one file until it expires, and no reading.
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
