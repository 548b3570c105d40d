"""An SFTP site: its connections, with a checked host key, and uploads that resume.

The host key is agreed with Optimizely support and checked before the login, by `host_keys`. Optimizely accepts
public keys only (docs/why/sources.md, Optimizely 3.1), other sites passwords too.
"""

import posixpath
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from paramiko import Transport

from shared.errors import SftpUnavailable
from shared.sftp.capabilities import Capabilities
from shared.sftp.host_keys import HostKeyCheck, PinnedHostKeys
from shared.sftp.login import Credentials, log_in
from shared.sftp.private_key import load_private_key
from shared.sftp.session import SftpSession, is_safe_name
from shared.sftp.transfer import PipelinedClient, mapped_errors
from shared.sftp.upload import Announcements, DirectUpload, MarkedUpload, Order, RenamedUpload, Upload

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: Algorithms that paramiko 5.1 still offers and that are weak (docs/why/sources.md, Libraries 1).
_WEAK_ALGORITHMS: Final = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
}
_KEEP_ALIVE_SECONDS: Final = 30

#: Pauses in seconds before an upload resumes after a break. After the last one the step retries, with longer ones.
_PAUSES: Final = (0.5, 2, 8)


def unfinished_path(path: str, tag: str) -> str:
    """The path of a file while it is being uploaded."""
    return f"{path}.{tag}.part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Direct:
    """How files are uploaded to a site that refuses renames: under their own names."""

    #: Name of an empty file that is written when a file is complete, `{name}` is the file's; None: there is none.
    marker: str | None = None


class SftpSite:
    """An SFTP site: its address, the login and its host keys.

    Args:
        host: its name or address.
        port: its port.
        user: user name.
        host_keys: pinned host keys, as `PinnedHostKeys` reads them. Where the site has keys of several types,
            it is asked for the pinned ones.
        private_key: private key, as `load_private_key` reads it; None: log in by password.
        passphrase: passphrase of the private key, if it has one.
        password: password; tried after the private key if there are both.
        direct: for a site that refuses renames, files are uploaded under their own names; None: they are renamed.
        timeout: seconds for each of the connection, the site's banner, the key exchange and the login, and
            then for each answer.
        pause: waits a number of seconds.

    Raises:
        SettingsInvalid: the private key or the host keys cannot be read.
    """

    def __init__(  # noqa: PLR0913 - settings, by keyword
        self,
        *,
        host: str,
        port: int,
        user: str,
        host_keys: str,
        private_key: str | None = None,
        passphrase: str | None = None,
        password: str | None = None,
        direct: Direct | None = None,
        timeout: float = 30,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._host = host
        self._port = port
        self._credentials = Credentials(
            user=user, key=None if private_key is None else load_private_key(private_key, passphrase), password=password
        )
        self._host_key_check = HostKeyCheck(host, PinnedHostKeys(host_keys))
        self._timeout = timeout
        self._pause = pause
        self.direct = direct
        #: What the site was found not to do.
        self.capabilities = Capabilities(host)

    @contextmanager
    def connect(self) -> Iterator[SftpSession]:
        """A session on the site, closed at the end of the block.

        Raises:
            SftpHostKeyRefused: the site showed no key that is pinned; the login was not attempted.
            SftpLoginRefused: the site refused the user, the key or the password.
            SftpAlgorithmsRefused: the site supports only algorithms that are weak or unknown.
            SftpUnavailable: the site did not answer.
        """
        with ExitStack() as stack:
            with mapped_errors(self._host, "connect"):
                session = self._open(stack)
            yield session

    def upload(
        self,
        open_at: Callable[[int], "SupportsRead[bytes]"],
        path: str,
        *,
        size: int,
        tag: str,
        replace: bool = False,
        announce: Announcements = Announcements(),  # noqa: B008 - frozen
    ) -> int:
        """Upload a file and resume after breaks of the connection. It gets its name when it is complete.

        Until then it is `<path>.<tag>.part`. An upload resumes what an earlier attempt, of this call or of another
        process, left under this name: the tag shows that it is part of the same content, and all of it but the
        last `WRITE_WINDOW` bytes is known to be written. A `direct` site gets the file under its own name, with a
        marker when it is complete, or without.

        Some sites take a file away as soon as it is closed. So a complete file that has vanished is not uploaded again.

        After SftpUnavailable the file may exist nevertheless: check before repeating.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: the path on the site.
            size: of the content, in bytes.
            tag: unique to this content among those for this path, such as its SHA-256: letters, digits, `.`, `_`, `-`.
            replace: whether an existing file is replaced; otherwise it is an error.
            announce: what is called before something changes.

        Returns:
            The number of bytes.

        Raises:
            SftpHostKeyRefused, SftpLoginRefused, SftpAlgorithmsRefused, SftpTextInChannel: see `connect`.
            SftpRenameRefused: the file is complete under its unfinished name, and the site refused to rename it.
            SftpRefused: the site refused the upload; a retry does not help.
            SftpUnavailable: the connection failed or broke several times.
            UploadOutcomeUnknown: its receiver may have the file: it is complete and has vanished, or it had its name
                before it was complete.
        """
        if not is_safe_name(tag):
            raise ValueError("a tag is part of a file name")
        host = self._host
        order = Order(host=host, open_at=open_at, size=size, path=path, replace=replace, announce=announce)
        upload = self._upload(order, tag)
        for pause in (*_PAUSES, None):
            try:
                with self.connect() as session:
                    upload.attempt(session)
            except SftpUnavailable:
                if pause is None:
                    raise
                self._pause(pause)
            else:
                break
        return size

    def _upload(self, order: Order, tag: str) -> Upload:
        if self.direct is None:
            return RenamedUpload(order, unfinished_path(order.path, tag))
        marker = self.marker_path(order.path)
        return DirectUpload(order) if marker is None else MarkedUpload(order, marker)

    def marker_path(self, path: str) -> str | None:
        """Path of the marker that shows that a file is complete; None if the site has none."""
        if self.direct is None or self.direct.marker is None:
            return None
        folder, name = posixpath.split(path)
        return posixpath.join(folder, self.direct.marker.format(name=name))

    def _open(self, stack: ExitStack) -> SftpSession:
        transport = self._host_key_check.connect(lambda: self._transport(stack), timeout=self._timeout)
        log_in(transport, self._credentials, host=self._host, timeout=self._timeout)
        transport.set_keepalive(_KEEP_ALIVE_SECONDS)
        channel = transport.open_session()
        channel.settimeout(self._timeout)
        # paramiko waits forever for the answer to this one request: closing the connection ends the wait.
        watch = threading.Timer(self._timeout, transport.close)
        watch.start()
        try:
            channel.invoke_subsystem("sftp")
        finally:
            watch.cancel()
        client = PipelinedClient(channel)
        return SftpSession(self._host, transport, client, self.capabilities, pause=self._pause)

    def _transport(self, stack: ExitStack) -> Transport:
        connection = socket.create_connection((self._host, self._port), timeout=self._timeout)
        stack.enter_context(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # paramiko blocks forever on writes to a peer that stopped reading: the kernel ends them (Linux).
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._timeout * 1000))
        transport = Transport(connection, disabled_algorithms=_WEAK_ALGORITHMS)
        stack.callback(transport.close)
        transport.banner_timeout = transport.channel_timeout = self._timeout
        return transport
