"""SFTP requests that paramiko lacks or sends one at a time, and the mapping of its errors."""

import re
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from paramiko import Message, SFTPAttributes, SFTPClient, SFTPError, SFTPFile, SSHException, sftp
from paramiko.ssh_exception import IncompatiblePeer

from shared.errors import SftpAlgorithmsRefused, SftpRefused, SftpTextInChannel, SftpUnavailable

#: Maximum bytes of one request: servers need not accept more (paramiko's own limit).
BLOCK: Final = SFTPFile.MAX_REQUEST_SIZE
#: Requests in flight at a time, as in OpenSSH's sftp.
_IN_FLIGHT: Final = 64
#: Maximum bytes that are sent past the first one that is not confirmed as written.
#: Unfinished files on a site were written with it: never reduce it without another name for unfinished files.
WRITE_WINDOW: Final = _IN_FLIGHT * BLOCK
#: Version of the protocol, as of every client that is in use.
_VERSION: Final = 3
#: Entries of a folder at most: a site whose listing never ends must not fill the memory.
_MOST_ENTRIES: Final = 500_000
_LARGEST_FILE: Final = 2**50

#: What paramiko raises when the connection breaks, or the other side violates the protocol.
CONNECTION_ERRORS: Final = (OSError, EOFError, SSHException, SFTPError)
#: Names of the protocol's statuses (draft-ietf-secsh-filexfer-02, section 7).
_REASONS: Final = {
    sftp.SFTP_NO_SUCH_FILE: "no such file or folder",
    sftp.SFTP_PERMISSION_DENIED: "permission denied",
    sftp.SFTP_FAILURE: "failure",
    sftp.SFTP_OP_UNSUPPORTED: "not supported",
}


class Refusal(Exception):
    """The site answered a request with an error status.

    Attributes:
        reason: name of the status. The server's own text is not kept.
        unsupported: the site does not support the request.
    """

    def __init__(self, status: int) -> None:
        self.reason = _REASONS.get(status, f"status {status}")
        self.unsupported = status == sftp.SFTP_OP_UNSUPPORTED
        super().__init__(self.reason)


class NoSuchFile(Refusal):
    """There is no such file or folder."""


class TextInChannel(SFTPError):
    """The server wrote something else than the protocol's packets into the channel."""


class PacketCut(SFTPError):
    """The server sent less than it says in the packet itself."""


class NoEnd(SFTPError):
    """The server has more entries than a folder can have, or a byte at every offset of a file."""


@contextmanager
def mapped_errors(host: str, operation: str) -> Iterator[None]:
    """Map paramiko's errors to those of the catalogue, without their text: the server writes it.

    Raises:
        SftpRefused: the site answered with an error status.
        SftpAlgorithmsRefused: the site supports only algorithms that are weak or unknown.
        SftpTextInChannel: the server wrote text into the channel.
        SftpUnavailable: the connection broke, or the site violates the protocol.
    """
    try:
        yield
    except Refusal as refusal:
        raise SftpRefused(operation=operation, reason=refusal.reason) from None
    except TextInChannel:
        raise SftpTextInChannel(host=host, operation=operation) from None
    except IncompatiblePeer as error:
        raise SftpAlgorithmsRefused(host=host, what=_unmatched_algorithm(error)) from None
    except CONNECTION_ERRORS as error:
        raise SftpUnavailable(host=host, operation=operation, reason=type(error).__name__) from None


def _unmatched_algorithm(error: IncompatiblePeer) -> str:
    """The kind of algorithm without a common one, from paramiko's text: "… (no acceptable ciphers)"."""
    match = re.search(r"no acceptable (kex algorithm|host key|ciphers|macs|compression)", str(error))
    return match[1] if match else "the protocol itself"


