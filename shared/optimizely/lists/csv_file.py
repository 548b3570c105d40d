"""The list file: the recipients of a broadcast, in the layout of the list's import.

CSV with a header. Layout: `ListFileLayout`, set for each channel.
ASSUMPTION: the default layout. The layout is agreed with Optimizely support when the import is set up; `;` is usual in
the vendor's CSV exchanges (docs/why/sources.md, Optimizely 3.1), and an import takes gzip (3.2).
"""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from shared.config.channels import ListFileLayout
from shared.errors import ListFileColumnsWrong
from shared.files.encodings import mark_and_codec
from shared.optimizely.lists.plan import ListPlan
from shared.rejects import RejectReason

_LINE_ENDS: Final = {"LF": "\n", "CRLF": "\r\n"}
#: For `zlib`: gzip, whose header then has neither time nor name, so that the same lines give the same file.
_GZIP: Final = zlib.MAX_WBITS | 16

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
#: Characters of a list name, and of that of a delivery file, in a file name, which has room for 255.
_LONGEST_NAME: Final = 100


class ListRows(Protocol):
    """Writes the rows of a list: `header`, then `encode` for every row and `pack` for those taken, then `finish`."""

    def header(self) -> bytes:
        """What stands before the first row, to be packed as rows are.

        Raises:
            ListFileColumnsWrong: the layout cannot express the name of a column.
        """
        ...

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """One row.

        Args:
            values: a good row of the delivery file: as many values as it has columns, without spaces around them.

        Returns:
            The row; or why it cannot be written.
        """
        ...

    def pack(self, rows: bytes) -> bytes:
        """What is to be stored for header or rows, in their order; may be empty, and come with later ones."""
        ...

    def finish(self) -> bytes:
        """What is still to be stored, once, after the last row."""
        ...


class CsvRows:
    """The rows of a list file.

    Rows are refused as `ListPlan.row` does, and with `not-encodable` or `needs-quote` where the layout cannot express a
    value. Without quotes, a quotation mark is refused too: the import might take it for one.

    Args:
        plan: the columns.
        layout: how they are written.
    """

    def __init__(self, plan: ListPlan, layout: ListFileLayout) -> None:
        self._plan = plan
        self._delimiter, self._quote = layout.delimiter, layout.quote
        self._mark, self._codec = mark_and_codec(layout.encoding)
        self._line_end = _LINE_ENDS[layout.line_end]
        self._special = re.compile(f"[{re.escape(layout.delimiter + layout.quote)}\r\n]")
        self._line: Callable[[Sequence[str]], str | None] = self._quoted_all if layout.quote_all else self._quoted
        self._delimiters = len(plan.columns) - 1
        self._gzip = zlib.compressobj(wbits=_GZIP) if layout.gzip else None

    def header(self) -> bytes:
        """The mark of the encoding, if it has one, and the line of column names."""
        line = self._encoded(self._plan.columns)
        if isinstance(line, RejectReason):
            raise ListFileColumnsWrong(
                list=self._plan.list_name, reason=f"the layout cannot express one of their names ({line})"
            )
        return self._mark + line

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """One line, not yet compressed."""
        cells = self._plan.row(values)
        return self._encoded(cells) if isinstance(cells, list) else cells

    def pack(self, rows: bytes) -> bytes:
        """The lines, or what the compressor gives out for them."""
        return rows if self._gzip is None else self._gzip.compress(rows)

    def finish(self) -> bytes:
        """What is left in the compressor."""
        return b"" if self._gzip is None else self._gzip.flush()

    def _encoded(self, cells: Sequence[str]) -> bytes | RejectReason:
        line = self._line(cells)
        if line is None:
            return RejectReason.NEEDS_QUOTE
        try:
            return (line + self._line_end).encode(self._codec)
        except UnicodeEncodeError:
            return RejectReason.NOT_ENCODABLE

    def _quoted(self, cells: Sequence[str]) -> str | None:
        """The cells as a line, with quotes only where they are needed; None where that is not possible."""
        line = self._delimiter.join(cells)
        if (
            line.count(self._delimiter) == self._delimiters
            and (self._quote or '"') not in line
            and "\n" not in line
            and "\r" not in line
        ):
            return line
        if not self._quote:
            return None
        return self._delimiter.join(self._in_quotes(cell) if self._special.search(cell) else cell for cell in cells)

    def _quoted_all(self, cells: Sequence[str]) -> str:
        return self._delimiter.join(map(self._in_quotes, cells))

    def _in_quotes(self, cell: str) -> str:
        return self._quote + cell.replace(self._quote, self._quote * 2) + self._quote


def list_file_name(
    template: str,
    *,
    list_id: int | None,
    list_name: str,
    broadcast_key: str,
    delivery_file: str,
    mailing_id: int | None = None,
) -> str:
    """Name of a list file.

    Args:
        template: `ListFileLayout.name`.
        list_id: for `{list_id}`; nothing where there is none.
        list_name: for `{list}`; what is unsafe in a file name becomes `_`, what is over 100 characters is cut.
        broadcast_key: for `{broadcast}`.
        delivery_file: for `{delivery_file}`: its name without extensions, made safe as the list name is.
        mailing_id: for `{mailing}`; nothing where there is none.

    Returns:
        The name, of letters, digits, `.`, `_` and `-`, the first of them neither `.` nor `-`.
    """
    name = template.format(
        list_id="" if list_id is None else list_id,
        list=_UNSAFE.sub("_", list_name[:_LONGEST_NAME]),
        delivery_file=_UNSAFE.sub("_", delivery_file.partition(".")[0][:_LONGEST_NAME]),
        broadcast=broadcast_key,
        mailing="" if mailing_id is None else mailing_id,
    )
    return f"_{name}" if name.startswith((".", "-")) else name
