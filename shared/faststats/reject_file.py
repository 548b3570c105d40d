"""The reject file: rows that were not uploaded, for an operator to open in Excel."""

import csv
import io
from collections.abc import Sequence

from shared.rejects import RejectReason

#: First characters that a spreadsheet would take for a formula (CWE-1236).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class RejectFile:
    """Writes a reject file: CSV, comma, every cell quoted, UTF-8 with the mark that Excel needs.

    Args:
        columns: names of the columns of the delivery file.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def header(self) -> bytes:
        """The first bytes of the file."""
        return b"\xef\xbb\xbf" + _line(["Line", "Reason", *self._columns])

    def row(self, line: int, reason: RejectReason, values: Sequence[str]) -> bytes:
        """A rejected row, with its line number in the delivery file."""
        return _line([str(line), reason, *values])


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(map(_harmless, cells))
    return text.getvalue().encode()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
