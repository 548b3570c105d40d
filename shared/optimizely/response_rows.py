"""The rows of a response file as cells, a piece of the file at a time: lines, quotes, encodings.

Nothing swallows a row: a quote that is never closed, bytes that are no text and a line without end refuse the row that
they are in, and the next one is read.
"""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from shared.errors import ResponseFileLayout
from shared.rejects import RejectReason
from shared.response_layouts import ResponseLayout

#: Bytes decoded at a time.
_PIECE: Final = 256 * 1024
#: Longest line, and longest row of several lines, in characters. Below the 131,072 of `csv.field_size_limit`, which is
#: one for the whole process and so is left alone.
_LONGEST_ROW: Final = 64 * 1024

#: C0, DEL and C1, but for tab and line feed, and what stands for bytes that could not be decoded.
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
#: A file that begins so says by itself what it is.
_MARKS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LONGEST_MARK: Final = max(map(len, _MARKS))
#: Without a BOM, as Windows writes it.
_CODECS: Final = {"utf-16": "utf-16-le"}

type Cells = list[str] | RejectReason


class ResponseRows:
    """The rows of a response file, once: each with the number of the line it begins at, the first line being 1.

    Args:
        chunks: the file in pieces of any size.
        layout: how it is written.
        name: its name, for errors.

    Attributes:
        width: cells of a row; to be set before the second one is read, for a quoted value may go over lines.

    Raises:
        ResponseFileLayout: the file is not text, in an encoding that does not allow to leave out a row.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self._delimiter = layout.delimiter
        self._quote = layout.quote
        self._encoding = layout.encoding
        self._name = name
        self.width = 0
        self._lines = self._read_lines(chunks)
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
        cells = self._parse(line)
        if cells is None and self._leaves_open(line):
            cells = self._go_on(line)
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

        A quote that is never closed must not swallow the rows after it: a line that by its number of delimiters is a
        row of its own is no part of a value, and unless a whole row comes of it only the first line is refused.
        """
        row, taken = line, []
        while len(row) <= _LONGEST_ROW and (following := self._next_line()) is not None:
            taken.append(following)
            text = following[1]
            if isinstance(text, RejectReason) or text.count(self._delimiter) == self.width - 1:
                break
            row = f"{row}\n{text}"
            if self._leaves_open(text):  # here: closes
                cells = self._parse(row)
                if cells is not None and len(cells) == self.width:
                    return cells
                break
        self._ahead.extendleft(reversed(taken))
        return None

    def _leaves_open(self, line: str) -> bool:
        """Whether a quoted value that begins in the line, or went on in it, is in the other state at its end."""
        return line.count(self._quote) % 2 == 1

    # Lines

    def _read_lines(self, chunks: Iterable[bytes]) -> Iterator[tuple[int, str | RejectReason]]:
        """Every line with its number, without its end; or why it is not kept."""
        number, kept, dropping = 1, "", False
        for piece in self._decoded(chunks):
            text = piece
            head, end, tail = text.partition("\n")
            if dropping or len(kept) + len(head) > _LONGEST_ROW:
                kept, dropping = "", not end
                if dropping:
                    continue
                yield number, RejectReason.VALUE_TOO_LONG
                number, text = number + 1, tail
            block, end, begun = text.rpartition("\n")
            if end:
                yield from enumerate(_checked(kept + block), number)
                number, kept = number + block.count("\n") + 1, ""
            kept += begun
        if dropping:
            yield number, RejectReason.VALUE_TOO_LONG
        elif kept:
            yield from enumerate(_checked(kept), number)

    def _decoded(self, chunks: Iterable[bytes]) -> Iterator[str]:
        beginning, rest = _beginning(chunks)
        mark = next((mark for mark in _MARKS if beginning.startswith(mark)), b"")
        encoding = _MARKS[mark] if mark else _CODECS.get(self._encoding, self._encoding)
        # A byte that cannot be decoded becomes a lone surrogate, which no text has: its line alone is refused.
        decode = codecs.getincrementaldecoder(encoding)("surrogateescape").decode
        try:
            for chunk in chain((beginning.removeprefix(mark),), rest):
                for start in range(0, len(chunk), _PIECE):
                    yield decode(chunk[start : start + _PIECE])
            yield decode(b"", final=True)
        except UnicodeDecodeError:  # of an encoding with more than one byte for every character, such as UTF-16
            reason = f"it is no {encoding} text"
            raise ResponseFileLayout(file=self._name, reason=reason) from None


def _beginning(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """As many bytes of the file as a BOM can have, or more, and the chunks behind them."""
    rest = iter(chunks)
    beginning = b""
    while len(beginning) < _LONGEST_MARK and (chunk := next(rest, None)) is not None:
        beginning += chunk
    return beginning, rest


def _checked(block: str) -> Iterator[str | RejectReason]:
    """The lines of a block, but for those that hold what no text has."""
    if "\r" in block:
        block = block.replace("\r\n", "\n").removesuffix("\r")
    lines = block.split("\n")
    return iter(lines) if _CONTROL.search(block) is None else map(_checked_line, lines)


def _checked_line(line: str) -> str | RejectReason:
    if _CONTROL.search(line) is None:
        return line
    return RejectReason.NOT_TEXT if _UNDECODED.search(line) else RejectReason.CONTROL_CHARACTER
