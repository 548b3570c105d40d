"""Text encodings of files that are read or written in pieces: byte order marks, and lines."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Final

_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
#: Byte order mark and codec of the encodings that are written with a mark.
_WRITTEN: Final = {"utf-8-sig": (codecs.BOM_UTF8, "utf-8"), "utf-16": (codecs.BOM_UTF16_LE, "utf-16-le")}


def detect_encoding(first: bytes, encoding: str) -> tuple[bytes, str]:
    """The byte order mark at the beginning of a text, empty if there is none, and the codec of the text.

    Args:
        first: the first bytes of the text, at least three.
        encoding: the encoding of a text without a mark; a mark overrides it. `utf-16` without a mark is
            little-endian, as Windows writes it.
    """
    for mark, codec in _BYTE_ORDER_MARKS.items():
        if first.startswith(mark):
            return mark, codec
    return b"", "utf-16-le" if encoding == "utf-16" else encoding


def mark_and_codec(encoding: str) -> tuple[bytes, str]:
    """The byte order mark to write at the beginning of a text, if the encoding has one, and its codec."""
    return _WRITTEN.get(encoding, (b"", encoding))


def text_lines(chunks: Iterable[bytes], encoding: str, *, errors: str = "strict") -> Iterator[str]:
    """The lines of a text in pieces, with their line ends; `errors` is that of `bytes.decode`."""
    rest = ""
    for text in codecs.iterdecode(chunks, encoding, errors):
        *lines, rest = (rest + text).split("\n")
        yield from (line + "\n" for line in lines)
    if rest:
        yield rest


def byte_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a text as bytes, without their line feeds."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest


def line_blocks[Text: (str, bytes)](
    pieces: Iterable[Text], line_feed: Text, *, first: int = 1, longest: int
) -> Iterator[tuple[int, Text | None, bool]]:
    """A text in blocks of lines, without their last line feed, each with the number of its first line.

    A line of more than `longest` characters or bytes comes alone, as None, and is not kept in memory. A last line
    without a line feed comes alone too, with False as the third value; all others come with True.
    """
    nothing = line_feed[:0]
    number, kept, dropping = first, nothing, False
    for piece in pieces:
        text = piece
        head, end, tail = text.partition(line_feed)
        if dropping or len(kept) + len(head) > longest:
            kept, dropping = nothing, not end
            if dropping:
                continue
            yield number, None, True
            number, text = number + 1, tail
        lines, end, rest = text.rpartition(line_feed)
        if end:
            yield number, kept + lines, True
            number, kept = number + lines.count(line_feed) + 1, nothing
        kept += rest
    if kept or dropping:
        yield number, None if dropping else kept, False
