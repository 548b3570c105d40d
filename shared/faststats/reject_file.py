"""The reject file: the rows that were not uploaded, each with line and reason, for an operator to open in Excel.

CSV as Excel takes it in every language: UTF-8 with a BOM, comma, every cell quoted, CRLF.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from shared.rejects import LONGEST_VALUE, RejectReason

_BOM: Final = b"\xef\xbb\xbf"
#: A cell that begins with one of these may be run as a formula (CWE-1236); a leading apostrophe makes it text. The
#: full-width ones are taken for the others in East Asian settings.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001 - full width is meant
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
        return _BOM + _line(("Line", "Reason", *self._columns))

    def row(self, line: int, reason: RejectReason, values: Sequence[str]) -> bytes:
        """One rejected row.

        Args:
            line: its line in the delivery file, the header being line 1.
            reason: why it was rejected.
            values: its values as they were, more or fewer than there are columns where that is the reason.
        """
        return _line((str(line), reason, *values))


def _line(cells: Iterable[str]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(value: str) -> str:
    text = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    if text.startswith(_FORMULA):
        text = "'" + text
    return '"' + text.translate(_PICTURES).replace('"', '""') + '"'
