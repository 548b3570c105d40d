"""The rows of a response file as cells, read in pieces: packing, encodings, lines, quotes.

No row is lost: a quote that is never closed, undecodable bytes and a line without end refuse only their own row, and
reading continues with the next one.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from shared.config.invisible import without_marks
from shared.config.response_layouts import ResponseLayout
from shared.errors import (
    ResponseFileEncrypted,
    ResponseFilePackedBroken,
    ResponseFilePackedOtherwise,
    ResponseFileSeveral,
    ResponseFileTooLarge,
)
from shared.files.archives.unpack import ArchiveRules, unpack
from shared.files.csv_rows import QuotedRows
from shared.files.encodings import detect_encoding, line_blocks
from shared.rejects import RejectReason

#: Bytes decoded at a time.
_PIECE: Final = 256 * 1024
#: Maximum characters of a line, and of a row of several lines.
_MAX_ROW: Final = 64 * 1024
#: Maximum characters of a line that is buffered, with a byte order mark before it and a carriage return after it.
_MAX_BUFFERED: Final = _MAX_ROW + 2

#: Surrogates, which replace undecodable bytes.
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
#: C0, DEL and C1 except tab and line feed, and surrogates.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_ARCHIVES: Final = ArchiveRules(
    damaged=ResponseFilePackedBroken,
    unsupported=ResponseFilePackedOtherwise,
    encrypted=ResponseFileEncrypted,
    not_one_file=ResponseFileSeveral,
    too_large=ResponseFileTooLarge,
    # Files of 200,000 events make 8 to 25, the opens of one recipient through a proxy 90, equal rows up to 400.
    max_ratio=500,
)
#: Name of the error handler that replaces undecodable bytes by a lone surrogate, so that only their line is refused.
_UNDECODABLE: Final = "shared.optimizely.responses.rows"
#: Maximum bytes of a line of `raw_lines`.
_MAX_RAW: Final = 16 * 1024 * 1024


def _lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error(_UNDECODABLE, _lone_surrogate)


class ResponseRows(QuotedRows):
    """The rows of a response file, each with the number of its first line, from 1. Iterate once.

    Attributes:
        packed: `zip` or `gzip`, or empty for a file that is not packed.
        encoding: the encoding in which it is read.
        has_mark: whether the file states its encoding by a byte order mark.
        only_carriage_returns: whether the lines at its beginning end in a carriage return alone.

    Raises:
        TerminalError: a packed file cannot be unpacked (section "Response files" of the catalogue); also while the rows
            are read.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self.packed, pieces = unpack(chunks, _ARCHIVES, name=name)
        first = next(pieces, b"")
        mark, self.encoding = detect_encoding(first, layout.encoding)
        self.has_mark = bool(mark)
        begin = first.decode(self.encoding, "ignore")
        self.only_carriage_returns = "\r" in begin.rstrip("\r") and "\n" not in begin
        self._has_header = not layout.columns
        self._may_end_without = layout.last_line == "may-end-without"
        lines = self._read_lines(self._decoded(chain((first.removeprefix(mark),), pieces)))
        super().__init__(lines, delimiter=layout.delimiter, quote=layout.quote, max_row=_MAX_ROW)

    def _read_lines(self, pieces: Iterable[str]) -> Iterator[tuple[int, str | RejectReason]]:
        """Every line with its number, without its end; or the reason why it is refused."""
        for number, block, ended in line_blocks(pieces, "\n", longest=_MAX_BUFFERED):
            if block is None:
                yield number, RejectReason.VALUE_TOO_LONG
            elif not ended and self._is_unfinished(number, block):
                self.unfinished = block
                yield number, RejectReason.LINE_UNFINISHED
            else:
                yield from enumerate(_checked(block), number)

    def _is_unfinished(self, number: int, line: str) -> bool:
        """Whether a last line without its line feed is refused (rule 11). A header has no values."""
        if self._may_end_without or (number == 1 and self._has_header):
            return False
        return not line.endswith("\r") and without_marks(line) != ""

    def _decoded(self, chunks: Iterable[bytes]) -> Iterator[str]:
        pieces = (chunk[start : start + _PIECE] for chunk in chunks for start in range(0, len(chunk), _PIECE))
        return codecs.iterdecode(pieces, self.encoding, _UNDECODABLE)


def _checked(block: str) -> Iterator[str | RejectReason]:
    """The lines of a block, or the reason why one is refused: too long, or characters that no text has.

    Where files were concatenated, a line begins with byte order marks, which are not part of its first value.
    """
    if "\r" in block:
        block = block.replace("\r\n", "\n").removesuffix("\r")
    block = without_marks(block)
    lines = block.split("\n")
    valid = _CONTROL.search(block) is None and max(map(len, lines)) <= _MAX_ROW
    return iter(lines) if valid else map(_checked_line, lines)


def _checked_line(line: str) -> str | RejectReason:
    # First, because a line of several pieces is refused for its length before all of it is read.
    if len(line) > _MAX_ROW:
        return RejectReason.VALUE_TOO_LONG
    if _CONTROL.search(line) is None:
        return line
    return RejectReason.NOT_TEXT if _UNDECODED.search(line) else RejectReason.CONTROL_CHARACTER


@dataclass(frozen=True, slots=True)
class RawLines:
    """The unpacked bytes of a response file, line by line; `ResponseRows` reads the same lines."""

    #: `zip` or `gzip`, or empty for a file that is not packed.
    packed: str
    encoding: str
    #: Each with its line end, the first one with the byte order mark; the numbers are those of `ResponseRows`.
    lines: Iterator[bytes]


def raw_lines(chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> RawLines:
    """The lines of a response file as bytes.

    Raises:
        ResponseFileTooLarge: a line has more than 16 MiB; while the lines are read.
        TerminalError: it cannot be unpacked, as for `ResponseRows`.
    """
    packed, pieces = unpack(chunks, _ARCHIVES, name=name)
    first = next(pieces, b"")
    _, encoding = detect_encoding(first, layout.encoding)
    return RawLines(packed, encoding, _split(chain((first,), pieces), "\n".encode(encoding), name))


def _split(pieces: Iterable[bytes], end: bytes, name: str) -> Iterator[bytes]:
    """The lines; in UTF-16 a line end is at an even offset only."""
    buffer = bytearray()
    searched = 0
    for piece in pieces:
        buffer += piece
        start = 0
        while (index := buffer.find(end, searched)) >= 0:
            aligned = (index - start) % len(end) == 0
            searched = index + (len(end) if aligned else 1)
            if aligned:
                yield bytes(buffer[start:searched])
                start = searched
        del buffer[:start]
        searched = max(len(buffer) - len(end) + 1, 0)
        if len(buffer) > _MAX_RAW:
            raise ResponseFileTooLarge(file=name, reason="a line has more than 16 MiB")
    if buffer:
        yield bytes(buffer)
