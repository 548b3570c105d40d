"""The SFTP site: login by key only, and no access outside its folder."""

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
        identity: the accepted client key, and the host key.
        faults: the active faults.
        port: 0 chooses a free one.
    """

    class Server(asyncssh.SSHServer):
        """Accepts one user, by key."""

        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            """Count the connection for a changed host key."""
            del conn
            faults.strike(HostKeyChanged)

        def begin_auth(self, username: str) -> bool:
            """All users must log in."""
            del username
            self._refused = faults.strike(RefuseLogin) is not None
            return True

        def public_key_auth_supported(self) -> bool:
            """Keys are the only method."""
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            """Accept the user with the registered key."""
            registered = username == identity.sftp_user and key.public_data == identity.client_key.public_data
            return registered and not self._refused

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

    def update_host_key() -> None:
        nonlocal changed_key
        if not faults.can_strike(HostKeyChanged):
            changed_key = None
        elif changed_key is None:
            changed_key = asyncssh.generate_private_key("ssh-ed25519")
        acceptor.update(server_host_keys=[changed_key or identity.host_key])

    faults.watch(update_host_key)
    return acceptor


class Session(asyncssh.SFTPServer):
    """A session on the site.

    Args:
        channel: its channel.
        site: what the client sees as `/`.
        faults: the active faults.
    """

    def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]", site: Path, faults: Faults) -> None:
        super().__init__(channel, chroot=str(site).encode())
        self._faults = faults
        #: Bytes written, by open file.
        self._written: Counter[object] = Counter()
        self._cut = False

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        """List a folder without files renamed or removed during the listing: OpenSSH omits them too."""
        for name in self._existing(path):
            yield name

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        """Write, unless a fault strikes."""
        if self._cut:  # requests that the client sent before the cut still arrive
            self._break_off()
        written = self._written[file_obj]
        if broken := self._faults.strike(BreakUpload, lambda fault: written + len(data) > fault.after_bytes):
            super().write(file_obj, offset, data[: max(0, broken.after_bytes - written)])
            self._break_off()
        if full := self._faults.strike(DiskFull, lambda fault: offset + len(data) > fault.after_bytes):
            super().write(file_obj, offset, data[: max(0, full.after_bytes - offset)])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written[file_obj] += len(data)
        return super().write(file_obj, offset, data)  # type: ignore[return-value] # here it is not a coroutine

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file to an unused name."""
        super().rename(oldpath, newpath)
        self._after_rename()

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        """Rename a file, replacing an existing one."""
        super().posix_rename(oldpath, newpath)
        self._after_rename()

    def close(self, file_obj: object) -> None:
        """Close a file."""
        del self._written[file_obj]
        super().close(file_obj)

    def _existing(self, path: bytes) -> Iterator[asyncssh.SFTPName]:
        for file in Path(os.fsdecode(self.map_path(path))).iterdir():
            with suppress(FileNotFoundError):
                yield asyncssh.SFTPName(os.fsencode(file.name), attrs=asyncssh.SFTPAttrs.from_local(file.lstat()))

    def _after_rename(self) -> None:
        if self._faults.strike(RenameUnanswered):
            self._break_off()

    def _break_off(self) -> NoReturn:
        """Abort the connection: no later response reaches the client."""
        self._cut = True
        self.connection.abort()
        raise ConnectionAbortedError
