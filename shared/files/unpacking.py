"""A file that is zipped or gzipped, unpacked while it is read: neither the file nor its content is kept.

What it is, is told by its first bytes, never by its name. A zip file is read from its beginning, without the directory
at its end until that comes; everything is checked against the directory then (APPNOTE.TXT of PKWARE, 4.3). So the last
piece of the content may have been given out before a damage is told.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from shared.errors import (
    DeliveryFileEncrypted,
    DeliveryFilePackedBroken,
    DeliveryFilePackedOtherwise,
    DeliveryFileSeveral,
    DeliveryFileTooLarge,
    ResponseFileEncrypted,
    ResponseFilePackedBroken,
    ResponseFilePackedOtherwise,
    ResponseFileSeveral,
    ResponseFileTooLarge,
    TerminalError,
)

#: Bytes unpacked at a time.
_BLOCK: Final = 256 * 1024
#: Most bytes of content: ten million rows of a list of 1,500 bytes, or sixty million responses of 250.
LARGEST: Final = 15 * 1000**3
#: Bytes of content up to which it does not matter how often more they are than those that were read.
_SMALL: Final = 16 * 1024 * 1024
#: Bytes by which the kind of a file is told: those of the signature of a zip file, or of a BOM.
_TELLING: Final = 4

_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
#: Parameters of `zlib` for the two.
_GZIP, _RAW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS

_LOCAL, _DESCRIPTOR, _CENTRAL, _END = b"PK\3\4", b"PK\7\x08", b"PK\1\2", b"PK\5\6"
_END_64, _LOCATOR_64 = b"PK\6\6", b"PK\6\7"
#: Flags of a member: encrypted in one way or another; its sizes come behind it.
_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
_SIZES_BEHIND: Final = 0x0008
_STORED, _DEFLATED, _AES = 0, 8, 99
_IN_EXTRA: Final = 0xFFFFFFFF
_ZIP_64_EXTRA: Final = 1
#: Longest of the records that are not needed.
_LONGEST_RECORD: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How the files of one kind may be packed; the errors for those that are packed otherwise have its words."""

    #: It is cut off or damaged; facts: file, kind (`zip` or `gzip`).
    broken: type[DeliveryFilePackedBroken | ResponseFilePackedBroken]
    #: It is compressed in another way than by deflate; facts: file, what.
    otherwise: type[DeliveryFilePackedOtherwise | ResponseFilePackedOtherwise]
    #: It is protected by a password; facts: file.
    encrypted: type[DeliveryFileEncrypted | ResponseFileEncrypted]
    #: The zip file holds no file, or more than one; facts: file, held.
    several: type[DeliveryFileSeveral | ResponseFileSeveral]
    #: The content is larger, or repeats itself more, than it may; facts: file, reason.
    too_large: type[DeliveryFileTooLarge | ResponseFileTooLarge]
    #: How often more bytes than were read may come out. Deflate makes 1,032 at most, and a bomb nearly as many.
    highest_ratio: int


def unpacked(pieces: Iterable[bytes], packing: Packing, *, name: str) -> tuple[str, Iterator[bytes]]:
    """The content of a file, which is what it is if it is not packed.

    Args:
        pieces: the file in pieces of any size.
        packing: how such files may be packed.
        name: of the file, for errors.

    Returns:
        `zip`, `gzip`, or nothing for a file that is not packed; and its content in pieces of any size but none, the
        first of which tells what is in it (`telling_first`).

    Raises:
        TerminalError: one of the errors of `packing`, also while the content is read.
    """
    rest = telling_first(pieces)
    first = next(rest, b"")
    if first.startswith((_LOCAL, _END)):
        packed = _Packed(first, rest, packing, kind="zip", name=name)
        return "zip", telling_first(_bounded(packed, _unzipped(packed)))
    if first.startswith(_GZIP_MAGIC):
        packed = _Packed(first, rest, packing, kind="gzip", name=name)
        return "gzip", telling_first(_bounded(packed, _gunzipped(packed)))
    return "", chain((first,), rest) if first else rest


