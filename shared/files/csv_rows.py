"""The rows of a delimited file with quotes, from its lines. Pure: no I/O.

A quoted value may contain the delimiter, doubled quotes and line breaks. No row is lost: a quote that is never closed
refuses only its own line, and reading continues with the next one.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final

from shared.config.invisible import trimmed
from shared.rejects import RejectReason

#: Maximum characters of a row with quotes: the default of `csv.field_size_limit`, which is not changed because it holds
#: for the whole process. No value of a row within this length exceeds it.
MAX_QUOTED_ROW: Final = 128 * 1024

type Cells = list[str] | RejectReason


class QuotedRows:
    """The rows, each with the number of its first line. Iterate once.

    Args:
        lines: the lines with their numbers, without line ends; or the reason why a line is refused.
        delimiter: one character.
        quote: one character, or empty: then quotation marks are data.
        max_row: maximum characters of a row of several lines, at most `MAX_QUOTED_ROW`.
        refuse_ambiguous: how a line within a quoted value is handled that has as many delimiters as a row, and so
            may be a row after an unclosed quote. False: the quote is refused and the line read as a row, for files
            of which no row may be lost. True: if the quote is closed later, all lines are refused as one row, for
            files in which values of one person must never reach another.

    Attributes:
        width: number of cells of a row; set it before reading the second row, because a quoted value may span lines.
        refused: the text of the row that was last refused for its quotes.
        unfinished: the last line, if it was refused because it has no end; set by who reads the lines.
    """

    def __init__(
        self,
        lines: Iterator[tuple[int, str | RejectReason]],
        *,
        delimiter: str,
        quote: str,
        max_row: int = MAX_QUOTED_ROW,
        refuse_ambiguous: bool = False,
    ) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._quote = quote
        self._max_row = max_row
        self._refuse_ambiguous = refuse_ambiguous
        self.width = 0
        self.refused = ""
        self.unfinished = ""
        #: Lines that were read in search of the end of an earlier row, to be read again.
        self._ahead: deque[tuple[int, str | RejectReason]] = deque()

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        """The rows. Blank lines are rows without cells, except those at the end, which are skipped."""
        blank = 0
        while (numbered := self._next_line()) is not None:
            number, line = numbered
            if line == "":
                blank += 1
                continue
            for blank_line in range(number - blank, number):
                yield blank_line, []
            blank = 0
            yield number, self._cells(line)

    def _next_line(self) -> tuple[int, str | RejectReason] | None:
        return self._ahead.popleft() if self._ahead else next(self._lines, None)

    def _cells(self, line: str | RejectReason) -> Cells:
        """The cells of the row that begins with this line."""
        if isinstance(line, RejectReason):
            return line
        if not self._quote or self._quote not in line:
            return line.split(self._delimiter)
        if len(line) > MAX_QUOTED_ROW:
            return RejectReason.VALUE_TOO_LONG
        cells = self._parse(line)
        if cells is None:
            self.refused = line
            continued = self._continue(line) if self._leaves_open(line) else None
            return RejectReason.BROKEN_QUOTE if continued is None else continued
        return cells

    def _parse(self, row: str) -> list[str] | None:
        """The cells of a row with quotes; None if the quotes are broken."""
        quote = self._quote
        if row.count(quote) == 2 * self.width and row[0] == row[-1] == quote:
            # Every cell is quoted, as Apteco writes such files, and there are no other quotes.
            cells = row[1:-1].split(f"{quote}{self._delimiter}{quote}")
            if len(cells) == self.width:
                return cells
        try:
            cells = next(csv.reader((row,), delimiter=self._delimiter, quotechar=quote, strict=True))
        except csv.Error:
            return None
        return [self._unquoted(cell, row) if quote in cell else cell for cell in cells]

    def _unquoted(self, cell: str, row: str) -> str:
        """A cell without quotes that were read as data, for an invisible character is before the first.

        A space before a quote makes data of it.
        """
        quote, value = self._quote, trimmed(cell)
        if (
            cell.lstrip(" \t").startswith(quote)
            or len(value) == 1
            or not value.startswith(quote)
            or not value.endswith(quote)
        ):
            return cell
        quotes_are_data = f"{quote}{cell.replace(quote, 2 * quote)}{quote}" in row
        return cell if quotes_are_data else value[1:-1].replace(2 * quote, quote)

    def _continue(self, line: str) -> Cells | None:
        """The cells of a row whose quoted value continues in the next lines; None if it does not.

        An unclosed quote must not consume the rows after it: unless the lines form a complete row, only the first one
        is refused, and the others are read again. A row whose last line has no end is refused as one.
        """
        row, read, ambiguous = line, [], False
        while len(row) <= self._max_row and (numbered := self._next_line()) is not None:
            read.append(numbered)
            text = numbered[1]
            if isinstance(text, RejectReason):
                continues = self.unfinished.count(self._delimiter) < self.width - 1  # it is no row of its own
                if text is RejectReason.LINE_UNFINISHED and self.unfinished and continues:
                    return text
                break
            if text.count(self._delimiter) == self.width - 1:
                ambiguous = True
                if not self._refuse_ambiguous:
                    break
            row = f"{row}\n{text}"
            if self._leaves_open(text):  # closes the open quote
                cells = self._parse(row)
                if cells is not None and len(cells) == self.width:
                    if ambiguous:
                        self.refused = row
                        return None
                    return cells
                break
        self._ahead.extendleft(reversed(read))
        return None

    def _leaves_open(self, line: str) -> bool:
        """Whether the line has an unpaired quote: it opens a quoted value, or closes one that is open."""
        return line.count(self._quote) % 2 == 1