class PipelinedClient(SFTPClient):
    """paramiko's SFTP client with further requests. For one thread.

    Its methods raise Refusal for a refusal, and what paramiko raises when the connection breaks: OSError,
    EOFError, SSHException, SFTPError.
    """

    #: Names of the protocol's extensions that the site announces.
    extensions: frozenset[str] = frozenset()

    if TYPE_CHECKING:  # missing from paramiko's types

        def _send_packet(self, kind: int, packet: Message) -> None: ...
        def _async_request(self, receiver: object, kind: int, /, *args: object) -> int: ...
        def _request(self, kind: int, /, *args: object) -> tuple[int, Message]: ...

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        """The entries of a folder: names as the site sends them, in any encoding, and attributes.

        The attributes' `longname` is the site's line of text for display.
        """
        handle, read = self._handle(sftp.CMD_OPENDIR, folder), 0
        try:
            while True:
                try:
                    kind, message = self._request(sftp.CMD_READDIR, handle)
                except EOFError:
                    return
                _expect(sftp.CMD_NAME, kind)
                count = message.get_int()
                if not count:
                    return  # not the protocol's way to say that there are no more
                read += count
                if read > _MOST_ENTRIES:
                    raise NoEnd
                for _ in range(count):
                    name, line = message.get_string(), message.get_string()
                    attributes = _attributes(message)
                    attributes.longname = line.decode("latin-1")
                    yield name, attributes
        finally:
            self.close_handle(handle)

    def read(self, path: str, size: int | None = None) -> Iterator[bytes]:
        """The blocks of a file in order, up to its size or to an earlier end.

        paramiko's own prefetch is not used: it keeps the rest of the file in memory if a server returns less than
        was requested, or answers faster than its thread sends requests.

        Args:
            path: the file.
            size: its expected size in bytes; of a longer file, one byte more is read. None: the size that the site
                reports when the file is opened, or else its end.
        """
        handle = self.open_handle(path)
        try:
            yield from self._read_ahead(handle, self._size_of(handle) if size is None else size)
            if size is not None:
                yield from filter(None, [self._block_at(handle, size, 1)])
        finally:
            self.close_handle(handle)

    def measure(self, path: str) -> int:
        """The size of a file in bytes, by reads at offsets: for a site that reports it in no other way."""
        handle = self.open_handle(path)
        try:
            if not self._block_at(handle, 0, 1):
                return 0
            last, beyond = 0, 1
            while self._block_at(handle, beyond, 1):
                last, beyond = beyond, 2 * beyond
                if beyond > _LARGEST_FILE:
                    raise NoEnd
            while beyond - last > 1:
                middle = (last + beyond) // 2
                last, beyond = (middle, beyond) if self._block_at(handle, middle, 1) else (last, middle)
            return beyond
        finally:
            self.close_handle(handle)

    def _size_of(self, handle: bytes) -> int | None:
        """Size of an open file; None if the site does not report it."""
        try:
            kind, message = self._request(sftp.CMD_FSTAT, handle)
        except Refusal:
            return None
        _expect(sftp.CMD_ATTRS, kind)
        return _attributes(message).st_size

    def _block_at(self, handle: bytes, offset: int, length: int) -> bytes:
        """A block of an open file; nothing at its end or beyond."""
        try:
            kind, message = self._request(sftp.CMD_READ, handle, sftp.int64(offset), length)
        except EOFError:
            return b""
        _expect(sftp.CMD_DATA, kind)
        return message.get_string()

    def _read_ahead(self, handle: bytes, size: int | None) -> Iterator[bytes]:
        answers = _Answers(self)
        pending: deque[tuple[int, int, int]] = deque()  # request number, offset, length
        # Without a size, few requests are sent past the end of a small file.
        end, most = 0, 1 if size is None else _IN_FLIGHT
        size = sys.maxsize if size is None else size
        while pending or end < size:
            while end < size and len(pending) < most:
                length = min(BLOCK, size - end)
                pending.append((answers.request(sftp.CMD_READ, handle, sftp.int64(end), length), end, length))
                end += length
            most = min(most + 1, _IN_FLIGHT)
            number, offset, length = pending.popleft()
            kind, message = answers.wait(number)
            if kind != sftp.CMD_DATA:
                with suppress(EOFError):
                    self._convert_status(message)
                return
            block = message.get_string()
            if not block:
                return
            if len(block) < length:
                rest = offset + len(block), length - len(block)
                pending.appendleft((answers.request(sftp.CMD_READ, handle, sftp.int64(rest[0]), rest[1]), *rest))
            yield block

    def writer(self, path: str, offset: int) -> "PipelinedWriter":
        """A writer from an offset of a file; the file is created if it does not exist. At offset 0 it begins anew."""
        # As every client asks for a new file: some sites know no other way.
        anew = 0 if offset else sftp.SFTP_FLAG_TRUNC
        flags = sftp.SFTP_FLAG_WRITE | sftp.SFTP_FLAG_CREATE | anew
        return PipelinedWriter(self, self._handle(sftp.CMD_OPEN, path, flags, SFTPAttributes()), offset)

    def open_handle(self, path: str) -> bytes:
        """Open a file for reading: its handle."""
        return self._handle(sftp.CMD_OPEN, path, sftp.SFTP_FLAG_READ, SFTPAttributes())

    def _handle(self, kind: int, path: str, *args: object) -> bytes:
        answer, message = self._request(kind, path, *args)
        _expect(sftp.CMD_HANDLE, answer)
        return message.get_string()

    def close_handle(self, handle: bytes) -> None:
        """Close a file or folder without an error: nothing can be lost any more, and it would hide the first one."""
        with suppress(Refusal, *CONNECTION_ERRORS):
            self._request(sftp.CMD_CLOSE, handle)

    def _read_response(self, waitfor: int | None = None) -> tuple[int, Message]:
        kind, message = super()._read_response(waitfor)  # type: ignore[misc] # missing from paramiko's types
        return kind, message and _ExactMessage(message.get_remainder())

    def _send_version(self) -> int:
        """Replaces paramiko's own, which forgets the extensions."""
        hello = Message()
        hello.add_int(_VERSION)
        self._send_packet(sftp.CMD_INIT, hello)
        kind, data = self._read_packet()
        _expect(sftp.CMD_VERSION, kind)
        answer, names = Message(data), set[str]()
        version = answer.get_int()
        while answer.get_remainder():
            names.add(answer.get_string().decode("latin-1"))
            answer.get_string()
        self.extensions = frozenset(names)
        return version

    def _read_packet(self) -> tuple[int, bytes]:
        try:
            packet: tuple[int, bytes] = super()._read_packet()  # type: ignore[misc] # missing from paramiko's types
        except SFTPError:
            # paramiko raises it for a packet that would be longer than 16 MiB: letters, read as a length.
            raise TextInChannel from None
        return packet

    def _convert_status(self, message: Message) -> None:
        """Replaces paramiko's own, which decodes the site's text as UTF-8, keeps it, and drops most codes."""
        code = message.get_int()
        if code == sftp.SFTP_EOF:
            raise EOFError
        if code != sftp.SFTP_OK:
            raise NoSuchFile(code) if code == sftp.SFTP_NO_SUCH_FILE else Refusal(code)


