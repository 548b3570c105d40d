"""An SFTP site: list files go up, response files come down.

Its host key is pinned: what it is, is agreed with Optimizely support and checked before anything is said
about who we are. Optimizely takes public keys only (docs/why/sources.md, Optimizely 3.1), other sites passwords too.
"""

import io
import posixpath
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from paramiko import SFTPAttributes, Transport
from paramiko.ssh_exception import IncompatiblePeer

from shared.errors import (
    SftpAlgorithmsRefused,
    SftpHostKeyRefused,
    SftpRefused,
    SftpUnavailable,
)
from shared.sftp.keys import PinnedHostKeys
from shared.sftp.keys import private_key as read_private_key
from shared.sftp.login import Credentials, log_in
from shared.sftp.transfer import (
    BLOCK,
    BROKEN,
    WRITE_WINDOW,
    NoSuchFile,
    PipelinedClient,
    PipelinedWriter,
    Refusal,
)

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: What paramiko 5.1 still offers and nobody should take (docs/why/sources.md, Libraries 1).
_WEAK_ALGORITHMS: Final = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
}
_KEEP_ALIVE_SECONDS: Final = 30

#: Pauses in seconds before an upload goes on after a break. Then the step tries again, with longer ones.
_PAUSES: Final = (0.5, 2, 8)
#: Names taken from a listing. They become names of blobs and parts of paths, so nothing else is let in.
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: Endings of files that somebody is still writing.
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


def is_plain(name: str) -> bool:
    """Whether a name of the site is taken over: letters, digits, `.`, `_` and `-`."""
    return _SAFE_NAME.fullmatch(name) is not None


def unfinished_path(path: str, tag: str) -> str:
    """Where a file lies while it is uploaded."""
    return f"{path}.{tag}.part"