def telling_first(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, no piece being empty, and the first long enough to tell what they are."""
    rest = filter(None, pieces)
    first = b""
    while len(first) < _TELLING and (piece := next(rest, b"")):
        first += piece
    if first:
        yield first
        yield from rest


class _Packed:
    """The packed file, to be taken in portions.

    Attributes:
        name: of the file.
        packing: how it may be packed.
        taken: bytes that came from the file so far.
    """

    def __init__(self, first: bytes, pieces: Iterator[bytes], packing: Packing, *, kind: str, name: str) -> None:
        self._here = first
        self._pieces = pieces
        self._kind = kind
        self.name = name
        self.packing = packing
        self.taken = len(first)

    def some(self) -> bytes:
        """What comes next; empty at the end."""
        if not self._here:
            self._here = next(self._pieces, b"")
            self.taken += len(self._here)
        here, self._here = self._here, b""
        return here

    def exactly(self, size: int) -> bytes:
        """So many bytes."""
        collected = b""
        while len(collected) < size:
            some = self.some()
            if not some:
                raise self.broken()
            collected += some
        self.put_back(collected[size:])
        return collected[:size]

    def put_back(self, data: bytes) -> None:
        """Let bytes that were taken come next."""
        self._here = data + self._here

    def inflated(self, wbits: int) -> Iterator[bytes]:
        """The content of the deflate stream that comes next."""
        inflater = zlib.decompressobj(wbits)
        while not inflater.eof:
            data = self.some()
            if not data:
                raise self.broken()
            try:
                while out := inflater.decompress(data, _BLOCK):
                    yield out
                    # Python can tell what stands behind the stream as unconsumed too: it must not go in again.
                    data = b"" if inflater.unused_data else inflater.unconsumed_tail
            except zlib.error:
                raise self.broken() from None
        self.put_back(inflater.unused_data)

    def broken(self) -> TerminalError:
        """The error for a file that is not what it should be."""
        return self.packing.broken(file=self.name, kind=self._kind)

    def several(self, held: str) -> TerminalError:
        """The error for a zip file that does not hold exactly one file."""
        return self.packing.several(file=self.name, held=held)

    def otherwise(self, what: str) -> TerminalError:
        """The error for a zip file of a kind that is not read."""
        return self.packing.otherwise(file=self.name, what=what)

    def too_large(self, reason: str) -> TerminalError:
        """The error for a file that is not unpacked to its end."""
        return self.packing.too_large(file=self.name, reason=reason)


def _bounded(packed: _Packed, content: Iterator[bytes]) -> Iterator[bytes]:
    size, ratio = 0, packed.packing.highest_ratio
    for block in content:
        size += len(block)
        if size > LARGEST:
            raise packed.too_large(f"it has more than {LARGEST:,} bytes")
        if size > _SMALL and size > ratio * packed.taken:
            raise packed.too_large(f"it becomes more than {ratio} times as large as it is")
        yield block


def _gunzipped(packed: _Packed) -> Iterator[bytes]:
    """The content of the gzip streams that stand one behind the other; zeros at the end are padding (RFC 1952, 2.2)."""
    while data := packed.some():
        packed.put_back(data)
        yield from packed.inflated(_GZIP)
        while (data := packed.some()) and not data.strip(b"\0"):
            pass
        packed.put_back(data.lstrip(b"\0"))


def _unzipped(packed: _Packed) -> Iterator[bytes]:
    """The content of the one file of a zip archive."""
    if packed.exactly(4) != _LOCAL:
        raise packed.several("no file")
    member = _local_header(packed)
    checksum = size = 0
    for block in packed.inflated(_RAW) if member.method == _DEFLATED else _stored(packed, member.packed_size):
        checksum = zlib.crc32(block, checksum)
        size += len(block)
        yield block
    if member.sizes_behind:
        _skip_descriptor(packed)
    _expect_central(packed)
    if _central_header(packed) != (checksum, size):
        raise packed.broken()
    _check_end(packed)


@dataclass(frozen=True, slots=True)
class _Member:
    method: int
    packed_size: int
    sizes_behind: bool


def _local_header(packed: _Packed) -> _Member:
    """The header before the content (4.3.7), behind its signature."""
    header = struct.unpack("<5H3I2H", packed.exactly(26))
    _, flags, method, _, _, _, packed_size, size, name_length, extra_length = header
    name, extra = packed.exactly(name_length), packed.exactly(extra_length)
    if flags & _ENCRYPTED or method == _AES:
        raise packed.packing.encrypted(file=packed.name)
    if name.endswith(b"/"):
        raise packed.several("a folder")
    sizes_behind = bool(flags & _SIZES_BEHIND)
    if method not in {_STORED, _DEFLATED}:
        raise packed.otherwise(f"method {method}")
    if method == _STORED and sizes_behind:
        raise packed.otherwise("not compressed, without its size")
    if method == _STORED and packed_size == _IN_EXTRA:
        _, packed_size = _large_sizes(packed, extra, (size, packed_size))
    return _Member(method, packed_size, sizes_behind)


def _stored(packed: _Packed, size: int) -> Iterator[bytes]:
    while size:
        block = packed.exactly(min(size, _BLOCK))
        size -= len(block)
        yield block


def _skip_descriptor(packed: _Packed) -> None:
    """Go behind the data descriptor (4.3.9), which has one of four lengths: what it says the directory says too."""
    data = packed.exactly(28)
    for length in (16, 24, 12, 20):
        if data[length : length + 4] in {_LOCAL, _CENTRAL} and data.startswith(_DESCRIPTOR) == (length in {16, 24}):
            packed.put_back(data[length:])
            return
    raise packed.broken()


def _expect_central(packed: _Packed) -> None:
    signature = packed.exactly(4)
    if signature == _LOCAL:
        raise packed.several("more than one file")
    if signature != _CENTRAL:
        raise packed.broken()


def _central_header(packed: _Packed) -> tuple[int, int]:
    """Checksum and size of the content, from the directory (4.3.12), behind its signature."""
    header = struct.unpack("<6H3I5H2I", packed.exactly(42))
    _, _, _, _, _, _, checksum, packed_size, size, name_length, extra_length, comment_length, *_ = header
    packed.exactly(name_length)
    extra = packed.exactly(extra_length)
    packed.exactly(comment_length)
    if size == _IN_EXTRA:
        size, _ = _large_sizes(packed, extra, (size, packed_size))
    return checksum, size


def _large_sizes(packed: _Packed, extra: bytes, sizes: tuple[int, int]) -> tuple[int, int]:
    """Size and packed size, where one of them or both stand in the extra field of Zip64 (4.5.3)."""
    while len(extra) >= 4:  # noqa: PLR2004 - two numbers of two bytes
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _ZIP_64_EXTRA:
            wanted = sizes.count(_IN_EXTRA)
            if len(field) < 8 * wanted:
                break
            large = iter(struct.unpack_from(f"<{wanted}Q", field))
            size, packed_size = (next(large) if one == _IN_EXTRA else one for one in sizes)
            return size, packed_size
    raise packed.broken()


def _check_end(packed: _Packed) -> None:
    """Check that the directory ends behind its first entry, and is all there (4.3.14 to 4.3.16).

    What follows must be padding: another archive behind this one would be lost.
    """
    signature = packed.exactly(4)
    if signature == _CENTRAL:
        raise packed.several("more than one file")
    if signature == _END_64:
        (length,) = struct.unpack("<Q", packed.exactly(8))
        if length > _LONGEST_RECORD:
            raise packed.broken()
        packed.exactly(length)
        if packed.exactly(20)[:4] != _LOCATOR_64:
            raise packed.broken()
        signature = packed.exactly(4)
    if signature != _END:
        raise packed.broken()
    (comment_length,) = struct.unpack_from("<H", packed.exactly(18), 16)
    packed.exactly(comment_length)
    while data := packed.some():
        if data.strip(b"\0"):
            raise packed.broken()
