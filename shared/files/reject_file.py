"""The reject file: the rows that were not uploaded, each with its line and reason, for an operator to open in Excel.

CSV: UTF-8 with a byte order mark, comma, every cell quoted, CRLF. Where the list separator of Windows is `;`, Excel
does not split it at commas; open it by Data > From Text/CSV there. No cell runs as a formula (CWE-1236) either way.
"""

import codecs
import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from shared.config.invisible import escaped, without_escapes
from shared.files.encodings import text_lines
from shared.rejects import LONGEST_VALUE, RejectReason

#: The characters that begin a formula: in East Asian locales also the full-width ones, in others the minus sign.
_FORMULA: Final = re.escape(
    "".join(
        chr(code)
        for code in range(0x10000)
        if unicodedata.normalize("NFKC", chr(code)) in {"=", "+", "-", "@", "\N{MINUS SIGN}"}
    )
)
#: What spreadsheets skip before a value: white space, control characters, zero-width characters such as a BOM.
_BLANK: Final = r"[\s\x00-\x20\x7f-\xa0\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
#: Where an apostrophe is inserted so that a formula is read as text: at the beginning of a cell, and after `;`, tab or
#: line end, because a spreadsheet that splits there reads the quotes as data. A cell that begins with a tab or a line
#: end gets one in any case.
_MAY_RUN: Final = re.compile(
    rf"^(?={_BLANK}*+[{_FORMULA}]|[\t\r\n])|(?<=[;\t\r\n])(?=(?:(?![\t\r\n]){_BLANK})*+[{_FORMULA}])"
)
#: Control characters are replaced by their pictures: some rows are rejected for them, and they can control a terminal.
_PICTURES: Final = (
    {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\r\n"}
    | {0x7F: 0x2421}
    | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
)

#: Reasons that an invisible character may explain: there it is shown as `\u200b`.
_ABOUT_VALUES: Final = frozenset(
    {
        RejectReason.INVISIBLE_CHARACTER,
        RejectReason.EMAIL_INVALID,
        RejectReason.FIELD_TYPE,
        RejectReason.NOT_ENCODABLE,
    }
)


class RejectFile:
    """Writes the parts of a reject file, with the columns of the delivery file."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def header(self) -> bytes:
        """The byte order mark and the header: `Line,Reason,<columns…>`."""
        return codecs.BOM_UTF8 + _quoted_line(("Line", "Reason", *map(_harmless, self._columns)))

    def row(self, line: int, reason: RejectReason, values: Sequence[str]) -> bytes:
        """One rejected row.

        Args:
            line: its line in the delivery file; the header is line 1.
            reason: why it was rejected.
            values: its original values; their number differs from that of the columns if that is the reason.
        """
        shown = map(escaped, map(_harmless, values)) if reason in _ABOUT_VALUES else map(_harmless, values)
        return _quoted_line((str(line), reason, *shown))


def remove_rows(chunks: Iterable[bytes], remove: Callable[[Sequence[str], Sequence[str]], bool]) -> Iterator[bytes]:
    """Copy a reject file without some of its rows.

    Args:
        chunks: the file in pieces of any size.
        remove: decides by the columns of the delivery file and the values of a row whether to remove it.
    """
    rows = csv.reader(text_lines(chunks, "utf-8-sig"))
    header = next(rows, [])
    yield codecs.BOM_UTF8 + _quoted_line(header)
    for row in rows:
        if not remove(header[2:], [without_escapes(value.removeprefix("'")) for value in row[2:]]):
            yield _quoted_line(row)


def remove_reason(chunks: Iterable[bytes], reason: RejectReason) -> Iterator[bytes]:
    """Copy a reject file without the rows that have this reason."""
    yield codecs.BOM_UTF8
    for row in csv.reader(text_lines(chunks, "utf-8-sig")):
        if row[1:2] != [reason]:
            yield _quoted_line(row)


def _quoted_line(cells: Iterable[str]) -> bytes:
    """A line of cells in which nothing runs."""
    return (",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n").encode()


def _harmless(value: str) -> str:
    text = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return _MAY_RUN.sub("'", text).translate(_PICTURES)
