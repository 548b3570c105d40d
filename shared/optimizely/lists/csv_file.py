"""The list file: the recipients of a broadcast, in the layout of the list's import.

CSV with a header. Layout: `ListFileLayout`, set for each channel.
ASSUMPTION: the default layout. The layout is agreed with Optimizely support when the import is set up; `;` is usual in
the vendor's CSV exchanges (docs/why/sources.md, Optimizely 3.1), and an import accepts gzip (3.2).
"""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import Final, override

from shared.config.channels import ListFileLayout
from shared.errors import ListFileColumnsWrong
from shared.files.encodings import mark_and_codec
from shared.optimizely.lists.plan import ListPlan, ListRows
from shared.rejects import RejectReason

_LINE_ENDS: Final = {"LF": "\n", "CRLF": "\r\n"}
#: `wbits` of `zlib` for gzip without time and name in its header, so that the same lines give the same file.
_GZIP: Final = zlib.MAX_WBITS | 16


class CsvRows(ListRows):
    """The rows of a list file.

    Rows are refused as by `ListPlan.row`, and with `not-encodable` or `needs-quote` if the layout cannot express a
    value. Without quotes, a value with a quotation mark is refused too: the import might interpret it.
    """

    def __init__(self, plan: ListPlan, layout: ListFileLayout) -> None:
        super().__init__(plan)
        self._delimiter, self._quote = layout.delimiter, layout.quote
        self._mark, self._codec = mark_and_codec(layout.encoding)
        self._line_end = _LINE_ENDS[layout.line_end]
        self._special = re.compile(f"[{re.escape(layout.delimiter + layout.quote)}\r\n]")
        self._line: Callable[[Sequence[str]], str | None] = self._quote_all if layout.quote_all else self._quote_needed
        self._delimiters = len(plan.columns) - 1
        self._gzip = zlib.compressobj(wbits=_GZIP) if layout.gzip else None

    @override
    def header(self) -> bytes:
        """The byte order mark, if the encoding has one, and the line of column names."""
        line = self._encoded(self._plan.columns)
        if isinstance(line, RejectReason):
            raise ListFileColumnsWrong(
                list=self._plan.list_name, reason=f"the layout cannot express one of their names ({line})"
            )
        return self._mark + line

    @override
    def pack(self, rows: bytes) -> bytes:
        return rows if self._gzip is None else self._gzip.compress(rows)

    @override
    def finish(self) -> bytes:
        return b"" if self._gzip is None else self._gzip.flush()

    @override
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
