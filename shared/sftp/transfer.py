"""SFTP requests that paramiko lacks or sends one at a time, and the mapping of its errors."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from paramiko import Message, SFTPAttributes, SFTPClient, SFTPError, SFTPFile, SSHException, sftp
from paramiko.ssh_exception import IncompatiblePeer

from shared.errors import SftpAlgorithmsRefused, SftpRefused, SftpUnavailable

#: Maximum bytes of one request: servers need not accept more (paramiko's own limit).
BLOCK: Final = SFTPFile.MAX_REQUEST_SIZE
#: Requests in flight at a time, as in OpenSSH's sftp.
_IN_FLIGHT: Final = 64
#: Maximum bytes that are sent past the first one that is not confirmed as written.
#: Unfinished files on a site were written with it: never reduce it without another name for unfinished files.
WRITE_WINDOW: Final = _IN_FLIGHT * BLOCK

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


@contextmanager
def mapped_errors(host: str, operation: str) -> Iterator[None]:
    """Map paramiko's errors to those of the catalogue, without their text: the server writes it.

    Raises:
        SftpRefused: the site answered with an error status.
        SftpAlgorithmsRefused: the site supports only algorithms that are weak or unknown.
        SftpUnavailable: the connection broke, or the site violates the protocol.
    """
    try:
        yield
    except Refusal as refusal:
        raise SftpRefused(operation=operation, reason=refusal.reason) from None
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

    if TYPE_CHECKING:  # missing from paramiko's types

        def _async_request(self, receiver: object, kind: int, /, *args: object) -> int: ...
        def _read_response(self, waitfor: int | None = None) -> tuple[int, Message]: ...
        def _request(self, kind: int, /, *args: object) -> tuple[int, Message]: ...

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        """The entries of a folder: names as the site sends them, in any encoding, and attributes."""
        handle = self._handle(sftp.CMD_OPENDIR, folder)
        try:
            while True:
                try:
                    kind, message = self._request(sftp.CMD_READDIR, handle)
                except EOFError:
                    return
                _expect(sftp.CMD_NAME, kind)
                for _ in range(message.get_int()):
                    name = message.get_string()
                    message.get_string()  # a line of text for display
                    yield name, _attributes(message)
        finally:
            self.close_handle(handle)

    def read(self, path: str) -> Iterator[bytes]:
        """The blocks of a file in order, up to its size at the beginning or to an earlier end.

        paramiko's own prefetch is not used: it keeps the rest of the file in memory if a server returns less than
        was requested, or answers faster than its thread sends requests.
        """
        handle = self._handle(sftp.CMD_OPEN, path, sftp.SFTP_FLAG_READ, SFTPAttributes())
        try:
            kind, message = self._request(sftp.CMD_FSTAT, handle)
            _expect(sftp.CMD_ATTRS, kind)
            yield from self._read_ahead(handle, _attributes(message).st_size or 0)
        finally:
            self.close_handle(handle)

    def _read_ahead(self, handle: bytes, size: int) -> Iterator[bytes]:
        answers = _Answers(self)
        pending: deque[tuple[int, int, int]] = deque()  # request number, offset, length
        end = 0
        while pending or end < size:
            while end < size and len(pending) < _IN_FLIGHT:
                length = min(BLOCK, size - end)
                pending.append((answers.request(sftp.CMD_READ, handle, sftp.int64(end), length), end, length))
                end += length
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
        """A writer from an offset of a file; the file is created if it does not exist, and never truncated."""
        handle = self._handle(sftp.CMD_OPEN, path, sftp.SFTP_FLAG_WRITE | sftp.SFTP_FLAG_CREATE, SFTPAttributes())
        return PipelinedWriter(self, handle, offset)

    def _handle(self, kind: int, path: str, *args: object) -> bytes:
        answer, message = self._request(kind, path, *args)
        _expect(sftp.CMD_HANDLE, answer)
        return message.get_string()

    def close_handle(self, handle: bytes) -> None:
        """Close a file or folder without an error: nothing can be lost any more, and it would hide the first one."""
        with suppress(Refusal, *CONNECTION_ERRORS):
            self._request(sftp.CMD_CLOSE, handle)

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

    def finish(self) -> None:
        """Wait until the site has confirmed every block, and close the file."""
        while self._pending:
            self._confirm()
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


def _attributes(message: Message) -> SFTPAttributes:
    attributes: SFTPAttributes = SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001 - missing from paramiko's types
    return attributes
