"""An SFTP site: its connections, with a checked host key, and uploads that resume.

The host key is agreed with Optimizely support and checked before the login, by `host_keys`. Optimizely accepts
public keys only (docs/why/sources.md, Optimizely 3.1), other sites passwords too.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from paramiko import Transport

from shared.errors import SftpRefused, SftpUnavailable
from shared.sftp.host_keys import HostKeyCheck, PinnedHostKeys
from shared.sftp.login import Credentials, log_in
from shared.sftp.private_key import load_private_key
from shared.sftp.session import SftpSession, is_safe_name
from shared.sftp.transfer import PipelinedClient, mapped_errors

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
        before_write: Callable[[], None] = lambda: None,
        before_rename: Callable[[], None] = lambda: None,
        rename_refused: Callable[[], None] = lambda: None,
    ) -> int:
        """Upload a file and resume after breaks of the connection. It gets its name when it is complete.

        Until then it is `<path>.<tag>.part`. An upload resumes what an earlier attempt, of this call or of another
        process, left under this name: the tag shows that it is part of the same content, and all of it but the
        last `WRITE_WINDOW` bytes is known to be written.

        After SftpUnavailable the file may exist nevertheless: check before repeating.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: the path on the site.
            size: of the content, in bytes.
            tag: unique to this content among those for this path, such as its SHA-256: letters, digits, `.`, `_`, `-`.
            replace: whether an existing file is replaced; otherwise it is an error.
            before_write: called before the unfinished file is opened, again after each break.
            before_rename: called when the file is complete, right before it gets its name.
            rename_refused: called when it certainly has not got its name: the site refused it, has no file of that
                name, and answered every earlier rename of this call.

        Returns:
            The number of bytes.

        Raises:
            SftpHostKeyRefused, SftpLoginRefused, SftpAlgorithmsRefused: see `connect`.
            SftpRefused: the site refused the upload; a retry does not help.
            SftpUnavailable: the connection failed or broke several times.
        """
        if not is_safe_name(tag):
            raise ValueError("a tag is part of a file name")
        part = unfinished_path(path, tag)
        renaming = unanswered = False
        for pause in (*_PAUSES, None):
            try:
                with self.connect() as session:
                    # A rename without an answer took effect if the unfinished file is gone.
                    if not renaming or session.stat(part) is not None:
                        renaming = False
                        if not replace and session.stat(path) is not None:
                            raise SftpRefused(operation=f"upload {path}", reason="a file with this name already exists")
                        before_write()
                        session.resume_file(open_at, part, size)
                        before_rename()
                        renaming, certain = True, not unanswered
                        unanswered = True
                        try:
                            session.rename(part, path, replace=replace)
                        except SftpRefused:
                            # Some sites copy, then remove: without the right to remove, there is a file nevertheless.
                            if certain and session.stat(path) is None:
                                rename_refused()
                            raise
            except SftpUnavailable:
                if pause is None:
                    raise
                self._pause(pause)
            else:
                break
        return size

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
        return SftpSession(self._host, transport, PipelinedClient(channel))

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
