"""The rows of a response file as cells, a piece of the file at a time: lines, quotes, encodings.

Nothing swallows a row: a quote that is never closed, bytes that are no text and a line without end refuse the row that
they are in, and the next one is read.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from shared.errors import ResponseFileLayout
from shared.quoted_rows import QuotedRows
from shared.rejects import RejectReason
from shared.response_layouts import ResponseLayout

#: Bytes decoded at a time.
_PIECE: Final = 256 * 1024
#: Longest line, and longest row of several lines, in characters.
_LONGEST_ROW: Final = 64 * 1024

#: C0, DEL and C1, but for tab and line feed, and what stands for bytes that could not be decoded.
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
#: A file that begins so says by itself what it is.
_MARKS: Final = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_LONGEST_MARK: Final = max(map(len, _MARKS))
#: Without a BOM, as Windows writes it.
_CODECS: Final = {"utf-16": "utf-16-le"}


class ResponseRows(QuotedRows):
    """The rows of a response file, once: each with the number of the line it begins at, the first line being 1.

    Args:
        chunks: the file in pieces of any size.
        layout: how it is written.
        name: its name, for errors.

    Raises:
        ResponseFileLayout: the file is not text, in an encoding that does not allow to leave out a row.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self._encoding = layout.encoding
        self._name = name
        lines = self._read_lines(chunks)
        super().__init__(lines, delimiter=layout.delimiter, quote=layout.quote, longest=_LONGEST_ROW)

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
