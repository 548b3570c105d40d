"""A file packed as it was before: the counterpart of `unpacking`, a piece at a time."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

#: For `zlib`: gzip, whose header has neither time nor name.
_GZIP: Final = zlib.MAX_WBITS | 16


def packed(pieces: Iterable[bytes], kind: str, *, name: str) -> Iterator[bytes]:
    """The pieces, packed.

    Args:
        pieces: the content.
        kind: `zip` or `gzip`, or nothing: then they are left as they are.
        name: of the file within a zip file.
    """
    match kind:
        case "gzip":
            yield from _gzipped(pieces)
        case "zip":
            yield from _zipped(pieces, name)
        case _:
            yield from pieces


def _gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


class _Drain:
    """What a zip file is written to: a stream that cannot go back, emptied as it fills."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def drained(self) -> bytes:
        held = bytes(self._held)
        self._held.clear()
        return held


def _zipped(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    drain = _Drain()
    with ZipFile(drain, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it asks for less than it says
        member = ZipInfo(name)
        member.compress_type = ZIP_DEFLATED
        with archive.open(member, "w", force_zip64=True) as content:
            for piece in pieces:
                content.write(piece)
                yield drain.drained()
        yield drain.drained()
    yield drain.drained()
