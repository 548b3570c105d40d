"""A table with a column of every type that the bridge's tables have, and rows with the values at their edges."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Unicode, UnicodeText
from sqlalchemy.dialects.mssql import BINARY

from shared.database.types import UtcDateTime

metadata = MetaData(schema="bridge")
every_type = Table(
    "every_type",
    metadata,
    Column("load_id", String(36), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("key", LargeBinary(16).with_variant(BINARY(16), "mssql"), nullable=False),
    Column("code", String(20), nullable=False),
    #: Nothing fills it: NULL in every row.
    Column("ordinal", Integer),
    Column("number", Integer),
    Column("name", Unicode(50)),
    Column("at", UtcDateTime),
    Column("text", UnicodeText),
)
#: Not in the order of the table.
NAMES: Final = ("text", "line", "key", "code", "number", "name", "at")

_KEYS: Final = bytes(16), b"\xff" * 16, bytes(range(16)), b"0123456789abcdef"
_CODES: Final = "", " ", "open", "Z" * 20, "a'b\"c;[x]", "line\r\nend\t "
_NUMBERS: Final = None, 0, -1, 2**31 - 1, -(2**31)
_PLACES: Final = None, "", "Zoë Ærøskøbing", "日本語", "Ω" * 50, "😀" * 25, " spaces ", "%s ? :name {x} \\"
_TIMES: Final = (
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 1000, tzinfo=UTC),
    datetime(2026, 10, 25, 2, 30, 0, 123000, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 1, 1, tzinfo=timezone(-timedelta(hours=9, minutes=30))),
)
_TEXTS: Final = None, "", '{"Ä": "\\u00df"}', "x" * 3999 + "é", "€" * 4001, "😀" * 2000, "a\nb\tc"


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Rows with the values of `NAMES`, whose edges meet in many ways."""
    for line in range(-1, count - 1):
        yield (
            _TEXTS[line % 7] if line % 3 else None,
            line or 2**63 - 1,
            _KEYS[line // 5 % 4],
            _CODES[line // 7 % 6],
            _NUMBERS[line % 5],
            _PLACES[line // 11 % 8],
            _TIMES[line // 13 % 6],
        )
