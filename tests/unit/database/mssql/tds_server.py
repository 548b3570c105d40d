"""A server that speaks just enough TDS (MS-TDS 7.4) for Microsoft's driver to log in, and then does what a test says.

It holds no data: it shows what the driver sends it, and produces the faults that a real server shows only on bad days.
"""

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BATCH, _ANSWER, _ATTENTION, _TRANSACTION, _PRELOGIN = 0x01, 0x04, 0x06, 0x0E, 0x12
_BEGIN, _COMMIT, _ROLLBACK = 5, 7, 8
_NAMES: Final = {_BEGIN: "BEGIN", _COMMIT: "COMMIT", _ROLLBACK: "ROLLBACK"}
_HEADER: Final = struct.Struct(">BBHHBB")
_PACKET_DATA: Final = 4088
_ENCRYPT_ON, _ENCRYPT_NOT_SUPPORTED = 1, 2
_FEDAUTH: Final = 2
_FEDAUTH_REQUIRED: Final = 6
#: SQL_Latin1_General_CP1_CI_AS
_COLLATION: Final = bytes.fromhex("0904d00034")
_DONE: Final = struct.pack("<BHHQ", 0xFD, 0, 0, 0)
_DONE_ONE_ROW: Final = struct.pack("<BHHQ", 0xFD, 0x10, 0xC1, 1)
_FAILED: Final = struct.pack("<BHHQ", 0xFD, 2, 0, 0)
_CANCELLED: Final = struct.pack("<BHHQ", 0xFD, 0x20, 0, 0)

#: What SQLAlchemy's dialect asks for when it first connects, by a part of its question.
_FIRST_ANSWERS: Final = {
    "ProductVersion": "16.0.1000.6",
    "schema_name()": "dbo",
    "sys.system_views": "dm_exec_sessions",
    "transaction_isolation_level": "READ COMMITTED",
    "test max support": "test max support",
    "fn_listextendedproperty": "1",
}


@dataclass(frozen=True, slots=True)
class Login:
    """What one login brought."""

    user: str
    password: str
    database: str
    application: str
    token: str | None
    encrypted: bool


@dataclass(slots=True)
class TdsServer:
    """What the server was sent, and what it shall do."""

    port: int
    #: PEM file of its certificate, which it signed itself for `localhost`.
    certificate: Path
    #: Whether it offers TLS.
    encrypts: bool = True
    logins: list[Login] = field(default_factory=list)
    #: Statements without parameters, and what the driver says by itself: BEGIN, COMMIT and ROLLBACK.
    statements: list[str] = field(default_factory=list)
    #: Numbers of the errors with which the next logins are refused, one or more for each.
    refusals: list[tuple[int, ...]] = field(default_factory=list)
    #: What it answers to statements that have this part, in one row; the others get no rows.
    answers: dict[str, str] = field(default_factory=_FIRST_ANSWERS.copy)
    #: Errors for the next statements that have this part, each once, after the row of their answer if they have one; 0
    #: ends the connection.
    faults: list[tuple[str, int]] = field(default_factory=list)
    #: What the server says with an error; as real ones do, it names a value of a row.
    text: str = "The duplicate key value is (ann@example.com, (1205) (SQLExecute))."


