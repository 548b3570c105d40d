"""An SFTP server (asyncssh) with quirks as parameters: what servers refuse, leave out of an answer, or do besides.

Each quirk was reported of a real server, or is a sibling of such a one. A server plays any number of them at once.
"""

import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh

STATUSES: dict[str, Callable[[str], asyncssh.SFTPError]] = {
    "failure": asyncssh.SFTPFailure,
    "permission denied": asyncssh.SFTPPermissionDenied,
    "not supported": asyncssh.SFTPOpUnsupported,
    "no such file": asyncssh.SFTPNoSuchFile,
}


@dataclass(frozen=True, kw_only=True)
class Quirks:
    """What a server does differently. A name of `STATUSES` says how it refuses; empty: it does not."""

    # What it refuses
    stat: str = ""
    stat_of_missing: str = ""
    fstat: str = ""
    listing: str = ""
    reading: str = ""
    rename: str = ""
    posix_rename: str = ""
    removing: str = ""
    #: Writes anywhere but at the first byte of a file that is opened.
    writing_at_an_offset: str = ""
    #: Opening a file that exists, for writing.
    reopening: str = ""
    writing: str = ""

    # What it leaves out of attributes
    types: bool = True
    permissions: bool = True
    sizes: bool = True
    sizes_in_stat: bool = True
    times: bool = True
    in_listings: bool = True

    # What it does besides
    #: So many answers say that a file just written is empty; -1: all of them.
    empty_after_close: int = 0
    #: By so many bytes the listing and STAT are wrong.
    wrong_size: int = 0
    #: Takes a file that was written: `at once` when it is closed, or `before its rename`; or gives the file its final
    #: name when it is closed (`finishes`).
    takes: str = ""
    #: Removes a file as soon as it was read and closed.
    removes_read_files: bool = False
    #: Renames by a copy, and refuses to remove the file that was copied.
    copies: bool = False
    #: Text in the channel before its first packet.
    greeting: bytes = b""
    #: Breaks the first connection at a write at this offset or beyond; -1: none.
    breaks_at: int = -1
    #: Removes a file whose connection broke while it was written.
    drops_broken_uploads: bool = False


@dataclass
class Books:
    """What happened on a server, over all connections."""

    #: Contents of the files that it took away when they were closed, by name.
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    #: Answers about a file that was just written, by path.
    answers: dict[bytes, int] = field(default_factory=dict)
    #: Connections that it broke.
    broken: int = 0


