"""The reject file: the rows that were not uploaded, each with line and reason, for an operator to open in Excel.

CSV: UTF-8 with a BOM, comma, every cell quoted, CRLF. Where Windows has `;` as list separator Excel does not split it
at commas: it is opened by Data > From Text/CSV there. No cell of it runs as a formula (CWE-1236) either way.
"""

import codecs
import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from shared.files.encodings import text_lines
from shared.rejects import LONGEST_VALUE, RejectReason

#: What begins a formula, in any of its forms: East Asian settings take the full-width ones, others the minus sign.
_FORMULA: Final = re.escape(
    "".join(
        chr(code)
        for code in range(0x10000)
        if unicodedata.normalize("NFKC", chr(code)) in {"=", "+", "-", "@", "\N{MINUS SIGN}"}
    )
)
#: What spreadsheets leave out before a value: spaces of any kind, controls, marks of no width such as a BOM.
_BLANK: Final = r"[\s\x00-\x20\x7f-\xa0\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
#: Where an apostrophe makes text of a formula: at the beginning of a cell, and behind what is the end of one for a
#: spreadsheet that splits at `;` or tab and so takes our quotes for data. A cell that begins with a tab or a line end
#: gets one whatever follows.
_MAY_RUN: Final = re.compile(
    rf"^(?={_BLANK}*+[{_FORMULA}]|[\t\r\n])|(?<=[;\t\r\n])(?=(?:(?![\t\r\n]){_BLANK})*+[{_FORMULA}])"
)
#: Control characters are shown by their pictures: they are why some rows are here, and one could steer a terminal.
_PICTURES: Final = (
    {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\r\n"}
    | {0x7F: 0x2421}
    | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
)


class RejectFile:
    """The parts of a reject file, as bytes.

    Args:
        columns: names of the columns of the delivery file.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def header(self) -> bytes:
        """The beginning of the file: `Line,Reason,<columns…>`."""
        return codecs.BOM_UTF8 + _line(("Line", "Reason", *self._columns))

    def row(self, line: int, reason: RejectReason, values: Sequence[str]) -> bytes:
        """One rejected row.

        Args:
            line: its line in the delivery file, the header being line 1.
            reason: why it was rejected.
            values: its values as they were, more or fewer than there are columns where that is the reason.
        """
        return _line((str(line), reason, *values))


def without(chunks: Iterable[bytes], leave_out: Callable[[Sequence[str], Sequence[str]], bool]) -> Iterator[bytes]:
    """A reject file without some of its rows.

    Args:
        chunks: the file in pieces of any size.
        leave_out: whether a row is left out: given the columns of the delivery file, and the row's values.
    """
    rows = csv.reader(text_lines(chunks, "utf-8-sig"))
    header = next(rows, [])
    yield codecs.BOM_UTF8 + _quoted_line(header)
    for row in rows:
        if not leave_out(header[2:], [value.removeprefix("'") for value in row[2:]]):
            yield _quoted_line(row)


def _quoted_line(cells: Iterable[str]) -> bytes:
    """A line of cells that were cells of a reject file before."""
    return (",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n").encode()


def _line(cells: Iterable[str]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(value: str) -> str:
    text = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return '"' + _MAY_RUN.sub("'", text).translate(_PICTURES).replace('"', '""') + '"'
