"""The rows of a response file as cells, a piece of the file at a time: packing, encodings, lines, quotes.

Nothing swallows a row: a quote that is never closed, bytes that are no text and a line without end refuse the row that
they are in, and the next one is read.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

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
from shared.files.encodings import detect_encoding
from shared.rejects import RejectReason

#: Bytes decoded at a time.
_PIECE: Final = 256 * 1024
#: Longest line, and longest row of several lines, in characters.
_LONGEST_ROW: Final = 64 * 1024
#: Most characters of a line that is kept: a BOM before it and a carriage return behind it are none of its own.
_LONGEST_KEPT: Final = _LONGEST_ROW + 2

#: C0, DEL and C1, but for tab and line feed, and what stands for bytes that could not be decoded.
_UNDECODED: Final = re.compile(r"[\ud800-\udfff]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_MARK: Final = "\ufeff"
_ARCHIVES: Final = ArchiveRules(
    damaged=ResponseFilePackedBroken,
    unsupported=ResponseFilePackedOtherwise,
    encrypted=ResponseFileEncrypted,
    not_one_file=ResponseFileSeveral,
    too_large=ResponseFileTooLarge,
    # Files of 200,000 events make 8 to 25, the opens of one recipient through a proxy 90, equal rows up to 400.
    max_ratio=500,
)
#: Name of what makes a lone surrogate, which no text has, of bytes that are no text: their line alone is refused.
_UNDECODABLE: Final = "shared.optimizely.responses.rows"


#: Longest line, in bytes, that `raw_lines` gives out.
_LONGEST_RAW: Final = 16 * 1024 * 1024


def _lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    raise error


codecs.register_error(_UNDECODABLE, _lone_surrogate)


class ResponseRows(QuotedRows):
    """The rows of a response file, once: each with the number of the line it begins at, the first line being 1.

    Args:
        chunks: the file in pieces of any size.
        layout: how it is written.
        name: its name, for errors.

    Attributes:
        packed: `zip` or `gzip`, or nothing for a file that is not packed.
        encoding: what it is read in.
        marked: whether it says so itself, by a BOM.

    Raises:
        TerminalError: a packed file cannot be unpacked (section "Response files" of the catalogue); also while the rows
            are read.
    """

    def __init__(self, chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> None:
        self.packed, pieces = unpack(chunks, _ARCHIVES, name=name)
        first = next(pieces, b"")
        mark, self.encoding = detect_encoding(first, layout.encoding)
        self.marked = bool(mark)
        lines = self._read_lines(self._decoded(chain((first.removeprefix(mark),), pieces)))
        super().__init__(lines, delimiter=layout.delimiter, quote=layout.quote, max_row=_LONGEST_ROW)

    def _read_lines(self, pieces: Iterable[str]) -> Iterator[tuple[int, str | RejectReason]]:
        """Every line with its number, without its end; or why it is not kept."""
        number, kept, dropping = 1, "", False
        for piece in pieces:
            text = piece
            head, end, tail = text.partition("\n")
            if dropping or len(kept) + len(head) > _LONGEST_KEPT:
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
        decode = codecs.getincrementaldecoder(self.encoding)(_UNDECODABLE).decode
        for chunk in chunks:
            for start in range(0, len(chunk), _PIECE):
                yield decode(chunk[start : start + _PIECE])
        yield decode(b"", final=True)


def _checked(block: str) -> Iterator[str | RejectReason]:
    """The lines of a block, but for those that are too long, or hold what no text has.

    Where files were put one behind the other, a line begins with a BOM: it is none of the first value.
    """
    if "\r" in block:
        block = block.replace("\r\n", "\n").removesuffix("\r")
    if _MARK in block:
        block = block.replace(f"\n{_MARK}", "\n").removeprefix(_MARK)
    lines = block.split("\n")
    good = _CONTROL.search(block) is None and max(map(len, lines)) <= _LONGEST_ROW
    return iter(lines) if good else map(_checked_line, lines)


def _checked_line(line: str) -> str | RejectReason:
    # First: a line of several pieces is too long before all of it is seen.
    if len(line) > _LONGEST_ROW:
        return RejectReason.VALUE_TOO_LONG
    if _CONTROL.search(line) is None:
        return line
    return RejectReason.NOT_TEXT if _UNDECODED.search(line) else RejectReason.CONTROL_CHARACTER


@dataclass(frozen=True, slots=True)
class RawLines:
    """A response file as it came but for its packing: what `ResponseRows` reads its rows out of."""

    #: `zip` or `gzip`, or nothing for a file that is not packed.
    packed: str
    encoding: str
    #: Each with its end, the first one with the BOM; they are numbered as those of `ResponseRows` are.
    lines: Iterator[bytes]


def raw_lines(chunks: Iterable[bytes], layout: ResponseLayout, *, name: str) -> RawLines:
    """The lines of a response file as bytes.

    Args:
        chunks: the file in pieces of any size.
        layout: how it is written.
        name: its name, for errors.

    Raises:
        ResponseFileTooLarge: a line has more than 16 MiB; while the lines are read.
        TerminalError: it cannot be unpacked, as `ResponseRows`.
    """
    packed, pieces = unpack(chunks, _ARCHIVES, name=name)
    first = next(pieces, b"")
    _, encoding = detect_encoding(first, layout.encoding)
    return RawLines(packed, encoding, _split(chain((first,), pieces), "\n".encode(encoding), name))


def _split(pieces: Iterable[bytes], end: bytes, name: str) -> Iterator[bytes]:
    """The lines; in UTF-16 a line end stands at even places only."""
    begun = bytearray()
    looked = 0
    for piece in pieces:
        begun += piece
        start = 0
        while (found := begun.find(end, looked)) >= 0:
            looked = found + 1 if (found - start) % len(end) else found + len(end)
            if (found - start) % len(end) == 0:
                yield bytes(begun[start:looked])
                start = looked
        del begun[:start]
        looked = max(len(begun) - len(end) + 1, 0)
        if len(begun) > _LONGEST_RAW:
            raise ResponseFileTooLarge(file=name, reason="a line of it has more than 16 MiB")
    if begun:
        yield bytes(begun)