class _Server(asyncssh.SFTPServer):
    """A server with quirks."""

    quirks: Quirks
    books: Books

    def __init__(self, channel: Any, chroot: bytes) -> None:
        if self.quirks.greeting:
            channel.write(self.quirks.greeting)
        super().__init__(channel, chroot=chroot)
        self._paths: dict[object, tuple[bytes, bool]] = {}
        #: Files that are written from their first byte on.
        self._begun = set[object]()
        self._gone = False

    # Attributes

    def stat(self, path: bytes) -> Any:
        _refuse(self.quirks.stat)
        try:
            return self._shown(path, self._real(path), by_path=True)
        except OSError:
            _refuse(self.quirks.stat_of_missing)
            raise

    def fstat(self, file_obj: object) -> Any:
        _refuse(self.quirks.fstat)
        path, _ = self._paths[file_obj]
        return self._shown(path, self._real(path))

    def _real(self, path: bytes) -> asyncssh.SFTPAttrs:
        return asyncssh.SFTPAttrs.from_local(Path(os.fsdecode(self.map_path(path))).stat())

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        _refuse(self.quirks.listing)
        for name in sorted(os.listdir(self.map_path(path))):  # noqa: PTH208 - names, as bytes
            local = os.lstat(self.map_path(os.path.join(path, name)))  # noqa: PTH118 - bytes
            attributes = asyncssh.SFTPAttrs.from_local(local)
            shown = self._shown(os.path.join(path, name), attributes, by_path=True)  # noqa: PTH118 - bytes
            if not self.quirks.in_listings:
                shown = asyncssh.SFTPAttrs()
            line = stat.filemode(local.st_mode).encode() + b" 1 user group 1 Nov 30 12:00 " + name
            yield asyncssh.SFTPName(name, line if self.quirks.types else b"-", shown)

    def _shown(self, path: bytes, real: asyncssh.SFTPAttrs, *, by_path: bool = False) -> asyncssh.SFTPAttrs:
        permissions = real.permissions
        if permissions is not None and not self.quirks.types:
            permissions = stat.S_IMODE(permissions)
        size = real.size
        if stat.S_ISREG(real.permissions or 0):
            count = self.books.answers.get(path)
            if count is not None and (self.quirks.empty_after_close < 0 or count < self.quirks.empty_after_close):
                self.books.answers[path] = count + 1
                size = 0
            if by_path and size is not None:
                size += self.quirks.wrong_size
        known = self.quirks.sizes and (self.quirks.sizes_in_stat or not by_path)
        return asyncssh.SFTPAttrs(
            size=size if known else None,
            permissions=permissions if self.quirks.permissions else None,
            atime=real.atime if self.quirks.times else None,
            mtime=real.mtime if self.quirks.times else None,
        )

    # Files

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        writes = bool(pflags & asyncssh.FXF_WRITE)
        _refuse(self.quirks.writing if writes else self.quirks.reading)
        if writes and os.path.exists(self.map_path(path)):  # noqa: PTH110 - bytes
            _refuse(self.quirks.reopening)
        opened = super().open(path, pflags, attrs)
        self._paths[opened] = path, writes
        return opened

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        if self._gone:
            raise asyncssh.SFTPConnectionLost("broken")
        if 0 <= self.quirks.breaks_at <= offset and not self.books.broken:
            self.books.broken += 1
            self._gone = True
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("broken")
        if not offset:
            self._begun.add(file_obj)
        elif file_obj not in self._begun:
            _refuse(self.quirks.writing_at_an_offset)
        return super().write(file_obj, offset, data)

    def close(self, file_obj: object) -> Any:
        path, writes = self._paths.pop(file_obj)
        super().close(file_obj)
        local = Path(os.fsdecode(self.map_path(path)))
        if not writes:
            if self.quirks.removes_read_files:
                local.unlink(missing_ok=True)
            return
        if self._gone:  # a broken connection is no end of a file
            if self.quirks.drops_broken_uploads:
                local.unlink()
            return
        self.books.answers[path] = 0
        if self.quirks.takes == "finishes" and local.suffix == ".part":
            local.rename(local.with_suffix("").with_suffix(""))
        if self.quirks.takes == "at once":
            self.books.taken.append((local.name, local.read_bytes()))
            local.unlink()

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        _refuse(self.quirks.rename)
        self._renames(oldpath, newpath)
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        _refuse(self.quirks.posix_rename)
        self._renames(oldpath, newpath)
        return super().posix_rename(oldpath, newpath)

    def _renames(self, oldpath: bytes, newpath: bytes) -> None:
        old, new = (Path(os.fsdecode(self.map_path(path))) for path in (oldpath, newpath))
        if self.quirks.takes == "before its rename" and old.exists():
            self.books.taken.append((old.name, old.read_bytes()))
            old.unlink()
        if self.quirks.copies:
            new.write_bytes(old.read_bytes())
            raise asyncssh.SFTPPermissionDenied("the file is not removed")

    def remove(self, path: bytes) -> Any:
        _refuse(self.quirks.removing)
        return super().remove(path)


def server(quirks: Quirks, books: Books) -> type[asyncssh.SFTPServer]:
    """A class of servers with these quirks."""
    return type("Server", (_Server,), {"quirks": quirks, "books": books})


def _refuse(status: str) -> None:
    if status:
        raise STATUSES[status]("refused")
