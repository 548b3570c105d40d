"""The SFTP site of Optimizely Campaign: list files go up, response files come down.

The site takes public keys only (`optimizely.md` 3.1). Its host key is pinned: what it is, is agreed
with Optimizely support and checked before anything is said about who we are.
"""

import base64
import binascii
import hashlib
import io
import posixpath
import re
import socket
import stat
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from paramiko import (
    AuthenticationException,
    Ed25519Key,
    Message,
    PKey,
    RSAKey,
    SFTPAttributes,
    SFTPClient,
    SFTPError,
    SFTPFile,
    SSHException,
    Transport,
)
from paramiko.sftp import CMD_DATA, CMD_READ, int64
from paramiko.ssh_exception import IncompatiblePeer

from shared.errors import (
    BridgeError,
    SettingsInvalid,
    SftpHostKeyRefused,
    SftpLoginRefused,
    SftpRefused,
    SftpUnavailable,
)

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: What paramiko 5.1 still offers and nobody should take (`reliability.md` 4.5).
_WEAK_ALGORITHMS: Final = {
    "ciphers": ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"],
    "macs": ["hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"],
}
#: Algorithms by which a host proves that it has a key of this type, where they are named differently.
_PROOFS: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_KEEP_ALIVE_SECONDS: Final = 30

#: Bytes of one request: servers need not take more (paramiko's own limit).
_BLOCK: Final = SFTPFile.MAX_REQUEST_SIZE
#: Read requests under way at a time, as in OpenSSH's sftp: 2 MiB, however large the file is.
_READS_AHEAD: Final = 64
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


