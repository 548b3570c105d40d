"""A session on an SFTP site: listings that are not trusted, reading, resumed writing, renaming."""

import io
import posixpath
import re
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from paramiko import SFTPAttributes, Transport

from shared.clock import file_time
from shared.errors import SftpRefused, SftpUnavailable
from shared.sftp.transfer import (
    BLOCK,
    CONNECTION_ERRORS,
    WRITE_WINDOW,
    NoSuchFile,
    PipelinedClient,
    PipelinedWriter,
    Refusal,
    mapped_errors,
)

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: Names accepted from a listing. They become names of blobs and parts of paths, so nothing else is allowed.
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Suffixes of files that are still being written.
_UNFINISHED: Final = (".part", ".tmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file on the SFTP site."""

    #: Its name without the folder.
    name: str
    #: In bytes.
    size: int
    #: When it was last changed, in UTC and whole seconds.
    modified: datetime


def is_safe_name(name: str) -> bool:
    """Whether a name of the site is used as it is: it has only letters, digits, `.`, `_` and `-`."""
    return _SAFE_NAME.fullmatch(name) is not None


def is_unfinished(name: str) -> bool:
    """Whether the name says that the file is still being written (`.part`, `.tmp`)."""
    return name.lower().endswith(_UNFINISHED)


class SftpSession:
    """A session on the SFTP site, for one thread.

    Every method raises the same errors:

    * SftpRefused: the site refused, for good.
    * SftpUnavailable: the connection broke or the site did not answer; the session is closed.
    """

    def __init__(self, host: str, transport: Transport, client: PipelinedClient) -> None:
        self._host = host
        self._transport = transport
        self._client = client

    def stat(self, path: str) -> RemoteFile | None:
        """The file at this path; None when there is none."""
        operation = f"check {path}"
        with self._mapped(operation):
            try:
                attributes = self._client.stat(path)
            except NoSuchFile:
                return None
        if not _is_file(attributes):
            raise SftpRefused(operation=operation, reason="not a file")
        return _remote_file(operation, posixpath.basename(path), attributes)

    def list_files(self, folder: str, pattern: str, *, names: re.Pattern[str] = _SAFE_NAME) -> list[RemoteFile]:
        """The files in a folder, sorted by name.

        Excluded are files with other names than `names` and files that are still being written (`.part`, `.tmp`).

        Args:
            folder: the folder.
            pattern: the names to list, with `*` and `?`.
            names: the names that are accepted; usually of letters, digits, `.`, `_` and `-`.
        """
        operation = f"list {folder}"
        with self._mapped(operation):
            listed = [(name.decode("utf-8", "replace"), entry) for name, entry in self._client.entries(folder)]
        return sorted(
            (
                _remote_file(operation, name, entry)
                for name, entry in listed
                if _is_file(entry) and names.fullmatch(name) and fnmatchcase(name, pattern) and not is_unfinished(name)
            ),
            key=lambda file: file.name,
        )

    def resume_file(self, open_at: Callable[[int], "SupportsRead[bytes]"], path: str, size: int) -> None:
        """Write the part of the content that a file lacks.

        Its size does not show how much is written without gaps: of several writes in flight when a connection
        breaks, the site may keep a later one and lose an earlier one. But none of them is further than
        `WRITE_WINDOW` past the first unanswered one, so everything up to `WRITE_WINDOW` before the end is there.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: the file; it contains only parts of this content, or does not exist.
            size: of the content, in bytes.
        """
        present = self.stat(path)
        if present is not None and present.size > size:
            self.remove(path)
            present = None
        offset = max(0, present.size - WRITE_WINDOW) if present else 0
        try:
            writer = self._writer(path, offset)
        except SftpRefused:
            if present is None:
                raise
            # Some sites let a file be written, but not reopened.
            self.remove(path)
            offset = 0
            writer = self._writer(path, offset)
        self._write(writer, open_at(offset) if size else io.BytesIO(), path)
        if writer.offset != size:
            raise ValueError(f"the content has {writer.offset} bytes, not {size}")
        self._check_size(path, size)

    def rename(self, source: str, target: str, *, replace: bool) -> None:
        """Rename a file.

        Args:
            source: the file.
            target: its new path.
            replace: whether an existing file at the new path is replaced; otherwise it is an error.
        """
        with self._mapped(f"rename {source} to {target}"):
            if not replace or self.stat(target) is None:
                # Every server supports this one; it refuses to overwrite.
                self._client.rename(source, target)
                return
            try:
                self._client.posix_rename(source, target)  # an extension of OpenSSH's
            except Refusal as refusal:
                if not refusal.unsupported:
                    raise
                with suppress(NoSuchFile):
                    self._client.remove(target)
                self._client.rename(source, target)

    def _writer(self, path: str, offset: int) -> PipelinedWriter:
        with self._mapped(f"upload {path}"):
            return self._client.writer(path, offset)

    def _write(self, writer: PipelinedWriter, content: "SupportsRead[bytes]", path: str) -> None:
        """Write the content to its end, until every write is answered."""
        try:
            while block := content.read(BLOCK):
                with self._mapped(f"upload {path}"):
                    writer.write(block)
        except BaseException:
            writer.abandon()
            raise
        with self._mapped(f"upload {path}"):
            writer.finish()

    def _check_size(self, path: str, size: int) -> None:
        file = self.stat(path)
        if file is None or file.size != size:
            # The next attempt starts from the beginning.
            self.remove(path)
            raise SftpUnavailable(
                host=self._host,
                operation=f"upload {path}",
                reason=f"{size} bytes were sent, the site holds {file.size if file else 'none'}",
            )

    def remove(self, path: str) -> bool:
        """Remove a file.

        Returns:
            Whether there was one.
        """
        with self._mapped(f"remove {path}"):
            try:
                self._client.remove(path)
            except NoSuchFile:
                return False
        return True

    def remove_unfinished(self, path: str) -> int:
        """Remove the unfinished files of interrupted uploads to this path.

        Returns:
            How many there were.
        """
        folder, name = posixpath.split(path)
        with self._mapped(f"list {folder}"):
            listed = [entry.decode("ascii", "replace") for entry, _ in self._client.entries(folder)]
        unfinished = [entry for entry in listed if entry.startswith(f"{name}.") and entry.endswith(".part")]
        return sum(self.remove(posixpath.join(folder, entry)) for entry in unfinished)

    def read(self, path: str) -> Generator[bytes]:
        """The content of a file, piece by piece, up to its size at the beginning.

        It ends early if the file is truncated meanwhile: compare the bytes read with `stat`.
        """
        with self._mapped(f"read {path}"):
            yield from self._client.read(path)

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        with mapped_errors(self._host, operation):
            try:
                yield
            except CONNECTION_ERRORS:
                # A late answer would be taken for the answer to the next request.
                self._transport.close()
                raise


def _is_file(attributes: SFTPAttributes) -> bool:
    # A server need not report the mode.
    return attributes.st_mode is None or stat.S_ISREG(attributes.st_mode)


def _remote_file(operation: str, name: str, attributes: SFTPAttributes) -> RemoteFile:
    if attributes.st_size is None or attributes.st_mtime is None:
        raise SftpRefused(operation=operation, reason="the site reports neither size nor time of a file")
    return RemoteFile(name=name, size=attributes.st_size, modified=file_time(attributes.st_mtime))
