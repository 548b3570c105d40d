"""A session on an SFTP site: listings that are not trusted, reading, resumed writing, renaming.

It asks for no more than it needs: where the site refuses a request, or leaves something out of an answer, it takes the
next best safe way, and `Capabilities` keeps that.
"""

import io
import posixpath
import re
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from paramiko import SFTPAttributes, Transport

from shared.config.unfinished_names import is_unfinished
from shared.errors import SftpRefused
from shared.sftp.capabilities import Capabilities, Gap
from shared.sftp.remote_file import UNKNOWN_TIME, RemoteFile, as_reported, complete, file_type
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

#: Pauses in seconds for a site that reports another size right after a file was written. Half a minute in all.
_SIZE_PAUSES: Final = (0.5, 1, 2, 4, 8, 15)
_POSIX_RENAME: Final = "posix-rename@openssh.com"


def is_safe_name(name: str) -> bool:
    """Whether a name of the site is used as it is: it has only letters, digits, `.`, `_` and `-`."""
    return _SAFE_NAME.fullmatch(name) is not None


class SftpSession:
    """A session on the SFTP site, for one thread.

    Every method raises the same errors:

    * SftpRefused: the site refused, for good.
    * SftpUnavailable: the connection broke or the site did not answer; the session is closed.
    """

    def __init__(
        self,
        host: str,
        transport: Transport,
        client: PipelinedClient,
        capabilities: Capabilities | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._transport = transport
        self._client = client
        self._capabilities = capabilities or Capabilities(host)
        self._pause = pause

    def find(self, path: str) -> RemoteFile | None:
        """The file at this path; None when there is none.

        It is asked for by its path, which a site may refuse, or refuse for a missing file only; then it is searched in
        the listing of its folder, and last it is opened.

        Raises:
            SftpRefused: the site does not let anybody find out, or it is not a file.
        """
        operation = f"check {path}"
        with self._mapped(operation):
            attributes = self._attributes(path)
        if attributes is None:
            return None
        if file_type(attributes) not in {stat.S_IFREG, stat.S_IFLNK, 0}:
            raise SftpRefused(operation=operation, reason="not a file")
        return self._remote_file(path, attributes)

    def exists(self, path: str) -> bool | None:
        """Whether there is a file at this path; None if the site does not let anybody find out."""
        try:
            return self.find(path) is not None
        except SftpRefused:
            self._capabilities.add(Gap.EXISTENCE)
            return None

    def stat(self, path: str) -> RemoteFile | None:
        """The file at this path, where the site reports it right away; None when there is none, or it does not."""
        if Gap.STAT in self._capabilities:
            return None
        with self._mapped(f"check {path}"):
            try:
                return as_reported(path, self._client.stat(path))
            except Refusal:
                return None

    def _attributes(self, path: str) -> SFTPAttributes | None:
        """What the site reports of a path, perhaps nothing but that something is there; None if nothing is there."""
        refusal: Refusal | None = None
        if Gap.STAT not in self._capabilities:
            try:
                reported = self._client.stat(path)
            except Refusal as refused:
                # Until the site has reported a file by its path, its answer may be how it refuses the question.
                if isinstance(refused, NoSuchFile) and self._capabilities.reports_files:
                    return None
                refusal = refused
            else:
                self._capabilities.reports_files = True
                return reported
        folder, name = posixpath.split(path)
        try:
            listed = dict(self._client.entries(folder or "."))
        except NoSuchFile:
            return None
        except Refusal as refused:
            if isinstance(refusal, NoSuchFile):
                return None
            self._capabilities.add(Gap.LISTING)
            return self._opened(path, refusal or refused)
        attributes = listed.get(name.encode())
        if attributes is not None and refusal is not None:
            self._capabilities.add(Gap.STAT)
        if attributes is None and refusal is not None and not isinstance(refusal, NoSuchFile):
            self._capabilities.add(Gap.MISSING)
        return attributes

    def _opened(self, path: str, refusal: Refusal) -> SFTPAttributes | None:
        try:
            self._client.close_handle(self._client.open_handle(path))
        except NoSuchFile:
            return None
        except Refusal:
            raise refusal from None
        return SFTPAttributes()

    def _remote_file(self, path: str, attributes: SFTPAttributes) -> RemoteFile:
        """A file with all that the site reports of it in one request or another."""
        file = as_reported(path, attributes)
        if not file_type(attributes):
            self._capabilities.add(Gap.FILE_TYPE)
        if file.modified == UNKNOWN_TIME:
            self._capabilities.add(Gap.TIME)
        if file.size is not None:
            return file
        self._capabilities.add(Gap.SIZE)
        return RemoteFile(name=file.name, size=self._measure(path), modified=file.modified)

    def _measure(self, path: str) -> int | None:
        """The size of a file by reading; None if the site does not let it be read."""
        with self._mapped(f"read {path}"):
            try:
                return self._client.measure(path)
            except Refusal:
                self._capabilities.add(Gap.NO_SIZE)
                return None

    def list_files(self, folder: str, pattern: str, *, names: re.Pattern[str] = _SAFE_NAME) -> list[RemoteFile]:
        """The files in a folder, sorted by name, symbolic links to files included.

        Excluded are files with other names than `names` and files that are still being written, by their names.

        Args:
            folder: the folder.
            pattern: the names to list, with `*` and `?`.
            names: the names that are accepted; usually of letters, digits, `.`, `_` and `-`.
        """
        with self._mapped(f"list {folder}"):
            listed = [(name.decode("utf-8", "replace"), entry) for name, entry in self._client.entries(folder)]
        files = (
            self._listed_file(posixpath.join(folder, name), entry)
            for name, entry in listed
            if names.fullmatch(name) and fnmatchcase(name, pattern) and not is_unfinished(name)
        )
        return sorted((file for file in files if file is not None), key=lambda file: file.name)

    def _listed_file(self, path: str, entry: SFTPAttributes) -> RemoteFile | None:
        """A file of a listing; None for a folder and the like."""
        kind = file_type(entry)
        if kind not in {stat.S_IFREG, stat.S_IFLNK, 0}:
            return None
        reported_in_full = entry.st_size is not None and entry.st_mtime is not None
        if not reported_in_full or kind == stat.S_IFLNK or (not kind and Gap.FILE_TYPE not in self._capabilities):
            with self._mapped(f"check {path}"):
                try:
                    reported = self._client.stat(path)
                except Refusal:
                    if kind == stat.S_IFLNK:
                        return None  # it leads nowhere, or nobody knows where
                else:
                    if file_type(reported) not in {stat.S_IFREG, 0}:
                        return None
                    entry = complete(reported, entry, follow=kind == stat.S_IFLNK)
        return self._remote_file(path, entry)

    def resume_file(
        self, open_at: Callable[[int], "SupportsRead[bytes]"], path: str, size: int, *, from_start: bool = False
    ) -> PipelinedWriter:
        """Write the part of the content that a file lacks, until all of it is confirmed; `close_file` completes it.

        Its size does not show how much is written without gaps: of several writes in flight when a connection
        breaks, the site may keep a later one and lose an earlier one. But none of them is further than
        `WRITE_WINDOW` past the first unanswered one, so everything up to `WRITE_WINDOW` before the end is there.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: the file; it contains only parts of this content, or does not exist.
            size: of the content, in bytes.
            from_start: whether an existing file may hold something else, and is overwritten.
        """
        exists = self.exists(path)
        present = self.find(path) if exists and not from_start else None
        written = 0 if present is None or present.size is None or present.size > size else present.size
        offset = max(0, written - WRITE_WINDOW)
        if offset and Gap.RESUME not in self._capabilities:
            try:
                return self._written(self._writer(path, offset), open_at, path, size)
            except SftpRefused:
                self._capabilities.add(Gap.RESUME)
        try:
            writer = self._writer(path, 0)
        except SftpRefused:
            if exists is False:
                raise
            # Some sites let a file be written, but not reopened.
            self._capabilities.add(Gap.REOPEN)
            self.remove(path)
            writer = self._writer(path, 0)
        return self._written(writer, open_at, path, size)

    def close_file(self, writer: PipelinedWriter, path: str, size: int) -> int | None:
        """Close a file that is written, and make sure that the site holds all of it.

        Args:
            writer: from `resume_file`.
            path: the file.
            size: of its content, in bytes.

        Returns:
            The bytes that the site holds, also where it reports them only after a while; None if the file has vanished.
            Of a site that reports no sizes and lets nothing be read, `size`: every write was confirmed.
        """
        with self._mapped(f"upload {path}"):
            writer.close()
        return self.wait_for_size(path, size)

    def wait_for_size(self, path: str, size: int) -> int | None:
        """The size of a file, which the site may report only a while after it was written.

        Args:
            path: the file.
            size: the size that it should have, in bytes.

        Returns:
            The size at last, `size` if it cannot be found out; None if there is no file.
        """
        for pause in (*_SIZE_PAUSES, None):
            try:
                file = self.find(path)
            except SftpRefused:
                self._capabilities.add(Gap.EXISTENCE)
                return size
            if file is None:
                return None
            held = size if file.size is None else file.size
            if held == size or pause is None:
                break
            self._pause(pause)
        if held != size and self._measure(path) == size:
            self._capabilities.add(Gap.WRONG_SIZE)
            return size
        return held

    def rename(self, source: str, target: str, *, replace: bool) -> None:
        """Rename a file.

        Args:
            source: the file.
            target: its new path.
            replace: whether an existing file at the new path is replaced; otherwise it is an error.
        """
        with self._mapped(f"rename {source} to {target}"):
            if replace and self.exists(target) is not False:
                self._rename_over(source, target)
                return
            try:
                # Every server supports this one; it refuses to overwrite.
                self._client.rename(source, target)
            except Refusal as refusal:
                if _POSIX_RENAME not in self._client.extensions or self.exists(target) is not False:
                    raise
                try:
                    self._client.posix_rename(source, target)
                except Refusal:
                    raise refusal from None
                self._capabilities.add(Gap.RENAME)

    def _rename_over(self, source: str, target: str) -> None:
        try:
            self._client.posix_rename(source, target)  # an extension of OpenSSH's
        except Refusal as refusal:
            if not refusal.unsupported and _POSIX_RENAME in self._client.extensions:
                raise
            self._capabilities.add(Gap.REPLACE)
            with suppress(NoSuchFile):
                self._client.remove(target)
            self._client.rename(source, target)

    def _writer(self, path: str, offset: int) -> PipelinedWriter:
        with self._mapped(f"upload {path}"):
            return self._client.writer(path, offset)

    def _written(
        self, writer: PipelinedWriter, open_at: Callable[[int], "SupportsRead[bytes]"], path: str, size: int
    ) -> PipelinedWriter:
        """Write the content from the writer's offset to its end, until every write is answered."""
        try:
            content = open_at(writer.offset) if size else io.BytesIO()
            while block := content.read(BLOCK):
                with self._mapped(f"upload {path}"):
                    writer.write(block)
            with self._mapped(f"upload {path}"):
                writer.confirm()
        except BaseException:
            writer.abandon()
            raise
        if writer.offset != size:
            writer.abandon()
            raise ValueError(f"the content has {writer.offset} bytes, not {size}")
        return writer

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
            except Refusal:
                self._capabilities.add(Gap.REMOVE)
                raise
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

    def read(self, path: str, size: int | None = None) -> Generator[bytes]:
        """The content of a file, piece by piece.

        It ends early if the file is truncated meanwhile: compare the bytes read with the size.

        Args:
            path: the file.
            size: the size that it should have, in bytes: of a longer file, one byte more is read. None: its size at the
                beginning, or its end where the site does not report it.
        """
        with self._mapped(f"read {path}"):
            yield from self._client.read(path, size)

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        with mapped_errors(self._host, operation):
            try:
                yield
            except CONNECTION_ERRORS:
                # A late answer would be taken for the answer to the next request.
                self._transport.close()
                raise
