"""One table as TDS carries it: how a server describes its columns, and the rows of a BULK_LOAD message (MS-TDS 2.2.6.1).

Only the types that the bridge's tables have.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_INT, _BINARY, _VARBINARY, _VARCHAR, _NVARCHAR, _DATETIME2 = 0x26, 0xAD, 0xA5, 0xA7, 0xE7, 0x2A
_SIZED: Final = frozenset({_BINARY, _VARBINARY, _VARCHAR, _NVARCHAR})
_COLLATED: Final = frozenset({_VARCHAR, _NVARCHAR})
#: SQL_Latin1_General_CP1_CI_AS
COLLATION: Final = bytes.fromhex("0904d00034")
_MAX: Final = 0xFFFF
_UNKNOWN_LENGTH: Final = 0xFFFFFFFFFFFFFFFE
_NULL_LENGTH: Final = 0xFFFFFFFFFFFFFFFF
_NULLABLE: Final = 0x01
_METADATA, _ROW, _NULLS_AND_ROW, _DONE = 0x81, 0xD1, 0xD2, 0xFD


@dataclass(frozen=True, slots=True)
class SqlType:
    """A column's type: its token, and its size in bytes or the digits of its fraction."""

    token: int
    size: int

    def described(self) -> bytes:
        """TYPE_INFO."""
        if self.token in _SIZED:
            return struct.pack("<BH", self.token, self.size) + (COLLATION if self.token in _COLLATED else b"")
        return bytes([self.token, self.size])


INT, BIGINT = SqlType(_INT, 4), SqlType(_INT, 8)
NVARCHAR_MAX = SqlType(_NVARCHAR, _MAX)
DATETIME2_3 = SqlType(_DATETIME2, 3)


def nvarchar(characters: int) -> SqlType:
    return SqlType(_NVARCHAR, 2 * characters)


def varchar(size: int) -> SqlType:
    return SqlType(_VARCHAR, size)


def binary(size: int) -> SqlType:
    return SqlType(_BINARY, size)


@dataclass(frozen=True, slots=True)
class SqlColumn:
    """A column that a client loads."""

    name: str
    type: SqlType
    nullable: bool = False

    def described(self) -> bytes:
        """The column's part of COLMETADATA."""
        name = self.name.encode("utf-16-le")
        flags = 0x08 | (_NULLABLE if self.nullable else 0)
        return struct.pack("<IH", 0, flags) + self.type.described() + bytes([len(self.name)]) + name


def metadata(columns: list[SqlColumn]) -> bytes:
    """COLMETADATA."""
    return struct.pack("<BH", _METADATA, len(columns)) + b"".join(column.described() for column in columns)


class Loaded:
    """The columns and rows of a BULK_LOAD message.

    Attributes:
        columns: as the client declared them.
        rows: values by column.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.columns: list[SqlColumn] = []
        self.rows = list(self._read())

    def _read(self) -> Iterator[tuple[object, ...]]:
        if self._data:
            assert self._number(1) == _METADATA
            self.columns = [self._column() for _ in range(self._number(2))]
        while self._at < len(self._data):
            match self._number(1):
                case 0xD1:
                    yield tuple(self._value(column.type) for column in self.columns)
                case 0xD2:
                    nulls = int.from_bytes(self._take((len(self.columns) + 7) // 8), "little")
                    yield tuple(
                        None if nulls >> place & 1 else self._value(column.type)
                        for place, column in enumerate(self.columns)
                    )
                case 0xFD:
                    assert len(self._data) - self._at in (8, 12)
                    return
                case other:
                    raise AssertionError(f"token {other:#x} in a bulk load")

    def _column(self) -> SqlColumn:
        _user_type, flags = self._number(4), self._number(2)
        kind = self._number(1)
        if kind in _SIZED:
            size = self._number(2)
            if kind in _COLLATED:
                self._take(5)
        else:
            size = self._number(1)
        name = self._take(2 * self._number(1)).decode("utf-16-le")
        return SqlColumn(name, SqlType(kind, size), bool(flags & _NULLABLE))

    def _value(self, kind: SqlType) -> object:
        raw = self._long() if kind.token in _SIZED and kind.size == _MAX else self._short(kind)
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
                ticks = int.from_bytes(raw[:-3], "little") * 10 ** (6 - kind.size)
                day = date(1, 1, 1) + timedelta(days=int.from_bytes(raw[-3:], "little"))
                return datetime(day.year, day.month, day.day) + timedelta(microseconds=ticks)  # noqa: DTZ001 - DATETIME2 has none
        return raw

    def _short(self, kind: SqlType) -> bytes | None:
        if kind.token in _SIZED:
            length = self._number(2)
            return None if length == _MAX else self._take(length)
        length = self._number(1)
        return self._take(length) if length else None

    def _long(self) -> bytes | None:
        """A value in parts (PLP)."""
        if self._number(8) == _NULL_LENGTH:
            return None
        value = b""
        while length := self._number(4):
            value += self._take(length)
        return value

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _take(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        assert len(part) == size
        self._at += size
        return part
