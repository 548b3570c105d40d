"""What reads bytes that others have written: files, commands, calls, answers, listings.

Whatever the bytes are, a target comes to an end: with what it read, or with an error of the catalogue.
"""

import io
import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

from paramiko import sftp
from urllib3.connection import HTTPConnection

from shared.config.channels import Channels, DeliveryFileLayout
from shared.config.response_layouts import ResponseLayout
from shared.errors import BridgeError
from shared.faststats.delivery_file import DeliveryFile
from shared.faststats.job_command import Job, read_job_command
from shared.faststats.peoplestage_slots import Slot, UploadCall
from shared.faststats.schema_map.names import WsDbSchema
from shared.files.archives.pack import pack
from shared.files.reject_file import RejectFile
from shared.optimizely.responses.reader import ResponseReader
from shared.optimizely.rest import answers
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import Received, RestTransport, parse_answer
from shared.response import Response
from shared.sftp.session import SftpSession
from shared.sftp.transfer import PipelinedClient
from shared.web import peoplestage
from tests.builders import make_request

#: Bytes at a time, so that boundaries between pieces fall anywhere.
_PIECE: Final = 61


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes.

    Attributes:
        read: reads them; an error of the catalogue is an answer.
        seeds: what it understands. Fuzzers change it.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]

    def __call__(self, data: bytes) -> None:
        """Read; whatever leaves this is a fault."""
        with suppress(BridgeError):
            self.read(data)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))


def _chosen[Choice](choices: tuple[Choice, ...], data: bytes) -> tuple[Choice, bytes]:
    """The first byte chooses how the others are read."""
    return choices[(data[0] if data else 0) % len(choices)], data[1:]


# Delivery files

_DELIVERY_LAYOUTS: Final = (
    DeliveryFileLayout(),
    DeliveryFileLayout(delimiter=";", quote='"'),
    DeliveryFileLayout(encoding="utf-16"),
    DeliveryFileLayout(encoding="windows-1252", delimiter=",", quote='"', last_line="may-end-without"),
)
_DELIVERY: Final = (
    "Urn\tEmail\tCommunication Key\tName\r\n1\tanna@example.org\tk1\tAnna\r\n2\tbert@exämple.org\tk2\t\r\n"
)
_QUOTED: Final = 'Urn;Email;Communication Key\n1;"anna@example.org";"k;1"\n2;"x""y@example.org";"two\nlines"\n'


def _read_delivery_file(data: bytes) -> None:
    layout, content = _chosen(_DELIVERY_LAYOUTS, data)
    with DeliveryFile(io.BytesIO(content), make_request(), layout) as file:
        rejects, rows = RejectFile(file.columns), 0
        for rows, (line, values, fault) in enumerate(file.rows(), 1):  # noqa: B007 - counted
            reason = fault or file.repetition(values)
            if reason is not None:
                rejects.row(line, reason, values)
        assert file.rows_read == rows


# Response files

_RESPONSE_LAYOUTS: Final = (
    ResponseLayout(),
    ResponseLayout(quote="", delimiter="\t", encoding="windows-1252", last_line="may-end-without"),
    ResponseLayout(encoding="utf-16", date_formats=("ISO8601", "UnixTimeStamp", "yyyy-MM-dd HH:mm:ss")),
    ResponseLayout(columns=("Urn", "MessageType", "EventTriggeredDate"), message_type="Open"),
)
_RESPONSES: Final = (
    "Email;Urn;CommunicationKey;MessageType;DeliveryDate;ClickUrl;ClickDate;EventTriggeredDate;Browser\r\n"
    "anna@example.org;1;k1;Open;01.03.2026 09:00;;;01.03.2026 12:30;Firefox\r\n"
    'bert@example.org;2;k2;Click;;"https://example.org/?a=""b""";29.03.2026 02:30;29.03.2026 02:30;"two\r\nlines"\r\n'
)


def _read_response_file(data: bytes) -> None:
    layout, content = _chosen(_RESPONSE_LAYOUTS, data)
    reader, rows = ResponseReader(_pieces(content), layout, name="Responses.csv"), 0
    for rows, (_, row) in enumerate(reader.rows(), 1):  # noqa: B007 - counted
        if isinstance(row, Response):
            assert row.event_time.tzinfo is not None
    assert rows == reader.rows_read == reader.rows_good + reader.rejects.total()


# Jobs

_COMMAND: Final = (
    "<DeliveryCommand><BroadcastActionDetails><FilePath>D:\\Deliveries\\spring.txt</FilePath>"
    "<Parameters>SendAt=2026-10-25T02:30;A=b</Parameters><UrnColumnName>Urn</UrnColumnName>"
    "<ExternalId><IdType>DeliveryStepId</IdType><Id>4711</Id></ExternalId><Run>3</Run><ListName>Newsletter</ListName>"
    "<MessageName>Spring</MessageName><UploadOnly>false</UploadOnly></BroadcastActionDetails></DeliveryCommand>"
)
_ENTITIES: Final = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><DeliveryCommand>&b;</DeliveryCommand>'


