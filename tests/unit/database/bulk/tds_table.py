"""Columns, rows and parameters as TDS carries them (MS-TDS 2.2.5 to 2.2.7), of the bridge's types."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

_INT, _BINARY, _VARBINARY, _VARCHAR, _NVARCHAR, _DATETIME2 = 0x26, 0xAD, 0xA5, 0xA7, 0xE7, 0x2A
_SIZED: Final = frozenset({_BINARY, _VARBINARY, _VARCHAR, _NVARCHAR})
_COLLATED: Final = frozenset({_VARCHAR, _NVARCHAR})
#: SQL_Latin1_General_CP1_CI_AS
COLLATION: Final = bytes.fromhex("0904d00034")
_MAX: Final = 0xFFFF
_NULL_LENGTH: Final = 0xFFFFFFFFFFFFFFFF
_NULLABLE: Final = 0x01
_METADATA, _ROW, _DONE = 0x81, 0xD1, 0xFD


@dataclass(frozen=True, slots=True)
class SqlType:
    """A column's type: its token, and its size in bytes or the digits of its fraction."""

    token: int
    size: int

    def described(self) -> bytes:
        """TYPE_INFO."""
        if self.token in _SIZED:
            return struct.pack("<BH", self.token, self.size) + (COLLATION if self.has_collation else b"")
        return bytes([self.token, self.size])

    @property
    def has_collation(self) -> bool:
        return self.token in _COLLATED

    def parsed(self, field: str) -> object:
        """A value in characters; an empty text is the character 0."""
        match self.token:
            case 0x26:
                return int(field)
            case 0x2A:
                return datetime.fromisoformat(field).replace(tzinfo=UTC)
            case 0xAD:
                return bytes.fromhex(field)
        return "" if field == "\0" else field


def sql_type(declared: str) -> SqlType:
    """The type that a CREATE TABLE statement declares."""
    found = re.match(r"([A-Z0-9]+)(?:\((\w+)\))?", declared)
    assert found is not None
    size = _MAX if found[2] == "max" else int(found[2] or 0)
    match found[1]:
        case "INTEGER":
            return SqlType(_INT, 4)
        case "BIGINT":
            return SqlType(_INT, 8)
        case "NVARCHAR":
            return SqlType(_NVARCHAR, min(2 * size, _MAX))
        case "VARCHAR":
            return SqlType(_VARCHAR, size)
        case "BINARY":
            return SqlType(_BINARY, size)
        case "DATETIME2":
            return SqlType(_DATETIME2, size)
    raise NotImplementedError(declared)


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column of a table or of a result."""

    name: str
    type: SqlType
    nullable: bool = True

    def described(self) -> bytes:
        """The column's part of COLMETADATA."""
        name = self.name.encode("utf-16-le")
        head = struct.pack("<IH", 0, 0x08 | (_NULLABLE if self.nullable else 0))
        return head + self.type.described() + bytes([len(self.name)]) + name


def result(columns: list[SqlColumn], rows: list[tuple[bytes | str | int | None, ...]], *, more: bool = False) -> bytes:
    """A whole result: its columns, its rows, and how many they were."""
    body = struct.pack("<BH", _METADATA, len(columns)) + b"".join(column.described() for column in columns)
    for row in rows:
        body += bytes([_ROW]) + b"".join(_written(value) for value in row)
    return body + struct.pack("<BHHQ", _DONE, 0x10 | int(more), 0xC1, len(rows))


def _written(value: bytes | str | int | None) -> bytes:
    """A value of a result: INT, NVARCHAR or BINARY; a NULL only of the last two."""
    if value is None:
        return struct.pack("<H", _MAX)
    if isinstance(value, int):
        return struct.pack("<Bi", 4, value)
    encoded = value.encode("utf-16-le") if isinstance(value, str) else value
    return struct.pack("<H", len(encoded)) + encoded


class Message:
    """Reads a message from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def bulk_rows(self) -> Iterator[dict[str, object]]:
        """The rows of a BULK_LOAD message, by column."""
        assert self.number(1) == _METADATA
        columns = [self._column() for _ in range(self.number(2))]
        while (token := self.number(1)) == _ROW:
            yield {column.name: self._value(column.type) for column in columns}
        assert token == _DONE
        # The end of a message says how many rows came before it in four bytes or in eight.
        assert len(self._data) - self._at in {8, 12}

    def calls(self) -> Iterator[tuple[str | int, list[object]]]:
        """The calls of an RPC message: the procedure's name or number, and its parameters."""
        while self._at < len(self._data):
            length = self.number(2)
            procedure = self.number(2) if length == _MAX else self._take(2 * length).decode("utf-16-le")
            self.number(2)
            parameters = []
            while self._at < len(self._data) and self._data[self._at] not in {0x80, 0xFF}:
                self._take(2 * self.number(1) + 1)
                parameters.append(self._value(self._type()))
            self._take(min(1, len(self._data) - self._at))
            yield procedure, parameters

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _column(self) -> SqlColumn:
        self.number(4)
        flags = self.number(2)
        kind = self._type()
        return SqlColumn(self._take(2 * self.number(1)).decode("utf-16-le"), kind, bool(flags & _NULLABLE))

    def _type(self) -> SqlType:
        token = self.number(1)
        kind = SqlType(token, self.number(2 if token in _SIZED else 1))
        if kind.has_collation:
            self._take(len(COLLATION))
        return kind

    def _value(self, kind: SqlType) -> object:
        raw = self._raw(kind)
        if raw is None:
            return None
        match kind.token:
            case 0x26:
                return int.from_bytes(raw, "little", signed=True)
            case 0xE7:
                return raw.decode("utf-16-le")
            case 0xA7:
                return raw.decode("windows-1252")
            case 0x2A:
                day = date.min + timedelta(days=int.from_bytes(raw[-3:], "little"))
                fraction = timedelta(microseconds=int.from_bytes(raw[:-3], "little") * 10 ** (6 - kind.size))
                return datetime.combine(day, time(), UTC) + fraction
        return raw

    def _raw(self, kind: SqlType) -> bytes | None:
        if kind.token not in _SIZED:
            length = self.number(1)
            return self._take(length) if length else None
        if kind.size != _MAX:
            length = self.number(2)
            return None if length == _MAX else self._take(length)
        if self.number(8) == _NULL_LENGTH:
            return None
        value = b""
        while length := self.number(4):
            value += self._take(length)
        return value

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        assert len(part) == size
        self._at += size
        return part
