"""Locations: folders from which delivery files are read, and to which files for others are written.

A location is a mounted folder, a folder of a blob container, or a folder on an SFTP site; `location_text` parses it.
Reading and writing stream: at most a few MiB of a file are in memory.
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
from datetime import datetime
from errno import ELOOP, ENOENT
from fnmatch import fnmatchcase
from io import FileIO
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from azure.storage.blob import BlobProperties, BlobServiceClient

from shared.clock import file_time
from shared.config.location_text import LocationKind, parse_location
from shared.config.unfinished_names import is_unfinished
from shared.errors import (
    DeliveryFileMissing,
    FileNameRefused,
    LocationUnavailable,
    SettingsInvalid,
    StagedFileMissing,
    UploadOutcomeUnknown,
)
from shared.sftp.site import SftpSite
from shared.storage.account import mapped_errors
from shared.storage.staging import Staging
from shared.telemetry import log

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: No path separators, no control characters, and no replacements for undecodable bytes.
_NAME: Final = re.compile(r"(?!\.{1,2}$)[^/\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]+")
#: In bytes; the limit of most file systems.
_MAX_NAME: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedFile:
    """A file in a location."""

    name: str
    #: In bytes.
    size: int
    #: When it was last changed, in UTC.
    modified: datetime
    #: Identifies this content among others of this name, where the location supports it.
    etag: str | None = None


class Location(Protocol):
    """A folder of files. Safe to share between threads.

    Besides its own errors, every method raises:

    * LocationUnavailable, StorageUnavailable, SftpUnavailable: a retry may succeed.
    * SftpRefused and the errors of `SftpSite.connect`: the SFTP site refused; a retry does not help.
    """

    def open(self, name: str) -> AbstractContextManager["SupportsRead[bytes]"]:
        """A file, to be read piece by piece within the block, in the thread that opened it.

        Raises:
            FileNameRefused: the name is invalid, or leads out of the folder.
            DeliveryFileMissing: there is no such file.
        """
        ...

    def list_files(self, pattern: str) -> Sequence[LocatedFile]:
        """The files in the folder, sorted by name, without those of its subfolders.

        Excluded are files that `open` refuses, and files that are still being written, by their names.

        Args:
            pattern: the names to list, with `*` and `?`, in any case.
        """
        ...

    def ignored(self, pattern: str) -> Mapping[str, str]:
        """The names that `list_files` leaves out although they fit the pattern, each with the reason.

        Of an SFTP site, none: its listing is read elsewhere.
        """
        ...

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file. It appears when it is complete, and replaces an existing one.

        Raises:
            FileNameRefused: the name is invalid, or leads out of the folder.
        """
        ...


class Locations:
    """Gives access to locations by their text."""

    def __init__(self, service: BlobServiceClient, sites: Mapping[str, SftpSite]) -> None:
        self._service = service
        self._sites = sites

    def get(self, text: str) -> Location:
        """The location that a text names. Nothing is connected to yet.

        Raises:
            SettingsInvalid: the text is not a location, or names an SFTP site that does not exist.
        """
        try:
            parsed = parse_location(text)
        except ValueError as error:
            raise SettingsInvalid(reason=str(error)) from None
        if parsed.kind is LocationKind.FOLDER:
            return _Folder(Path(parsed.folder))
        if parsed.kind is LocationKind.CONTAINER:
            return _Container(self._service, parsed.name, parsed.folder)
        if parsed.name not in self._sites:
            raise SettingsInvalid(
                reason=f"a location is on the SFTP site {parsed.name}, but there is no [sftp_sites.{parsed.name}]"
            )
        return _SftpFolder(self._sites[parsed.name], parsed.name, parsed.folder)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._description = f"the folder {path}"

    @contextmanager
    def open(self, name: str) -> Iterator["SupportsRead[bytes]"]:
        path = self._path / _checked(name, self._description)
        with self.mapped("read a file"):
            # Opening a pipe or a device could block forever.
            if not path.is_file():
                raise DeliveryFileMissing(file=name, location=self._description)
            try:
                file = path.open("rb", buffering=0)
            except FileNotFoundError:
                raise DeliveryFileMissing(file=name, location=self._description) from None
        with file:
            yield _FolderReader(self, file)

    def list_files(self, pattern: str) -> Sequence[LocatedFile]:
        files = []
        with self.mapped("list its files"), os.scandir(self._path) as entries:
            for entry in entries:
                if not _is_listed(entry.name, pattern):
                    continue
                try:
                    if entry.is_file():
                        status = entry.stat()
                        modified = file_time(status.st_mtime)
                        files.append(LocatedFile(name=entry.name, size=status.st_size, modified=modified))
                except OSError as error:
                    if error.errno not in {ENOENT, ELOOP}:  # removed meanwhile; a link to itself
                        raise
        return sorted(files, key=attrgetter("name"))

    def ignored(self, pattern: str) -> Mapping[str, str]:
        with self.mapped("list its files"), os.scandir(self._path) as entries:
            names = {entry.name: entry.is_symlink() and not (self._path / entry.name).exists() for entry in entries}
        return {
            repr(name)[1:-1]: "it is a link that leads nowhere" if broken else reason
            for name, broken in names.items()
            if (reason := _why_ignored(name, pattern)) or (broken and _fits(name, pattern))
        }

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._path / _checked(name, self._description)
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
        """Map errors of the file system to those of the catalogue."""
        try:
            yield
        except OSError as error:
            raise LocationUnavailable(
                location=self._description, operation=operation, reason=type(error).__name__
            ) from None


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
        self._description = f"the container {container}" + (f", folder {folder}" if folder else "")

    @contextmanager
    def open(self, name: str) -> Iterator["SupportsRead[bytes]"]:
        blob = self._prefix + _checked(name, self._description)
        try:
            content = self._blobs.open(blob)
        except StagedFileMissing:
            raise DeliveryFileMissing(file=name, location=self._description) from None
        yield content

    def list_files(self, pattern: str) -> Sequence[LocatedFile]:
        files = []
        with mapped_errors("list files"):
            for blob in self._container.walk_blobs(self._prefix or None, include=["metadata"]):
                name = blob.name.removeprefix(self._prefix)
                if isinstance(blob, BlobProperties) and _is_listed(name, pattern) and not _is_folder(blob):
                    etag = blob.etag.strip('"')
                    files.append(LocatedFile(name=name, size=blob.size, modified=blob.last_modified, etag=etag))
        return sorted(files, key=attrgetter("name"))

    def ignored(self, pattern: str) -> Mapping[str, str]:
        with mapped_errors("list files"):
            names = [blob.name.removeprefix(self._prefix) for blob in self._container.walk_blobs(self._prefix or None)]
        return {repr(name)[1:-1]: reason for name in names if (reason := _why_ignored(name, pattern))}

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        with self._blobs.writer(self._prefix + _checked(name, self._description)) as blob:
            for chunk in chunks:
                blob.write(chunk)
            blob.commit({}, replace=True)