def _read_job(data: bytes) -> None:
    # A column of SQL Server holds UTF-16, with surrogates that are alone.
    encoding, content = _chosen(("utf-8", "utf-16-le"), data)
    text = content.decode(encoding, "surrogatepass" if encoding == "utf-16-le" and not len(content) % 2 else "replace")
    job = Job(id=7, system="Holidays", time_added=datetime(2026, 3, 1, tzinfo=UTC), command=text)
    read_job_command(job, WsDbSchema("Europe/Berlin"), Channels())


# Slots

_UPLOAD: Final = {
    "Channel": "default",
    "Path": r"D:\Deliveries\a{0a1b2c3d-0000-4000-8000-000000000000}.txt",
    "Size": "17",
    "ListName": "Newsletter",
    "MessageName": "Spring",
    "UrnFieldName": "Urn",
    "EmailFieldName": "Email",
    "CommunicationKeyFieldName": "Communication Key",
    "SendAt": "2026-10-25T02:30",
    "Campaign": None,
}


def _read_slot(data: bytes) -> None:
    slot, body = _chosen(tuple(Slot), data)
    call_type, _ = peoplestage._SLOTS[slot]
    call = call_type.read(slot, peoplestage._read(slot, body))
    if isinstance(call, UploadCall):
        call.request(Channels(), system="Holidays", zone="Europe/Berlin")


# REST

_SHAPES: Final[tuple[type[Any], ...]] = (
    answers.SmartCampaign,
    answers.Page[answers.RecipientList],
    answers.Page[answers.SmartCampaign],
    answers.Page[answers.ConfiguredJob],
    answers.SmartCampaignReport,
    answers.SendingBatch,
    answers.TestMailingReport,
    answers.TestMailingStarted,
    answers.MessageContent,
    answers.DistinctValues,
    tuple[answers.WaitNode, ...],
)
_CAMPAIGN: Final = {
    "id": 3,
    "name": "Spring",
    "status": "running",
    "created": "2026-03-01T08:45:07.250+01:00",
    "recipientLists": {"recipientListIds": [5]},
    "messages": [{"mailingId": 9, "subject": {"default": "Hello"}, "nodeId": None}],
}


def _read_answer(data: bytes) -> None:
    shape, body = _chosen(_SHAPES, data)
    parse_answer("get", shape, Received(status=200, media_type="application/json", charset="iso-8859-1", body=body))


def _exchange(data: bytes) -> None:
    """Read whatever comes from a connection as the answer to a request, as HTTP and as JSON."""
    near, far = socket.socketpair()
    with far, near, patch.object(HTTPConnection, "_new_conn", lambda _connection: near):
        far.settimeout(10)
        near.settimeout(10)
        far.sendall(data[:60_000])
        far.shutdown(socket.SHUT_WR)
        transport = RestTransport(base_url="http://campaign.invalid", client_id=1, user="u", password="p")
        transport._session.trust_env = False
        try:
            if data[-1:] == b"c":
                OptimizelyRest(transport).send_batch(3)
            transport.send("GET", "getSmartCampaign", "smartcampaigns/3", answers.SmartCampaign)
        finally:
            transport.close()