class PipelinedWriter:
    """Writes to one file, with up to `WRITE_WINDOW` bytes in flight."""

    def __init__(self, client: PipelinedClient, handle: bytes, offset: int) -> None:
        self._client = client
        self._handle = handle
        self._answers = _Answers(client)
        self._pending: deque[int] = deque()
        #: Offset of the next block.
        self.offset = offset

    def write(self, block: bytes) -> None:
        """Send a block of at most `BLOCK` bytes."""
        if len(self._pending) == _IN_FLIGHT:
            self._confirm()
        self._pending.append(self._answers.request(sftp.CMD_WRITE, self._handle, sftp.int64(self.offset), block))
        self.offset += len(block)

    def confirm(self) -> None:
        """Wait until the site has confirmed every block."""
        while self._pending:
            self._confirm()

    def close(self) -> None:
        """Close the file, every block of which is confirmed."""
        # A site may report only now that it cannot keep what was written.
        self._client._request(sftp.CMD_CLOSE, self._handle)  # noqa: SLF001 - our own client

    def abandon(self) -> None:
        """Close the file as it is, after an error."""
        self._client.close_handle(self._handle)

    def _confirm(self) -> None:
        # In file order, so that the window begins at the first byte that is not confirmed.
        kind, message = self._answers.wait(self._pending.popleft())
        _expect(sftp.CMD_STATUS, kind)
        self._client._convert_status(message)  # noqa: SLF001 - our own client


class _Answers:
    """Requests in flight, and their answers in any order."""

    def __init__(self, client: PipelinedClient) -> None:
        self._client = client
        self._arrived: dict[int, tuple[int, Message]] = {}

    def request(self, kind: int, *args: object) -> int:
        """Send a request; its number."""
        return self._client._async_request(self, kind, *args)  # noqa: SLF001 - our own client

    def wait(self, number: int) -> tuple[int, Message]:
        """Wait for the answer to a request: its kind and content."""
        while number not in self._arrived:
            self._client._read_response()  # noqa: SLF001 - our own client
        return self._arrived.pop(number)

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """Called by paramiko with each answer."""
        self._arrived[number] = kind, message


def _expect(expected: int, kind: int) -> None:
    if kind != expected:
        raise SFTPError("an answer of another kind")


class _ExactMessage(Message):
    """A message that ends: paramiko's own has zeros for ever, so that a wrong count never stops."""

    def get_bytes(self, n: int) -> bytes:
        data = self.packet.read(n)
        if len(data) < n:
            raise PacketCut
        return data


def _attributes(message: Message) -> SFTPAttributes:
    attributes: SFTPAttributes = SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001 - missing from paramiko's types
    return attributes