class SftpSite:
    """Where the SFTP site is, who we are there, and who it is.

    Args:
        host: its name or address.
        port: its port.
        user: user name.
        private_key: private key, PEM (RSA, PKCS#1) or OpenSSH text. Line breaks written as a backslash
            and an n, as some editors of app settings write them, are understood.
        passphrase: passphrase of the private key, if it has one.
        host_keys: pinned host keys, one a line or separated by `;`: known_hosts lines or fingerprints
            (`SHA256:…`). Every key in it is one of this site, whatever host a line names. Where the site
            has keys of several types, a known_hosts line also says which of them it is asked to show.
        timeout: seconds for the connection to stand, for the site's banner, its keys and the login, and
            then for each answer.

    Raises:
        SettingsInvalid: the private key or the host keys cannot be read.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        user: str,
        private_key: str,
        passphrase: str | None,
        host_keys: str,
        timeout: float = 30,
    ) -> None:
        self._host = host
        self._port = port
        self._user = user
        self._timeout = timeout
        self._key = _private_key(private_key, passphrase)
        self._pins, self._proofs = _pinned(host_keys)

    @contextmanager
    def connect(self) -> Iterator["SftpSession"]:
        """A session on the site, closed at the end of the block.

        Raises:
            SftpHostKeyRefused: the site showed a key that is not pinned; the login was not tried.
            SftpLoginRefused: the site refused the user or the key.
            SftpRefused: the site speaks only algorithms that are weak or unknown.
            SftpUnavailable: the site did not answer.
        """
        with ExitStack() as stack:
            try:
                session = self._open(stack)
            except IncompatiblePeer:
                raise SftpRefused(operation="connect", reason="no algorithm in common") from None
            except (OSError, EOFError, SSHException, SFTPError) as error:
                raise self._unavailable(type(error).__name__) from None
            yield session

    def _open(self, stack: ExitStack) -> "SftpSession":
        connection = socket.create_connection((self._host, self._port), timeout=self._timeout)
        stack.enter_context(connection)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # paramiko writes to a peer that reads no more without end: the kernel gives up for it (Linux).
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(self._timeout * 1000))
        transport = Transport(connection, disabled_algorithms=_WEAK_ALGORITHMS)
        stack.callback(transport.close)
        transport.banner_timeout = transport.channel_timeout = self._timeout
        if self._proofs:
            options = transport.get_security_options()
            options.key_types = sorted(options.key_types, key=lambda proof: proof not in self._proofs)
        transport.start_client(timeout=self._timeout)
        shown = transport.get_remote_server_key()
        if shown.fingerprint not in self._pins:
            raise SftpHostKeyRefused(host=self._host, fingerprint=shown.fingerprint)
        self._log_in(transport)
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
        return SftpSession(self._host, transport, SFTPClient(channel))

    def _log_in(self, transport: Transport) -> None:
        # With an event of ours: paramiko's own wait calls a refusal, a time-out and a lost connection
        # by the same name, but only the first of them is for good.
        answered = threading.Event()
        transport.auth_publickey(self._user, self._key, answered)
        if not answered.wait(self._timeout):
            raise self._unavailable("no answer to the login")
        if transport.is_authenticated():
            return
        error = transport.get_exception()  # none after a plain refusal
        if error is None or isinstance(error, AuthenticationException):
            raise SftpLoginRefused(host=self._host)
        raise self._unavailable("the connection broke during the login")

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

    def __init__(self, host: str, transport: Transport, client: SFTPClient) -> None:
        self._host = host
        self._transport = transport
        self._client = client

    def stat(self, path: str) -> RemoteFile | None:
        """The file at this path; None when there is none."""
        operation = f"look at {path}"
        with self._mapped(operation):
            try:
                attributes = self._client.stat(path)
            except FileNotFoundError:
                return None
        if not _regular(attributes):
            raise SftpRefused(operation=operation, reason="not a file")
        return _remote_file(operation, posixpath.basename(path), attributes)

    def list_files(self, folder: str, pattern: str) -> list[RemoteFile]:
        """The files in a folder, by name.

        Left out is what has an unusual name (anything but letters, digits, `.`, `_` and `-`), what
        somebody is still writing (`.part`, `.tmp`), and what is not a file.

        Args:
            folder: the folder.
            pattern: names that are wanted, with `*` and `?`.
        """
        operation = f"list {folder}"
        with self._mapped(operation):
            try:
                listed = self._client.listdir_attr(folder)
            except UnicodeDecodeError:
                raise SftpRefused(operation=operation, reason="a file name that is not UTF-8") from None
        return sorted(
            (
                _remote_file(operation, entry.filename, entry)
                for entry in listed
                if _regular(entry)
                and _SAFE_NAME.fullmatch(entry.filename)
                and fnmatchcase(entry.filename, pattern)
                and not entry.filename.lower().endswith(_UNFINISHED)
            ),
            key=lambda file: file.name,
        )

    def upload(self, stream: "SupportsRead[bytes]", path: str, *, replace: bool = False) -> int:
        """Upload a file. It is written as `<path>.part` and gets its name when it is whole.

        A `.part` that an earlier attempt left behind is overwritten. After SftpUnavailable the file may
        be there all the same: look before repeating.

        Args:
            stream: the content, read piece by piece; its own errors pass through.
            path: where to.
            replace: whether a file that is there already is replaced; if not, it is an error.

        Returns:
            The number of bytes.
        """
        operation = f"upload {path}"
        present = self.stat(path) is not None
        if present and not replace:
            raise SftpRefused(operation=operation, reason="a file of this name is there already")
        part = f"{path}.part"
        sent = self._write(stream, part, operation)
        with self._mapped(operation):
            held = self._client.stat(part).st_size
            if held != sent:
                raise SftpUnavailable(
                    host=self._host, operation=operation, reason=f"{sent} bytes were sent, the site holds {held}"
                )
            # Every server knows the plain rename, which refuses to overwrite; the other is OpenSSH's extension.
            rename = self._client.posix_rename if present else self._client.rename
            rename(part, path)
        return sent

    def _write(self, stream: "SupportsRead[bytes]", path: str, operation: str) -> int:
        with self._mapped(operation):
            remote = self._client.open(path, "wb")
        sent = 0
        try:
            block = stream.read(_BLOCK)
            while block:
                following = stream.read(_BLOCK)
                # The last write is not pipelined: with it paramiko collects the answers to all of them,
                # which it does not do on closing. A write that failed in the middle would leave a hole.
                remote.set_pipelined(bool(following))
                with self._mapped(operation):
                    remote.write(block)
                sent += len(block)
                block = following
        finally:
            with self._mapped(operation):
                remote.close()
        return sent

    def remove(self, path: str) -> None:
        """Remove a file. Nothing happens when there is none."""
        with self._mapped(f"remove {path}"), suppress(FileNotFoundError):
            self._client.remove(path)

    def read(self, path: str) -> Iterator[bytes]:
        """The content of a file, piece by piece, of the size that it has now.

        It ends early when the file becomes shorter meanwhile: compare what came with `stat`.
        """
        with self._mapped(f"read {path}"):
            remote = self._client.open(path, "rb")
            try:
                yield from _read_ahead(self._client, remote)
            finally:
                # Nothing can be lost any more, and an error on the way out would hide the first one.
                with suppress(OSError, EOFError, SSHException):
                    remote.close()

    @contextmanager
    def _mapped(self, operation: str) -> Iterator[None]:
        """Turn the library's errors into those of the catalogue, without their text: a server writes it."""
        try:
            yield
        except (OSError, EOFError, SSHException, SFTPError) as error:
            raise self._failure(operation, error) from None

    def _failure(self, operation: str, error: Exception) -> BridgeError:
        # paramiko raises a plain OSError both for a refusal and for a channel that is closed.
        answered = isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError)
        channel = self._client.get_channel()
        if answered and channel is not None and not channel.closed and self._transport.is_active():
            return SftpRefused(operation=operation, reason=_refusal(error))
        # An answer that comes after its time would be taken for that to the next request.
        self._transport.close()
        return SftpUnavailable(host=self._host, operation=operation, reason=type(error).__name__)


