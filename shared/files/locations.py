"""Places: folders from which delivery files are taken, and in which files are left for others.

A place is a mounted folder, a folder of a blob container, or a folder on an SFTP site; how it is written is said in
`place_text`. Reading and writing stream: at most a few MiB of a file are in memory.
"""

import hashlib
import os
import posixpath
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from io import FileIO
from pathlib import Path
from typing import Final, Protocol

from azure.storage.blob import BlobProperties, BlobServiceClient

from shared.config.location_text import PlaceKind, parse_place
from shared.errors import (
    DeliveryFileMissing,
    FileNameRefused,
    PlaceUnavailable,
    SettingsInvalid,
    StagedFileMissing,
)
from shared.sftp.site import SftpSite
from shared.storage.account import mapped_errors
from shared.storage.staging import Readable, Staging

#: Without separators of paths, control characters, and what stands for bytes that are no text.
_NAME: Final = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]+")
#: In bytes, as for most file systems.
_LONGEST_NAME: Final = 255
#: Endings of files that somebody is still writing.
_UNFINISHED: Final = (".part", ".tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """A file in a place."""

    name: str
    #: In bytes.
    size: int
    #: When it was last changed, in UTC.
    modified: datetime
    #: Tells this content from any other under this name, where the place can tell.
    etag: str | None = None


class Place(Protocol):
    """A folder of files. Safe to share between threads.

    Every method raises, beside its own errors:

    * PlaceUnavailable, StorageUnavailable, SftpUnavailable: it may be there later.
    * SftpRefused and the errors of `SftpSite.connect`: the SFTP site refused, for good.
    """

    def open(self, name: str) -> AbstractContextManager[Readable]:
        """A file, to be read piece by piece within the block, in the thread that opened it.

        Raises:
            FileNameRefused: the name is none, or leads out of the folder.
            DeliveryFileMissing: there is no such file.
        """
        ...

    def files(self, pattern: str) -> Sequence[PlacedFile]:
        """The files in the folder, by name; not those in folders below it.

        Left out is what nobody could `open`, and what somebody is still writing (`.part`, `.tmp`).

        Args:
            pattern: names that are wanted, with `*` and `?`.
        """
        ...

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Leave a file, which appears when it is whole and takes the place of one of this name.

        Raises:
            FileNameRefused: the name is none, or leads out of the folder.
        """
        ...


class Places:
    """Finds places by their text.

    Args:
        service: the blobs of the storage account.
        sites: the SFTP sites by name.
    """

    def __init__(self, service: BlobServiceClient, sites: Mapping[str, SftpSite]) -> None:
        self._service = service
        self._sites = sites

    def of(self, text: str) -> Place:
        """The place that a text names. Nothing is connected to yet.

        Raises:
            SettingsInvalid: the text is no place, or names an SFTP site that there is not.
        """
        try:
            parsed = parse_place(text)
        except ValueError as error:
            raise SettingsInvalid(reason=str(error)) from None
        if parsed.kind is PlaceKind.FOLDER:
            return _Folder(Path(parsed.folder))
        if parsed.kind is PlaceKind.CONTAINER:
            return _Container(self._service, parsed.name, parsed.folder)
        if parsed.name not in self._sites:
            raise SettingsInvalid(
                reason=f"a place is on the SFTP site {parsed.name}, but there is no [sftp_sites.{parsed.name}]"
            )
        return _SftpFolder(self._sites[parsed.name], parsed.name, parsed.folder)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._told = f"the folder {path}"

    @contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        path = self._path / _checked(name, self._told)
        with self.mapped("read a file"):
            # A pipe or a device would be waited for without end.
            if not path.is_file():
                raise DeliveryFileMissing(file=name, place=self._told)
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise DeliveryFileMissing(file=name, place=self._told) from None
        with file:
            yield _FolderReader(self, file)

    def files(self, pattern: str) -> Sequence[PlacedFile]:
        found = []
        with self.mapped("list its files"), os.scandir(self._path) as entries:
            for entry in entries:
                if not _is_wanted(entry.name, pattern):
                    continue
                with suppress(FileNotFoundError):  # gone meanwhile
                    if entry.is_file():
                        known = entry.stat()
                        modified = datetime.fromtimestamp(known.st_mtime, tz=UTC)
                        found.append(PlacedFile(name=entry.name, size=known.st_size, modified=modified))
        return sorted(found, key=_by_name)

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._path / _checked(name, self._told)
        part = self._path / f"{uuid.uuid4().hex}.part"
        try:
            with self.mapped("write a file"), part.open("xb") as file:
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            with self.mapped("rename a file"):
                part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)

    @contextmanager
    def mapped(self, operation: str) -> Iterator[None]:
        """Turn errors of the file system into those of the catalogue."""
        try:
            yield
        except OSError as error:
            raise PlaceUnavailable(place=self._told, operation=operation, reason=type(error).__name__) from None


