"""SFTP requests that paramiko lacks or makes one at a time: pipelined reading and writing, plain listings."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from paramiko import Message, SFTPAttributes, SFTPClient, SFTPError, SFTPFile, SSHException
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_FSTAT,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STATUS,
    CMD_WRITE,
    SFTP_EOF,
    SFTP_FAILURE,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_READ,
    SFTP_FLAG_WRITE,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_OP_UNSUPPORTED,
    SFTP_PERMISSION_DENIED,
    int64,
)

#: Most bytes of one request: servers need not take more (paramiko's own limit).
BLOCK: Final = SFTPFile.MAX_REQUEST_SIZE
#: Requests under way at a time, as in OpenSSH's sftp.
_UNDER_WAY: Final = 64
#: Most bytes that are written past the last one of which it is known that all before it are written.
#: What lies on a site was written with it: never make it smaller without another name for unfinished files.
WRITE_WINDOW: Final = _UNDER_WAY * BLOCK

#: What paramiko raises when the connection breaks, or the other side does not speak the protocol.
BROKEN: Final = (OSError, EOFError, SSHException, SFTPError)
#: What the statuses of the protocol are called (draft-ietf-secsh-filexfer-02, section 7).
_REASONS: Final = {
    SFTP_NO_SUCH_FILE: "no such file or folder",
    SFTP_PERMISSION_DENIED: "permission denied",
    SFTP_FAILURE: "failure",
    SFTP_OP_UNSUPPORTED: "not supported",
}


class Refusal(Exception):
    """The site answered a request with a status that says no.

    Attributes:
        reason: what the status is called. The server's own text is not kept.
        unsupported: the site does not know the request.
    """

    def __init__(self, status: int) -> None:
        self.reason = _REASONS.get(status, f"status {status}")
        self.unsupported = status == SFTP_OP_UNSUPPORTED
        super().__init__(self.reason)


class NoSuchFile(Refusal):
    """There is no such file or folder."""


class PipelinedClient(SFTPClient):
    """paramiko's SFTP client with requests of our own. For one thread.

    Its methods raise Refusal for a refusal, and what paramiko raises when the connection breaks: OSError,
    EOFError, SSHException, SFTPError.
    """

    if TYPE_CHECKING:  # what the types of paramiko leave out

        def _async_request(self, receiver: object, kind: int, /, *args: object) -> int: ...
        def _read_response(self, waitfor: int | None = None) -> tuple[int, Message]: ...
        def _request(self, kind: int, /, *args: object) -> tuple[int, Message]: ...

    def entries(self, folder: str) -> Iterator[tuple[bytes, SFTPAttributes]]:
        """What is in a folder: names as the site gives them, in whatever encoding, and attributes."""
        handle = self._handle(CMD_OPENDIR, folder)
        try:
            while True:
                try:
                    kind, message = self._request(CMD_READDIR, handle)
                except EOFError:
                    return
                _expect(CMD_NAME, kind)
                for _ in range(message.get_int()):
                    name = message.get_string()
                    message.get_string()  # a line for people
                    yield name, _attributes(message)
        finally:
            self._let_go(handle)

    def read(self, path: str) -> Iterator[bytes]:
        """The blocks of a file in order, up to the size that it has now or to an earlier end.

        paramiko's own prefetch is not used: a server that answers with less than was asked, or one that
        answers faster than its thread asks, makes it keep the rest of the file in memory.
        """
        handle = self._handle(CMD_OPEN, path, SFTP_FLAG_READ, SFTPAttributes())
        try:
            kind, message = self._request(CMD_FSTAT, handle)
            _expect(CMD_ATTRS, kind)
            yield from self._read_ahead(handle, _attributes(message).st_size or 0)
        finally:
            self._let_go(handle)

    def _read_ahead(self, handle: bytes, size: int) -> Iterator[bytes]:
        answers = _Answers(self)
        waiting: deque[tuple[int, int, int]] = deque()  # request number, offset, length
        end = 0
        while waiting or end < size:
            while end < size and len(waiting) < _UNDER_WAY:
                length = min(BLOCK, size - end)
                waiting.append((answers.request(CMD_READ, handle, int64(end), length), end, length))
                end += length
            number, offset, length = waiting.popleft()
            kind, message = answers.take(number)
            if kind != CMD_DATA:
                with suppress(EOFError):
                    self._convert_status(message)
                return
            block = message.get_string()
            if not block:
                return
            if len(block) < length:
                rest = offset + len(block), length - len(block)
                waiting.appendleft((answers.request(CMD_READ, handle, int64(rest[0]), rest[1]), *rest))
            yield block

    def writer(self, path: str, offset: int) -> "PipelinedWriter":
        """A writer into a file from an offset on; the file is made if it is not there, and never cut off."""
        handle = self._handle(CMD_OPEN, path, SFTP_FLAG_WRITE | SFTP_FLAG_CREATE, SFTPAttributes())
        return PipelinedWriter(self, handle, offset)

    def _handle(self, kind: int, path: str, *args: object) -> bytes:
        answer, message = self._request(kind, path, *args)
        _expect(CMD_HANDLE, answer)
        return message.get_string()

    def _let_go(self, handle: bytes) -> None:
        # Nothing can be lost any more, and an error on the way out would hide the first one.
        with suppress(Refusal, *BROKEN):
            self._request(CMD_CLOSE, handle)

    def _convert_status(self, message: Message) -> None:
        """In place of paramiko's own, which takes the site's text for UTF-8, keeps it, and forgets most codes."""
        code = message.get_int()
        if code == SFTP_EOF:
            raise EOFError
        if code != SFTP_OK:
            raise NoSuchFile(code) if code == SFTP_NO_SUCH_FILE else Refusal(code)


class PipelinedWriter:
    """Writes into one file, with up to `WRITE_WINDOW` bytes under way.

    Args:
        client: the client that opened the file.
        handle: the file.
        offset: where the first block goes.
    """

    def __init__(self, client: PipelinedClient, handle: bytes, offset: int) -> None:
        self._client = client
        self._handle = handle
        self._answers = _Answers(client)
        self._waiting: deque[int] = deque()
        #: Where the next block goes.
        self.offset = offset

    def write(self, block: bytes) -> None:
        """Send a block of at most `BLOCK` bytes."""
        if len(self._waiting) == _UNDER_WAY:
            self._confirm()
        self._waiting.append(self._answers.request(CMD_WRITE, self._handle, int64(self.offset), block))
        self.offset += len(block)

    def finish(self) -> None:
        """Wait until the site has taken everything, and close the file."""
        while self._waiting:
            self._confirm()
        # A site may say only now that it cannot keep what was written.
        self._client._request(CMD_CLOSE, self._handle)  # noqa: SLF001 - a client of ours

    def abandon(self) -> None:
        """Close the file as it is, after an error."""
        self._client._let_go(self._handle)  # noqa: SLF001 - a client of ours

    def _confirm(self) -> None:
        # In the order of the file: with it the window begins at the first byte that is not yet written.
        kind, message = self._answers.take(self._waiting.popleft())
        _expect(CMD_STATUS, kind)
        self._client._convert_status(message)  # noqa: SLF001 - a client of ours


class _Answers:
    """Requests under way, and their answers in whatever order they come."""

    def __init__(self, client: PipelinedClient) -> None:
        self._client = client
        self._arrived: dict[int, tuple[int, Message]] = {}

    def request(self, kind: int, *args: object) -> int:
        """Send a request; its number."""
        return self._client._async_request(self, kind, *args)  # noqa: SLF001 - a client of ours

    def take(self, number: int) -> tuple[int, Message]:
        """Wait for the answer to a request: its kind and content."""
        while number not in self._arrived:
            self._client._read_response()  # noqa: SLF001 - a client of ours
        return self._arrived.pop(number)

    def _async_response(self, kind: int, message: Message, number: int) -> None:
        """What paramiko calls with each of them."""
        self._arrived[number] = kind, message


def _expect(wanted: int, kind: int) -> None:
    if kind != wanted:
        raise SFTPError("an answer of another kind")


def _attributes(message: Message) -> SFTPAttributes:
    attributes: SFTPAttributes = SFTPAttributes._from_msg(message)  # type: ignore[attr-defined]  # noqa: SLF001 - left out of paramiko's types
    return attributes