class SftpSite:
    """Where the SFTP site is, who we are there, and who it is.

    Args:
        host: its name or address.
        port: its port.
        user: user name.
        private_key: private key, as `sftp_keys.private_key` takes it; None: log in by password.
        passphrase: passphrase of the private key, if it has one.
        password: password; with a private key as well, it comes second.
        host_keys: pinned host keys, as `sftp_keys.PinnedHostKeys` takes them. Where the site has keys of
            several types, it is asked for the pinned ones.
        timeout: seconds for the connection to stand, for the site's banner, its keys and the login, and
            then for each answer.
        pause: waits so many seconds.

    Raises:
        SettingsInvalid: the private key or the host keys cannot be read.
    """

    def __init__(  # noqa: PLR0913 - what the settings say, by keyword
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
            user=user, key=None if private_key is None else read_private_key(private_key, passphrase), password=password
        )
        self._host_keys = PinnedHostKeys(host_keys)
        #: Algorithms by which the site is asked to prove a host key, best first; None before the first connection.
        self._proofs: list[str] | None = None
        self._timeout = timeout
        self._pause = pause

    @contextmanager
    def connect(self) -> Iterator["SftpSession"]:
        """A session on the site, closed at the end of the block.

        Raises:
            SftpHostKeyRefused: the site showed no key that is pinned; the login was not tried.
            SftpLoginRefused: the site refused the user, the key or the password.
            SftpAlgorithmsRefused: the site speaks only algorithms that are weak or unknown.
            SftpUnavailable: the site did not answer.
        """
        with ExitStack() as stack:
            try:
                session = self._open(stack)
            except IncompatiblePeer as error:
                raise SftpAlgorithmsRefused(host=self._host, what=_disagreement(error)) from None
            except BROKEN as error:
                raise self._unavailable(type(error).__name__) from None
            yield session

    def upload(
        self,
        open_at: Callable[[int], "SupportsRead[bytes]"],
        path: str,
        *,
        size: int,
        tag: str,
        replace: bool = False,
        before_rename: Callable[[], None] = lambda: None,
    ) -> int:
        """Upload a file, however often the connection breaks. It gets its name when it is whole.

        Until then it is `<path>.<tag>.part`. What an earlier attempt left under this name is continued, be it
        one of this call or of another process: the tag says that it is a part of the same content, and all
        of it but the last `WRITE_WINDOW` bytes is known to be written.

        After SftpUnavailable the file may be there all the same: look before repeating.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: where to.
            size: of the content, in bytes.
            tag: what no other content for this path has, such as its SHA-256: letters, digits, `.`, `_`, `-`.
            replace: whether a file that is there already is replaced; if not, it is an error.
            before_rename: is called when the file is whole, before it gets its name.

        Returns:
            The number of bytes.

        Raises:
            SftpHostKeyRefused: see `connect`.
            SftpLoginRefused: see `connect`.
            SftpAlgorithmsRefused: see `connect`.
            SftpRefused: the site refused, for good.
            SftpUnavailable: the connection broke or could not be made, several times.
        """
        if not _SAFE_NAME.fullmatch(tag):
            msg = "a tag is a part of a file name"
            raise ValueError(msg)
        part = unfinished_path(path, tag)
        renaming = False
        for pause in (*_PAUSES, None):
            try:
                with self.connect() as session:
                    # After a rename without an answer: it has happened if the unfinished file is gone.
                    if not renaming or session.stat(part) is not None:
                        renaming = False
                        session.check_free(path, replace=replace)
                        session.continue_file(open_at, part, size)
                        before_rename()
                        renaming = True
                        session.rename(part, path, replace=replace)
            except SftpUnavailable:
                if pause is None:
                    raise
                self._pause(pause)
            else:
                break
        return size

    def _open(self, stack: ExitStack) -> "SftpSession":
        transport = self._pinned_connection(stack)
        log_in(transport, self._credentials, host=self._host, timeout=self._timeout)
        transport.set_keepalive(_KEEP_ALIVE_SECONDS)
        channel = transport.open_session()
        channel.settimeout(self._timeout)
        # paramiko waits without end for the answer to this one request: closing ends the wait.
        watch = threading.Timer(self._timeout, transport.close)
        watch.start()
        try:
            channel.invoke_subsystem("sftp")
        finally:
            watch.cancel()
        return SftpSession(self._host, transport, PipelinedClient(channel))

    def _pinned_connection(self, stack: ExitStack) -> Transport:
        """A connection on which the site has proved a pinned host key."""
        asked = self._proofs
        first_shown: str | None = None
        while asked is None or asked:
            transport = self._transport(stack)
            options = transport.get_security_options()
            if asked is None:
                asked = self._host_keys.first_ask(options.key_types)
            offered, options.key_types = options.key_types, asked
            try:
                transport.start_client(timeout=self._timeout)
            except IncompatiblePeer:
                if first_shown is None:
                    raise
                break  # the site has no key of the types that are left
            shown, proof = transport.get_remote_server_key(), str(transport.host_key_type)
            if shown in self._host_keys:
                self._proofs = sorted(offered, key=lambda algorithm: algorithm != proof)
                return transport
            transport.close()
            first_shown = first_shown or shown.fingerprint
            asked = self._host_keys.next_ask(asked, proof)
        raise SftpHostKeyRefused(host=self._host, fingerprint=first_shown)

    def _transport(self, stack: ExitStack) -> Transport:
        connection = socket.create_connection((self._host, self._port), timeout=self._timeout)
        stack.enter_context(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # paramiko writes to a peer that reads no more without end: the kernel gives up for it (Linux).
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._timeout * 1000))
        transport = Transport(connection, disabled_algorithms=_WEAK_ALGORITHMS)
        stack.callback(transport.close)
        transport.banner_timeout = transport.channel_timeout = self._timeout
        return transport

    def _unavailable(self, reason: str) -> SftpUnavailable:
        return SftpUnavailable(host=self._host, operation="connect", reason=reason)