def _answer(status: str, body: bytes, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


# SFTP


class _Site:
    """In place of a channel: answers each request with the next piece of some bytes.

    A piece is the type of the packet, its length in two bytes, and its content after the number of the request; a
    length of 0xffff sends the content as it is, which breaks the protocol.
    """

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        version = struct.pack(">BI", sftp.CMD_VERSION, 3)
        self._ready = bytearray(struct.pack(">I", len(version)) + version)
        self._asked: list[bytes] = []

    def send(self, packet: bytes) -> int:
        if packet[4] != sftp.CMD_INIT:
            self._asked.append(packet[5:9])
        return len(packet)

    def recv(self, size: int) -> bytes:
        if not self._ready:
            self._ready += self._next()
        piece = bytes(self._ready[:size])
        del self._ready[:size]
        return piece

    def _next(self) -> bytes:
        head = self._data.read(3)
        if len(head) < 3 or not self._asked:
            return b""
        length = int.from_bytes(head[1:])
        if length == 0xFFFF:
            return self._data.read(64)
        packet = head[:1] + self._asked.pop(0) + self._data.read(length)
        return struct.pack(">I", len(packet)) + packet

    def get_name(self) -> str:
        return "site"

    def close(self) -> None:
        """Nothing to close."""


def client_on(data: bytes) -> PipelinedClient:
    """A client whose site answers with these packets."""
    return PipelinedClient(_Site(data))  # type: ignore[arg-type]


def session_on(data: bytes) -> SftpSession:
    """A session on a site that answers with these packets."""
    transport: Any = SimpleNamespace(close=lambda: None)
    return SftpSession("site", transport, client_on(data), pause=lambda _seconds: None)


def _read_site(data: bytes) -> None:
    session = session_on(data[1:])
    match (data[0] if data else 0) % 4:
        case 0:
            for file in session.list_files("in", "*"):
                assert file.size is None or file.size >= 0
        case 1:
            for _ in session.read("in/a.csv"):
                pass
        case 2:
            session.find("in/a.csv")
        case 3:
            session.remove_unfinished("in/a.csv")


def packet(kind: int, *fields: bytes | int) -> bytes:
    """An answer of the site: its type, and its content as the protocol writes numbers and texts."""
    content = b"".join(
        struct.pack(">I", field) if isinstance(field, int) else struct.pack(">I", len(field)) + field
        for field in fields
    )
    return bytes([kind]) + len(content).to_bytes(2) + content


_LISTING: Final = (
    packet(sftp.CMD_HANDLE, b"h")
    # Flags: size, permissions, times.
    + packet(sftp.CMD_NAME, 1, b"Response1.csv", b"-rw-r--r-- 1 a a 12 Response1.csv", 13, 0, 12, 0o100644, 9, 9)
    + packet(sftp.CMD_NAME, 1, b"b\xff.csv", b"", 0)
    + packet(sftp.CMD_STATUS, sftp.SFTP_EOF, b"", b"")
    + packet(sftp.CMD_STATUS, sftp.SFTP_OK, b"", b"")
)
_READING: Final = (
    packet(sftp.CMD_HANDLE, b"h")
    + packet(sftp.CMD_ATTRS, 1, 0, 12)
    + packet(sftp.CMD_DATA, b"a;b\n1;2\n")
    + packet(sftp.CMD_DATA, b"3;4\n")
    + packet(sftp.CMD_STATUS, sftp.SFTP_OK, b"", b"")
)

TARGETS: Final[Mapping[str, Target]] = {
    "delivery-file": Target(
        _read_delivery_file,
        (
            b"\0" + _DELIVERY.encode(),
            b"\0\xef\xbb\xbf" + _DELIVERY.encode(),
            b"\1" + _QUOTED.encode(),
            b"\2" + _DELIVERY.encode("utf-16"),
            b"\3" + _QUOTED.replace(";", ",").encode(),
            b"\0" + b"".join(pack([_DELIVERY.encode()], "zip", name="a.txt")),
            b"\0" + b"".join(pack([_DELIVERY.encode()], "gzip", name="a.txt")),
        ),
    ),
    "response-file": Target(
        _read_response_file,
        (
            b"\0" + _RESPONSES.encode(),
            b"\1" + _RESPONSES.replace(";", "\t").encode(),
            b"\2" + _RESPONSES.encode("utf-16"),
            b"\3" + b"1;Open;01.03.2026 12:30\n2;Open;1772368215\n",
            b"\0" + b"".join(pack([_RESPONSES.encode()], "zip", name="a.csv")),
            b"\0" + b"".join(pack([_RESPONSES.encode()], "gzip", name="a.csv")),
        ),
    ),
    "job": Target(
        _read_job, (b"\0" + _COMMAND.encode(), b"\1" + _COMMAND.encode("utf-16-le"), b"\0" + _ENTITIES.encode())
    ),
    "slot": Target(
        _read_slot,
        tuple(bytes([number]) + json.dumps(_UPLOAD | {"RequestId": ""}).encode() for number in range(len(Slot))),
    ),
    "rest-answer": Target(
        _read_answer,
        (
            b"\0" + json.dumps(_CAMPAIGN).encode(),
            b"\2" + json.dumps({"elements": [_CAMPAIGN], "links": [{"rel": "next", "href": "?offset=1"}]}).encode(),
            b"\4" + json.dumps({"recipients": {"total": 1, "skipped": 0, "inQueue": 0}}).encode(),
            b"\6" + json.dumps({"mailingId": 9, "recipientStatus": {"1": "sent", "2": "x"}}).encode("utf-16"),
            b"\12" + json.dumps([{"nodeId": "w", "scheduledAt": None}]).encode(),
        ),
    ),
    "rest-exchange": Target(
        _exchange,
        (
            _answer("200 OK", json.dumps(_CAMPAIGN).encode(), "Content-Type: application/json; charset=utf-8"),
            _answer("202 Accepted", b"c"),
            _answer("302 Found", b"", "Location: /login"),
            _answer("429 Wait", b"<html>", "Retry-After: 12", "Content-Type: text/html"),
            _answer("200 OK", b"".join(pack([b"{}"], "gzip", name="a")), "Content-Encoding: gzip, deflate"),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n",
        ),
    ),
    "sftp": Target(
        _read_site,
        (b"\0" + _LISTING, b"\1" + _READING, b"\2" + packet(sftp.CMD_ATTRS, 1, 0, 12), b"\3" + _LISTING),
    ),
}
