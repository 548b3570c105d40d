"""The text of a delivery file as UTF-8, whatever it is written and packed in: every later step reads one encoding.

A byte-order mark overrides the channel's encoding. Nothing else is guessed: what is not text in the encoding is passed
on as a byte that UTF-8 does not have, so that the reader of the lines can report the line.

ASSUMPTION: a file whose name ends with `.converted` is UTF-8. FastStats writes windows-1252 unless the File Settings
say otherwise, and adds the extension when it has converted the file (docs/why/sources.md, Apteco 6.2); into
what is not published, but windows-1252 is what it converts from, and UTF-8 what nearly all broadcasters take. If that
is wrong the file is refused, for windows-1252 text with an umlaut is no UTF-8; the other way round, names would go out
garbled.
"""

import codecs
from collections.abc import Iterator
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from shared.config.channels import DeliveryFileLayout
from shared.errors import (
    DeliveryFileEncrypted,
    DeliveryFilePackedBroken,
    DeliveryFilePackedOtherwise,
    DeliveryFileSeveral,
    DeliveryFileTooLarge,
)
from shared.files.archives.unpack import ArchiveRules, unpack
from shared.files.encodings import detect_encoding

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: Bytes read at a time.
BLOCK: Final = 256 * 1024
#: Names of encodings in errors.
_NAMES: Final = {"utf-8": "UTF-8", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16"}
#: Extensions that may follow `.converted`.
_PACKED: Final = frozenset({".zip", ".gz"})
_NOT_TEXT: Final = b"\xff"
#: The first half of a character, for text that ends within one.
_HALF: Final = b"\xc3"
_ARCHIVES: Final = ArchiveRules(
    damaged=DeliveryFilePackedBroken,
    unsupported=DeliveryFilePackedOtherwise,
    encrypted=DeliveryFileEncrypted,
    not_one_file=DeliveryFileSeveral,
    too_large=DeliveryFileTooLarge,
    max_ratio=200,  # lists reach 5 to 50: no two rows have the same key
)


def utf8_text(stream: "SupportsRead[bytes]", layout: DeliveryFileLayout, *, name: str) -> tuple[str, Iterator[bytes]]:
    """The text of a file as UTF-8.

    Args:
        stream: the file, from its beginning.
        layout: how it is written.
        name: its name, for errors; it also shows whether FastStats converted it.

    Returns:
        The name of its encoding, and the text as UTF-8 without byte-order mark, in non-empty pieces.

    Raises:
        TerminalError: a packed file cannot be unpacked; see `unpack`. Also while the pieces are read.
    """
    _, pieces = unpack(iter(lambda: stream.read(BLOCK), b""), _ARCHIVES, name=name)
    first = next(pieces, b"")
    mark, codec = detect_encoding(first, "utf-8" if _is_converted(name) else layout.encoding)
    return _NAMES.get(codec, codec), filter(None, _as_utf8(first.removeprefix(mark), pieces, codec))


def _as_utf8(first: bytes, pieces: Iterator[bytes], codec: str) -> Iterator[bytes]:
    if codec == "utf-8":
        yield first
        yield from pieces
        return
    try:
        for text in codecs.iterdecode(chain((first,), pieces), codec):
            yield text.encode()
    except UnicodeDecodeError as error:
        cut_off = error.reason in {"truncated data", "unexpected end of data"}
        yield error.object[: error.start].decode(codec).encode() + (_HALF if cut_off else _NOT_TEXT)


def _is_converted(name: str) -> bool:
    suffixes = PurePath(name.lower()).suffixes
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return suffixes[-1:] == [".converted"]