class SftpSession:
    """A session on the SFTP site, for one thread.

    Every method raises the same errors:

    * SftpRefused: the site refused, for good.
    * SftpUnavailable: the connection broke or the site did not answer; the session is closed.

    Args:
        host: the site, for messages.
        transport: the connection, logged in.
        client: the SFTP channel on it.
    """

    def __init__(self, host: str, transport: Transport, client: PipelinedClient) -> None:
        self._host = host
        self._transport = transport
        self._client = client

    def stat(self, path: str) -> RemoteFile | None:
        """The file at this path; None when there is none."""
        operation = f"look at {path}"
        with self._mapped(operation):
            try:
                attributes = self._client.stat(path)
            except NoSuchFile:
                return None
        if not _regular(attributes):
            raise SftpRefused(operation=operation, reason="not a file")
        return _remote_file(operation, posixpath.basename(path), attributes)

    def list_files(self, folder: str, pattern: str, *, names: re.Pattern[str] = _SAFE_NAME) -> list[RemoteFile]:
        """The files in a folder, by name.

        Left out is what has an unusual name, what somebody is still writing (`.part`, `.tmp`), and what is not a file.

        Args:
            folder: the folder.
            pattern: names that are wanted, with `*` and `?`.
            names: names that are not unusual; usually letters, digits, `.`, `_` and `-`.
        """
        operation = f"list {folder}"
        with self._mapped(operation):
            listed = [(name.decode("utf-8", "replace"), entry) for name, entry in self._client.entries(folder)]
        return sorted(
            (
                _remote_file(operation, name, entry)
                for name, entry in listed
                if _regular(entry)
                and names.fullmatch(name)
                and fnmatchcase(name, pattern)
                and not name.lower().endswith(_UNFINISHED)
            ),
            key=lambda file: file.name,
        )

    def check_free(self, path: str, *, replace: bool) -> None:
        """Refuse early to upload what could not get its name."""
        if not replace and self.stat(path) is not None:
            raise SftpRefused(operation=f"upload {path}", reason="a file of this name is there already")

    def continue_file(self, open_at: Callable[[int], "SupportsRead[bytes]"], path: str, size: int) -> None:
        """Write what a file lacks of its content.

        The size alone does not tell what is written: of several writes under way when a connection breaks,
        a later one may be kept and an earlier one lost. But none goes further than `WRITE_WINDOW` past the
        first that is not answered, so everything earlier than that before the end is there.

        Args:
            open_at: opens the content at an offset less than its size; its errors pass through.
            path: the file, which holds nothing but parts of this content, or is not there.
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
            # A site may let a file be written, but not be opened again.
            self.remove(path)
            offset = 0
            writer = self._writer(path, offset)
        self._fill(writer, open_at(offset) if size else io.BytesIO(), path)
        if writer.offset != size:
            msg = f"the content has {writer.offset} bytes, not {size} as was said"
            raise ValueError(msg)
        self._check_size(path, size)

    def rename(self, source: str, target: str, *, replace: bool) -> None:
        """Give a file its name.

        Args:
            source: the file.
            target: its name.
            replace: whether a file that has the name gives way; if not, it is an error.
        """
        with self._mapped(f"rename {source} to {target}"):
            if not replace or self.stat(target) is None:
                # Every server knows this one; it refuses to overwrite.
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

    def _fill(self, writer: PipelinedWriter, content: "SupportsRead[bytes]", path: str) -> None:
        """Write the content to its end; every write is answered then."""
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
        held = self.stat(path)
        if held is None or held.size != size:
            # It is begun again the next time.
            self.remove(path)
            raise SftpUnavailable(
                host=self._host,
                operation=f"upload {path}",
                reason=f"{size} bytes were sent, the site holds {held.size if held else 'none'}",
            )

    def remove(self, path: str) -> bool:
        """Remove a file.

        Returns:
            False when there was none.
        """
        with self._mapped(f"remove {path}"):
            try:
                self._client.remove(path)
            except NoSuchFile:
                return False
        return True

    def remove_unfinished(self, path: str) -> int:
        """Remove what uploads of this file left behind when they broke.

        Returns:
            How many unfinished files there were.
        """
        folder, name = posixpath.split(path)
        with self._mapped(f"list {folder}"):
            listed = [entry.decode("ascii", "replace") for entry, _ in self._client.entries(folder)]
        left = [entry for entry in listed if entry.startswith(f"{name}.") and entry.endswith(".part")]
        return sum(self.remove(posixpath.join(folder, entry)) for entry in left)

    def read(self, path: str) -> Generator[bytes]:
        """The content of a file, piece by piece, of the size that it has now.

        It ends early when the file becomes shorter meanwhile: compare what came with `stat`.
        """
        with self._mapped(f"read {path}"):
            yield from self._client.read(path)

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        """Turn the library's errors into those of the catalogue, without their text: a server writes it."""
        try:
            yield
        except Refusal as refusal:
            raise SftpRefused(operation=operation, reason=refusal.reason) from None
        except BROKEN as error:
            # An answer that comes after its time would be taken for that to the next request.
            self._transport.close()
            raise SftpUnavailable(host=self._host, operation=operation, reason=type(error).__name__) from None


def _regular(attributes: SFTPAttributes) -> bool:
    # A server need not tell the mode.
    return attributes.st_mode is None or stat.S_ISREG(attributes.st_mode)


def _remote_file(operation: str, name: str, attributes: SFTPAttributes) -> RemoteFile:
    if attributes.st_size is None or attributes.st_mtime is None:
        raise SftpRefused(operation=operation, reason="the site tells neither size nor time of a file")
    return RemoteFile(name=name, size=attributes.st_size, modified=datetime.fromtimestamp(attributes.st_mtime, tz=UTC))


def _disagreement(error: IncompatiblePeer) -> str:
    """What there is no common algorithm for, as paramiko puts it: "… (no acceptable ciphers)"."""
    found = re.search(r"no acceptable (kex algorithm|host key|ciphers|macs|compression)", str(error))
    return found[1] if found else "the protocol itself"
