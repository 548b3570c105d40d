"""The list file: the recipients of a broadcast, in the layout of the list's import.

CSV with a header. Layout: `ListFileLayout`, set for each channel.
ASSUMPTION: the default layout. The layout is agreed with Optimizely support when the import is set up; `;` is usual in
the vendor's CSV exchanges (docs/why/sources.md, Optimizely 3.1), and an import accepts gzip (3.2).
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
#: `wbits` of `zlib` for gzip without time and name in its header, so that the same lines give the same file.
_GZIP: Final = zlib.MAX_WBITS | 16

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
#: Maximum characters of a list name, and of a delivery file's name, in a file name of at most 255.
_MAX_NAME: Final = 100


class ListRows(Protocol):
    """Writes the rows of a list: `header`; `encode` for each row, `pack` for the accepted ones; `finish`."""

    def header(self) -> bytes:
        """The bytes before the first row; they are packed like rows.

        Raises:
            ListFileColumnsWrong: the layout cannot express the name of a column.
        """
        ...

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """One row.

        Args:
            values: a valid row of the delivery file: one stripped value for each of its columns.

        Returns:
            The row; or why it cannot be written.
        """
        ...

    def pack(self, rows: bytes) -> bytes:
        """The bytes to store for the header or rows, in order; may be empty and come with later ones."""
        ...

    def finish(self) -> bytes:
        """The last bytes to store; call once, after the last row."""
        ...


class CsvRows:
    """The rows of a list file.

    Rows are refused as by `ListPlan.row`, and with `not-encodable` or `needs-quote` if the layout cannot express a
    value. Without quotes, a value with a quotation mark is refused too: the import might interpret it.

    Args:
        plan: the columns.
        layout: the layout of the file.
    """

    def __init__(self, plan: ListPlan, layout: ListFileLayout) -> None:
        self._plan = plan
        self._delimiter, self._quote = layout.delimiter, layout.quote
        self._mark, self._codec = mark_and_codec(layout.encoding)
        self._line_end = _LINE_ENDS[layout.line_end]
        self._special = re.compile(f"[{re.escape(layout.delimiter + layout.quote)}\r\n]")
        self._line: Callable[[Sequence[str]], str | None] = self._quote_all if layout.quote_all else self._quote_needed
        self._delimiters = len(plan.columns) - 1
        self._gzip = zlib.compressobj(wbits=_GZIP) if layout.gzip else None

    def header(self) -> bytes:
        """The byte order mark, if the encoding has one, and the line of column names."""
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
        """The lines, or the compressor's output for them."""
        return rows if self._gzip is None else self._gzip.compress(rows)

    def finish(self) -> bytes:
        """The rest of the compressor's output."""
        return b"" if self._gzip is None else self._gzip.flush()

    def _encoded(self, cells: Sequence[str]) -> bytes | RejectReason:
        line = self._line(cells)
        if line is None:
            return RejectReason.NEEDS_QUOTE
        try:
            return (line + self._line_end).encode(self._codec)
        except UnicodeEncodeError:
            return RejectReason.NOT_ENCODABLE

    def _quote_needed(self, cells: Sequence[str]) -> str | None:
        """The cells as a line, with quotes only where they are needed; None if the layout has no quotes."""
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

    def _quote_all(self, cells: Sequence[str]) -> str:
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
        list_id: for `{list_id}`; empty if there is none.
        list_name: for `{list}`; unsafe characters become `_`, and it is cut after 100 characters.
        broadcast_key: for `{broadcast}`.
        delivery_file: for `{delivery_file}`: its name without extensions, made safe like the list name.
        mailing_id: for `{mailing}`; empty if there is none.

    Returns:
        The name: letters, digits, `.`, `_` and `-`, beginning with neither `.` nor `-`.
    """
    name = template.format(
        list_id="" if list_id is None else list_id,
        list=_UNSAFE.sub("_", list_name[:_MAX_NAME]),
        delivery_file=_UNSAFE.sub("_", delivery_file.partition(".")[0][:_MAX_NAME]),
        broadcast=broadcast_key,
        mailing="" if mailing_id is None else mailing_id,
    )
    return f"_{name}" if name.startswith((".", "-")) else name