@contextmanager
def serving(folder: Path, session: "type[Session] | None" = None) -> Iterator[TdsServer]:
    """A server on a free loopback port, whose certificate goes into this folder; `session` is how it answers."""
    certificate = _certificate(folder / "tds.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # In TDS 7.4 the handshake travels in packets, the rest does not: a ticket of TLS 1.3 would come too late for them.
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(EOFError, OSError):  # the client left
                (session or Session)(self.request, context, state).run()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state = TdsServer(server.server_address[1], certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


class Session:
    """One connection."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext, state: TdsServer) -> None:
        self._socket = connection
        self._context = context
        self._state = state
        self._arrived, self._leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def run(self) -> None:
        """Greet, log in and answer until the client leaves."""
        _, asked = self._receive()
        encryption = _ENCRYPT_ON if self._state.encrypts else _ENCRYPT_NOT_SUPPORTED
        self._send(_ANSWER, _greeting(encryption, asks_for_token=_FEDAUTH_REQUIRED in _options(asked)))
        if self._state.encrypts:
            self._shake_hands()
        _, login = self._receive()
        self._state.logins.append(_read_login(login, encrypted=self._tls is not None))
        if self._state.refusals:
            refusals = self._state.refusals.pop(0)
            self._send(_ANSWER, b"".join(self._error(number) for number in refusals) + _FAILED)
            self._receive()  # until the client leaves
        self._send(_ANSWER, _logged_in(self._state.logins[-1]))
        while True:
            kind, data = self._receive()
            if not self._answer(kind, data):
                return

    def _answer(self, kind: int, data: bytes) -> bool:
        """Answer one request; False ends the connection."""
        if kind == _ATTENTION:
            self._send(_ANSWER, _CANCELLED)
            return True
        headers = int(struct.unpack_from("<I", data)[0])
        if kind == _TRANSACTION:
            statement, row = _NAMES[struct.unpack_from("<H", data, headers)[0]], b""
            answer = _transaction_changed(data[headers:])
        else:
            statement = data[headers:].decode("utf-16-le", "replace")
            row = next((_row(fact) for part, fact in self._state.answers.items() if part in statement), b"")
            answer = row + (_DONE_ONE_ROW if row else _DONE)
        if kind in {_TRANSACTION, _BATCH}:
            self._state.statements.append(statement)
        fault = next((fault for fault in self._state.faults if fault[0] in statement), None)
        if fault is not None:
            self._state.faults.remove(fault)
            number = fault[1]
            if number == 0:
                return False
            answer = row + self._error(number) + _FAILED
        self._send(_ANSWER, answer)
        return True

    def _error(self, number: int) -> bytes:
        message = self._state.text.encode("utf-16-le")
        body = struct.pack("<iBBH", number, 1, 16, len(message) // 2) + message + b"\0\0" + struct.pack("<I", 1)
        return struct.pack("<BH", 0xAA, len(body)) + body

    # Packets

    def _receive(self) -> tuple[int, bytes]:
        """A whole message: its type and its data."""
        data = bytearray()
        while True:
            kind, status, length, *_ = _HEADER.unpack(self._read(_HEADER.size))
            data += self._read(length - _HEADER.size)
            if status & 1:
                return kind, bytes(data)

    def _send(self, kind: int, data: bytes) -> None:
        self._write(_packet(kind, data))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._read_some(size - len(data))
        return data

    def _read_some(self, size: int) -> bytes:
        if self._tls is None:
            return self._from_wire(size)
        while True:
            try:
                data = self._tls.read(size)
            except ssl.SSLWantReadError:
                self._arrived.write(self._from_wire(65536))
                continue
            if not data:  # the client has ended TLS
                raise EOFError
            return data

    def _write(self, data: bytes) -> None:
        if self._tls is None:
            self._socket.sendall(data)
        else:
            self._tls.write(data)
            self._socket.sendall(self._leaving.read())

    def _from_wire(self, size: int) -> bytes:
        if not (data := self._socket.recv(size)):
            raise EOFError
        return data

    def _shake_hands(self) -> None:
        """TLS, whose handshake travels in the data of PRELOGIN packets."""
        tls = self._context.wrap_bio(self._arrived, self._leaving, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if self._leaving.pending:
                    self._send(_PRELOGIN, self._leaving.read())
                self._arrived.write(self._receive()[1])
            else:
                self._send(_PRELOGIN, self._leaving.read())
                self._tls = tls
                return


def _options(data: bytes) -> bytes:
    """The numbers of the options in a PRELOGIN message."""
    return bytes(data[at] for at in range(0, data.index(0xFF), 5))


def _greeting(encryption: int, *, asks_for_token: bool) -> bytes:
    """The answer to PRELOGIN: version, encryption, and, for who asks, whether an Entra token may come."""
    options = {0: struct.pack(">BBHH", 16, 0, 1000, 0), 1: bytes([encryption])}
    if asks_for_token:
        options[_FEDAUTH_REQUIRED] = b"\1"
    table, at = b"", 5 * len(options) + 1
    for number, value in options.items():
        table += struct.pack(">BHH", number, at, len(value))
        at += len(value)
    return table + b"\xff" + b"".join(options.values())


def _packet(kind: int, data: bytes) -> bytes:
    parts = [data[at : at + _PACKET_DATA] for at in range(0, len(data), _PACKET_DATA)] or [b""]
    return b"".join(
        _HEADER.pack(kind, int(number == len(parts)), len(part) + _HEADER.size, 0, number & 0xFF, 0) + part
        for number, part in enumerate(parts, 1)
    )


def _read_login(data: bytes, *, encrypted: bool) -> Login:
    """A LOGIN7 message."""

    def text(at: int) -> bytes:
        start, length = struct.unpack_from("<HH", data, at)
        return data[start : start + 2 * length]

    password = bytes(((byte ^ 0xA5) << 4 | (byte ^ 0xA5) >> 4) & 0xFF for byte in text(44))
    return Login(
        user=text(40).decode("utf-16-le"),
        password=password.decode("utf-16-le"),
        database=text(68).decode("utf-16-le"),
        application=text(48).decode("utf-16-le"),
        token=_token(data),
        encrypted=encrypted,
    )


def _token(data: bytes) -> str | None:
    """The Entra token among the features that a LOGIN7 message asks for."""
    if not data[27] & 0x10:
        return None
    at = int(struct.unpack_from("<I", data, struct.unpack_from("<H", data, 56)[0])[0])
    while data[at] != 0xFF:
        feature, length = struct.unpack_from("<BI", data, at)
        if feature == _FEDAUTH:
            size = struct.unpack_from("<I", data, at + 6)[0]
            return data[at + 10 : at + 10 + size].decode("utf-16-le")
        at += 5 + length
    return None


def _logged_in(login: Login) -> bytes:
    def short(value: str) -> bytes:
        return bytes([len(value)]) + value.encode("utf-16-le")

    changed = b"\1" + short(login.database) + short("master")
    collation = b"\7\5" + _COLLATION + b"\0"
    packet_size = b"\4" + short("4096") + short("4096")
    welcome = b"\1" + bytes.fromhex("74000004") + short("Microsoft SQL Server") + bytes([16, 0, 3, 232])
    features = b"" if login.token is None else struct.pack("<BBIB", 0xAE, _FEDAUTH, 0, 0xFF)
    return b"".join(
        [
            *(struct.pack("<BH", 0xE3, len(change)) + change for change in (changed, collation, packet_size)),
            struct.pack("<BH", 0xAD, len(welcome)) + welcome,
            features,
            _DONE,
        ]
    )


def _transaction_changed(request: bytes) -> bytes:
    """What is answered to the driver's own BEGIN, COMMIT and ROLLBACK, the last two of which may begin the next."""
    mark = struct.pack("<Q", 1)
    begun = b"\x08\x08" + mark + b"\0"
    what = struct.unpack_from("<H", request)[0]
    changes = [begun] if what == _BEGIN else [(b"\x09" if what == _COMMIT else b"\x0a") + b"\0\x08" + mark]
    if what != _BEGIN and request[3 + request[2]] & 1:
        changes.append(begun)
    return b"".join(struct.pack("<BH", 0xE3, len(change)) + change for change in changes) + _DONE


def _row(value: str) -> bytes:
    """A result of one row with one NVARCHAR column, without its end."""
    encoded = value.encode("utf-16-le")
    column = struct.pack("<BHIHBH5sB", 0x81, 1, 0, 1, 0xE7, 200, _COLLATION, 0)
    return column + b"\xd1" + struct.pack("<H", len(encoded)) + encoded


def _certificate(path: Path) -> Path:
    """Write a key and a certificate that it signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
