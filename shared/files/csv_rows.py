"""The rows of a delimited file with quotes, out of its lines. Pure: no I/O.

A quoted value may hold the delimiter, doubled quotes and line breaks. Nothing swallows a row: a quote that is never
closed refuses the line that it is in, and the next one is read.
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import Final

from shared.rejects import RejectReason

#: Most characters of a row with quotes: the `csv.field_size_limit` that Python begins with, which is one for the whole
#: process and so is left alone. A row within it has no value beyond it.
LONGEST_QUOTED_ROW: Final = 128 * 1024

type Cells = list[str] | RejectReason


class QuotedRows:
    """The rows, once: each with the number of the line it begins at.

    Args:
        lines: the lines with their numbers, without their ends; or why a line is not kept.
        delimiter: one character.
        quote: one character, or empty: then a quotation mark is data.
        longest: most characters of a row of several lines, at most `LONGEST_QUOTED_ROW`.
        refuse_doubtful: what becomes of a line within a quoted value that has as many delimiters as a row, so that it
            may be a row behind a quote that was never closed. False: the quote is refused and the line read as a row,
            for files of which no row may be lost. True: where the quote is closed later, all of it is refused as one
            row, for files in which nothing of one person may go to another.

    Attributes:
        width: cells of a row; to be set before the second one is read, for a quoted value may go over lines.
        refused: the row that was refused last for its quotes, as it was.
    """

    def __init__(
        self,
        lines: Iterator[tuple[int, str | RejectReason]],
        *,
        delimiter: str,
        quote: str,
        longest: int = LONGEST_QUOTED_ROW,
        refuse_doubtful: bool = False,
    ) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._quote = quote
        self._longest = longest
        self._refuse_doubtful = refuse_doubtful
        self.width = 0
        self.refused = ""
        #: Lines that were looked at to see whether they belong to an earlier row, and do not.
        self._ahead: deque[tuple[int, str | RejectReason]] = deque()

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        """The rows; None of them is blank: blank lines are rows of no cells, but for those at the very end."""
        blank = 0
        while (following := self._next_line()) is not None:
            number, line = following
            if line == "":
                blank += 1
                continue
            for earlier in range(number - blank, number):
                yield earlier, []
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
        if len(line) > LONGEST_QUOTED_ROW:
            return RejectReason.VALUE_TOO_LONG
        cells = self._parse(line)
        if cells is None:
            self.refused = line
            cells = self._go_on(line) if self._leaves_open(line) else None
        return RejectReason.BROKEN_QUOTE if cells is None else cells

    def _parse(self, row: str) -> list[str] | None:
        """The cells of a row with quotes; None when they are broken."""
        quote = self._quote
        if row.count(quote) == 2 * self.width and row[0] == row[-1] == quote:
            # Every cell is quoted, as Apteco writes such files: then no quote is left for anything else.
            cells = row[1:-1].split(f"{quote}{self._delimiter}{quote}")
            if len(cells) == self.width:
                return cells
        try:
            return next(csv.reader((row,), delimiter=self._delimiter, quotechar=quote, strict=True))
        except csv.Error:
            return None

    def _go_on(self, line: str) -> list[str] | None:
        """The cells of a row whose quoted value goes on in the next lines; None when it does not.

        A quote that is never closed must not swallow the rows after it: unless a whole row comes of it only the first
        line is refused, and the others are read again.
        """
        row, taken, doubtful = line, [], False
        while len(row) <= self._longest and (following := self._next_line()) is not None:
            taken.append(following)
            text = following[1]
            if isinstance(text, RejectReason):
                break
            if text.count(self._delimiter) == self.width - 1:
                doubtful = True
                if not self._refuse_doubtful:
                    break
            row = f"{row}\n{text}"
            if self._leaves_open(text):  # here: closes
                cells = self._parse(row)
                if cells is not None and len(cells) == self.width:
                    if doubtful:
                        self.refused = row
                        return None
                    return cells
                break
        self._ahead.extendleft(reversed(taken))
        return None

    def _leaves_open(self, line: str) -> bool:
        """Whether a quoted value that begins in the line, or went on in it, is in the other state at its end."""
        return line.count(self._quote) % 2 == 1
