"""Packing a file again in its original format, piece by piece; the counterpart of `unpack`."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

#: `wbits` of `zlib` for gzip with neither time nor name in its header.
_GZIP: Final = zlib.MAX_WBITS | 16


def pack(pieces: Iterable[bytes], kind: str, *, name: str) -> Iterator[bytes]:
    """The packed content, in pieces.

    Args:
        pieces: the content.
        kind: `zip` or `gzip`, or empty: then the pieces are returned unchanged.
        name: name of the file within a zip file.
    """
    match kind:
        case "gzip":
            yield from _gzip(pieces)
        case "zip":
            yield from _zip(pieces, name)
        case _:
            yield from pieces


def _gzip(pieces: Iterable[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(wbits=_GZIP)
    for piece in pieces:
        yield compressor.compress(piece)
    yield compressor.flush()


class _Output:
    """The output of a zip file: a stream that cannot seek and is emptied as it fills."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def write(self, data: bytes) -> int:
        self._buffer += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: `drain` returns everything."""

    def drain(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


def _zip(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    output = _Output()
    with ZipFile(output, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]  # it needs less than its types say
        member = ZipInfo(name)
        member.compress_type = ZIP_DEFLATED
        with archive.open(member, "w", force_zip64=True) as content:
            for piece in pieces:
                content.write(piece)
                yield output.drain()
        yield output.drain()
    yield output.drain()
