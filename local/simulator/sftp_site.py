"""The SFTP site: key login only, and nothing to see outside its folder."""

import errno
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import asyncssh

from local.simulator.faults import BreakUpload, DiskFull, Faults, HostKeyChanged, RefuseLogin, RenameUnanswered
from local.simulator.identity import Identity


async def serve(site: Path, identity: Identity, faults: Faults, port: int) -> asyncssh.SSHAcceptor:
    """Serve the folder `site` on 127.0.0.1.

    Args:
        site: what clients see as `/`.
        identity: whose key may log in, and the host key.
        faults: those that are played.
        port: 0: any that is free.
    """

    class Server(asyncssh.SSHServer):
        """Lets one user in, by key."""

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            """A changed host key is shown to every connection."""
            del conn
            faults.strike(HostKeyChanged)

        def begin_auth(self, username: str) -> bool:
            """Every user must log in."""
            del username
            self._refused = faults.strike(RefuseLogin) is not None
            return True

        def public_key_auth_supported(self) -> bool:
            """Keys are the only way."""
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            """The user with the registered key."""
            known = username == identity.sftp_user and key.public_data == identity.client_key.public_data
            return known and not self._refused

    acceptor = await asyncssh.create_server(
        Server,
        "127.0.0.1",
        port,
        server_host_keys=[identity.host_key],
        sftp_factory=lambda channel: Session(channel, site, faults),
        allow_scp=False,
        agent_forwarding=False,
    )

    changed_key: asyncssh.SSHKey | None = None

    def show_host_key() -> None:
        nonlocal changed_key
        if not faults.stands(HostKeyChanged):
            changed_key = None
        elif changed_key is None:
            changed_key = asyncssh.generate_private_key("ssh-ed25519")
        acceptor.update(server_host_keys=[changed_key or identity.host_key])

    faults.watch(show_host_key)
    return acceptor


class Session(asyncssh.SFTPServer):
    """A session on the site.

    Args:
        channel: its channel.
        site: what the client sees as `/`.
        faults: those that are played.
    """

    def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]", site: Path, faults: Faults) -> None:
        super().__init__(channel, chroot=str(site).encode())
        self._faults = faults
        #: Bytes written by open file.
        self._written: Counter[object] = Counter()
        self._cut = False

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """What lies in a folder, less what was renamed or removed while it was read: OpenSSH leaves that out too."""
        for name in self._present(path):
            yield name

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write, as far as no fault strikes."""
        if self._cut:  # what the client had sent before is still read
            self._break_off()
        written = self._written[file_obj]
        if broken := self._faults.strike(BreakUpload, lambda fault: written + len(data) > fault.after_bytes):
            super().write(file_obj, offset, data[: max(0, broken.after_bytes - written)])
            self._break_off()
        if full := self._faults.strike(DiskFull, lambda fault: offset + len(data) > fault.after_bytes):
            super().write(file_obj, offset, data[: max(0, full.after_bytes - offset)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written[file_obj] += len(data)
        return super().write(file_obj, offset, data)  # type: ignore[return-value] # it is no coroutine here

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file a name that no other has."""
        super().rename(oldpath, newpath)
        self._answer_rename()

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Give a file a name, also that of another."""
        super().posix_rename(oldpath, newpath)
        self._answer_rename()

    def close(self, file_obj: object) -> None:
        """Close a file."""
        del self._written[file_obj]
        super().close(file_obj)

    def _present(self, path: bytes) -> Iterator[asyncssh.SFTPName]:
        for file in Path(os.fsdecode(self.map_path(path))).iterdir():
            with suppress(FileNotFoundError):
                yield asyncssh.SFTPName(os.fsencode(file.name), attrs=asyncssh.SFTPAttrs.from_local(file.lstat()))

    def _answer_rename(self) -> None:
        if self._faults.strike(RenameUnanswered):
            self._break_off()

    def _break_off(self) -> NoReturn:
        """Cut the connection: what is answered after this reaches nobody."""
        self._cut = True
        self.connection.abort()
        raise ConnectionAbortedError