def _is_folder(blob: BlobProperties) -> bool:
    """Whether the blob represents a folder, in storage accounts with a hierarchical namespace."""
    return any(name.lower() == "hdi_isfolder" for name in blob.metadata or {})


class _SftpFolder:
    def __init__(self, site: SftpSite, name: str, folder: str) -> None:
        self._site = site
        self._folder = f"/{folder}"
        self._description = f"the folder {self._folder} of the SFTP site {name}"

    @contextmanager
    def open(self, name: str) -> Iterator["SupportsRead[bytes]"]:
        path = self._path(name)
        with self._site.connect() as session:
            file = session.find(path)
            if file is None:
                raise DeliveryFileMissing(file=name, location=self._description)
            with closing(session.read(path, file.size)) as blocks:
                yield _SftpReader(blocks, file.size, self._description)

    def list_files(self, pattern: str) -> Sequence[LocatedFile]:
        with self._site.connect() as session:
            files = session.list_files(self._folder, "*", names=_NAME)
        return [
            # A file of unknown size cannot be read either: reading it says so.
            LocatedFile(name=file.name, size=file.size or 0, modified=file.modified)
            for file in files
            if _is_listed(file.name, pattern)
        ]

    def ignored(self, _pattern: str) -> Mapping[str, str]:
        return {}

    def write(self, name: str, chunks: Iterable[bytes]) -> None:
        path = self._path(name)
        # Buffered on disk, so that an interrupted upload resumes where it broke.
        with tempfile.TemporaryFile() as buffer:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                buffer.write(chunk)
                digest.update(chunk)
                size += len(chunk)

            def open_at(offset: int) -> "SupportsRead[bytes]":
                buffer.seek(offset)
                return buffer

            try:
                self._site.upload(open_at, path, size=size, tag=digest.hexdigest()[:16], replace=True)
            except UploadOutcomeUnknown as unknown:
                # Its receiver may have it: a second file would be a second copy of its rows.
                log.warning("%s", unknown, extra={"action": "note", "file": name, "code": unknown.code})

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, _checked(name, self._description))


class _SftpReader:
    def __init__(self, blocks: Iterator[bytes], size: int | None, location: str) -> None:
        self._blocks = blocks
        self._left = size
        self._location = location
        self._buffer = b""

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._buffer) < size:
            block = next(self._blocks, b"")
            if not block:
                break
            if self._left is not None:
                self._left -= len(block)
            self._buffer += block
        if self._left and (not self._buffer or self._left < 0):
            reason = "its size is not the one that the site reports; it may have changed meanwhile"
            raise LocationUnavailable(location=self._location, operation="read a file", reason=reason)
        size = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def _checked(name: str, location: str) -> str:
    if not _is_valid_name(name):
        raise FileNameRefused(name=repr(name[:_MAX_NAME]), location=location)
    return name


def _is_listed(name: str, pattern: str) -> bool:
    """Case does not matter, as on the Windows machine that writes the files: `LIST.TXT` is one of `*.txt`."""
    return _is_valid_name(name) and _fits(name, pattern) and not is_unfinished(name)


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def _why_ignored(name: str, pattern: str) -> str:
    """Why a name is not listed that fits the pattern, perhaps without its extension; empty for the others."""
    if is_unfinished(name) and (_fits(name, pattern) or _fits(name.rpartition(".")[0], pattern)):
        return "its name says that it is still being written"
    return "its name has a character that is not allowed" if _fits(name, pattern) and not _is_valid_name(name) else ""


def _is_valid_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and len(name.encode()) <= _MAX_NAME