class _Answers:
    """Answers to the requests of one download, by request number, in whatever order they come."""

    def __init__(self) -> None:
        self.arrived: dict[int, tuple[int, Message]] = {}

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """What paramiko calls with each of them."""
        self.arrived[number] = kind, message


def _read_ahead(client: Any, remote: SFTPFile) -> Iterator[bytes]:  # noqa: ANN401 - methods that the types leave out
    """The blocks of a file in order, with a fixed number of requests under way.

    paramiko's own prefetch is not used: a server that answers with less than was asked, or one that
    answers faster than its thread asks, makes it keep the rest of the file in memory.
    """
    size = remote.stat().st_size or 0
    answers = _Answers()
    waiting: deque[tuple[int, int, int]] = deque()  # request number, offset, length

    def ask(offset: int, length: int) -> tuple[int, int, int]:
        number = client._async_request(answers, CMD_READ, remote.handle, int64(offset), length)  # noqa: SLF001
        return number, offset, length

    end = 0
    while waiting or end < size:
        while end < size and len(waiting) < _READS_AHEAD:
            waiting.append(ask(end, min(_BLOCK, size - end)))
            end += waiting[-1][2]
        number, offset, length = waiting.popleft()
        while number not in answers.arrived:
            client._read_response()  # noqa: SLF001
        kind, message = answers.arrived.pop(number)
        if kind != CMD_DATA:
            with suppress(EOFError):
                client._convert_status(message)  # noqa: SLF001 - raises what the status says
            return
        block = message.get_string()
        if not block:
            return
        if len(block) < length:
            waiting.appendleft(ask(offset + len(block), length - len(block)))
        yield block


def _refusal(error: Exception) -> str:
    """What a refusal is called. The server's own text is not kept."""
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    return "permission denied" if isinstance(error, PermissionError) else "failure"


def _regular(attributes: SFTPAttributes) -> bool:
    # A server need not tell the mode.
    return attributes.st_mode is None or stat.S_ISREG(attributes.st_mode)


def _remote_file(operation: str, name: str, attributes: SFTPAttributes) -> RemoteFile:
    if attributes.st_size is None or attributes.st_mtime is None:
        raise SftpRefused(operation=operation, reason="the site tells neither size nor time of a file")
    return RemoteFile(name=name, size=attributes.st_size, modified=datetime.fromtimestamp(attributes.st_mtime, tz=UTC))


def _private_key(text: str, passphrase: str | None) -> PKey:
    for kind in (RSAKey, Ed25519Key):
        # Whatever goes wrong in a text that is no key, and paramiko raises many kinds of errors for it:
        # their texts can hold parts of it.
        with suppress(Exception):
            return kind.from_private_key(io.StringIO(text.replace("\\n", "\n").strip()), passphrase)
    raise SettingsInvalid(
        reason="SFTP_PRIVATE_KEY is no private key in PEM (RSA) or OpenSSH format, "
        "or SFTP_PRIVATE_KEY_PASSPHRASE does not open it"
    )


def _pinned(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Fingerprints of the pinned keys, and the algorithms that prove the keys whose type is known."""
    pins, proofs = set[str](), set[str]()
    entries = [entry.strip() for entry in re.split(r"[;\n]", text.replace("\\n", "\n"))]
    for number, entry in enumerate(filter(None, entries), start=1):
        if entry.startswith("#"):
            continue
        if _FINGERPRINT.fullmatch(entry.rstrip("=")):
            pins.add(entry.rstrip("="))
            continue
        try:
            _hosts, kind, key, *_comment = entry.split()
            blob = base64.b64decode(key, validate=True)
        except (ValueError, binascii.Error):
            kind, blob = "", b""
        # A key begins with its type. Markers (@revoked, @cert-authority) shift the fields and end up here.
        if not kind or blob[4 : 4 + len(kind)] != kind.encode():
            raise SettingsInvalid(
                reason=f"entry {number} of SFTP_HOST_KEYS is neither a known_hosts line nor a SHA256 fingerprint"
            )
        pins.add("SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="))
        proofs.update(_PROOFS.get(kind, (kind,)))
    if not pins:
        raise SettingsInvalid(reason="SFTP_HOST_KEYS pins no host key")
    return frozenset(pins), frozenset(proofs)
