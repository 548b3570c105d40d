"""The SFTP site within this process: a folder, below the session that the bridge uses."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from paramiko import SFTPAttributes, sftp

from shared.sftp.capabilities import Capabilities
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite
from shared.sftp.transfer import NoSuchFile, Refusal
from tests.in_process.passage import Passage


class FolderSite(SftpSite):
    """A site that is a folder; no login, no connection, no pause.

    Args:
        root: the folder.
        passage: what each operation goes through; each transfer of a file is two, at its beginning and at its end.
        ahead: seconds by which the time of the site is ahead of the time of this machine.
    """

    def __init__(self, root: Path, passage: Passage | None = None, *, ahead: float = 0) -> None:
        self._host = "sftp.invalid"
        self._pause = lambda _seconds: None
        self.direct = None
        self.capabilities = Capabilities(self._host)
        self._transport: Any = SimpleNamespace(close=lambda: None)
        self._client: Any = _FolderClient(root, passage or Passage(), ahead)

    def _open(self, stack: ExitStack) -> SftpSession:  # noqa: ARG002
        return SftpSession(self._host, self._transport, self._client, self.capabilities, pause=self._pause)


class _FolderClient:
    """In place of paramiko's client."""

    extensions = frozenset({"posix-rename@openssh.com"})

    def __init__(self, root: Path, passage: Passage, ahead: float) -> None:
        self._root = root
        self._passage = passage
        self._ahead = ahead

    def stat(self, path: str) -> SFTPAttributes:
        self._passage.looking(f"SFTP stat {path}")
        with _statuses():
            return self._attributes(self._path(path).lstat())

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        self._passage.looking(f"SFTP list {folder}")
        with _statuses():
            listed = sorted(self._path(folder).iterdir())
        for path in listed:
            yield os.fsencode(path.name), self._attributes(path.lstat())

    def read(self, path: str, _size: int | None = None) -> Iterator[bytes]:
        self._passage.looking(f"SFTP read {path}")
        with _statuses():
            content = self._path(path).read_bytes()
        yield content

    def writer(self, path: str, offset: int) -> "_FileWriter":
        return _FileWriter(self._path(path), offset, self._passage)

    def rename(self, source: str, target: str) -> None:
        if self._path(target).exists():
            raise Refusal(sftp.SFTP_FAILURE)
        self.posix_rename(source, target)

    def posix_rename(self, source: str, target: str) -> None:
        with self._changing(f"SFTP rename {source} to {target}"):
            self._path(source).replace(self._path(target))

    def remove(self, path: str) -> None:
        with self._changing(f"SFTP remove {path}"):
            self._path(path).unlink()

    @contextmanager
    def _changing(self, operation: str) -> Iterator[None]:
        self._passage.changing(operation)
        with _statuses():
            yield
        self._passage.changed(operation)

    def _path(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _attributes(self, status: os.stat_result) -> SFTPAttributes:
        attributes = SFTPAttributes.from_stat(status)
        attributes.st_mtime = int(status.st_mtime + self._ahead)
        assert stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)
        return attributes


class _FileWriter:
    def __init__(self, path: Path, offset: int, passage: Passage) -> None:
        self._path, self._passage = path, passage
        self.offset = offset
        passage.changing(f"SFTP write {path.name}")
        with _statuses():
            path.touch()

    def write(self, block: bytes) -> None:
        with self._path.open("r+b") as file:
            file.seek(self.offset)
            file.write(block)
        self.offset += len(block)

    def confirm(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        self._passage.changed(f"SFTP write {self._path.name}")

    def abandon(self) -> None:
        """Nothing is open."""


class _statuses:  # noqa: N801 - a block
    """As the status of an answer: what this machine says where a file is missing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, FileNotFoundError):
            raise NoSuchFile(sftp.SFTP_NO_SUCH_FILE) from None