class _FolderReader:
    def __init__(self, folder: _Folder, file: FileIO) -> None:
        self._folder = folder
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        with self._folder.mapped("read a file"):
            return self._file.read(size)


class _Container:
    def __init__(self, service: BlobServiceClient, container: str, folder: str) -> None:
        self._container = service.get_container_client(container)
        self._blobs = Staging(service, container)
        self._prefix = f"{folder}/" if folder else ""
        self._told = f"the container {container}" + (f", folder {folder}" if folder else "")

    @contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        blob = self._prefix + _checked(name, self._told)
        try:
            content = self._blobs.open(blob)
        except StagedFileMissing:
            raise DeliveryFileMissing(file=name, place=self._told) from None
        yield content

    def files(self, pattern: str) -> Sequence[PlacedFile]:
        found = []
        with mapped_errors("list files"):
            for blob in self._container.walk_blobs(self._prefix or None, include=["metadata"]):
                name = blob.name.removeprefix(self._prefix)
                if isinstance(blob, BlobProperties) and _is_wanted(name, pattern) and not _is_folder(blob):
                    etag = blob.etag.strip('"')
                    found.append(PlacedFile(name=name, size=blob.size, modified=blob.last_modified, etag=etag))
        return sorted(found, key=_by_name)

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        with self._blobs.writer(self._prefix + _checked(name, self._told)) as blob:
            for chunk in chunks:
                blob.write(chunk)
            blob.commit({}, replace=True)


def _is_folder(blob: BlobProperties) -> bool:
    """Whether it is the mark of a folder, as storage accounts with a hierarchical namespace have it."""
    return any(name.lower() == "hdi_isfolder" for name in blob.metadata or {})


class _SftpFolder:
    def __init__(self, site: SftpSite, name: str, folder: str) -> None:
        self._site = site
        self._folder = f"/{folder}"
        self._told = f"the folder {self._folder} of the SFTP site {name}"

    @contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        path = self._path(name)
        with self._site.connect() as session:
            found = session.stat(path)
            if found is None:
                raise DeliveryFileMissing(file=name, place=self._told)
            with closing(session.read(path)) as blocks:
                yield _SftpReader(blocks, found.size, self._told)

    def files(self, pattern: str) -> Sequence[PlacedFile]:
        with self._site.connect() as session:
            listed = session.list_files(self._folder, pattern, names=_NAME)
        return [
            PlacedFile(name=file.name, size=file.size, modified=file.modified)
            for file in listed
            if _is_wanted(file.name, pattern)
        ]

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._path(name)
        # On disk, so that an upload that breaks goes on where it broke.
        with tempfile.TemporaryFile() as kept:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                kept.write(chunk)
                digest.update(chunk)
                size += len(chunk)

            def open_at(offset: int) -> Readable:
                kept.seek(offset)
                return kept

            self._site.upload(open_at, path, size=size, tag=digest.hexdigest()[:16], replace=True)

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, _checked(name, self._told))


class _SftpReader:
    def __init__(self, blocks: Iterator[bytes], size: int, place: str) -> None:
        self._blocks = blocks
        self._left = size
        self._place = place
        self._here = b""

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._here) < size:
            block = next(self._blocks, b"")
            if not block:
                break
            self._left -= len(block)
            self._here += block
        if not self._here and self._left:
            raise PlaceUnavailable(place=self._place, operation="read a file", reason="it changed meanwhile")
        size = len(self._here) if size < 0 else size
        given, self._here = self._here[:size], self._here[size:]
        return given


def _checked(name: str, place: str) -> str:
    if not _is_name(name):
        raise FileNameRefused(name=repr(name[:_LONGEST_NAME]), place=place)
    return name


def _is_wanted(name: str, pattern: str) -> bool:
    return _is_name(name) and fnmatchcase(name, pattern) and not name.lower().endswith(_UNFINISHED)


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and len(name.encode()) <= _LONGEST_NAME


def _by_name(file: PlacedFile) -> str:
    return file.name
