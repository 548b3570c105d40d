"""A zip or gzip file, unpacked while it is read: neither the file nor its content is in memory.

The first bytes determine the format, never the name. A zip file is read from its beginning, without its directory,
which is at the end; when the directory comes, everything is checked against it (APPNOTE.TXT of PKWARE, 4.3). So all of
the content may have been returned before damage is reported.
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
#: Maximum bytes of content: ten million rows of a list of 1,500 bytes, or sixty million responses of 250.
MAX_CONTENT: Final = 15 * 1000**3
#: Bytes of content up to which any compression ratio is accepted.
_ANY_RATIO: Final = 16 * 1024 * 1024
#: Bytes that determine the format of a file: the signature of a zip file, or a byte order mark.
SIGNATURE_BYTES: Final = 4

_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
#: `wbits` of `zlib` for gzip and for a raw deflate stream.
_GZIP, _RAW = 16 + zlib.MAX_WBITS, -zlib.MAX_WBITS

_LOCAL, _DESCRIPTOR, _CENTRAL, _END = b"PK\3\4", b"PK\7\x08", b"PK\1\2", b"PK\5\6"
_END_64, _LOCATOR_64 = b"PK\6\6", b"PK\6\7"
#: Flags of a member: encrypted by any method; its sizes follow the content.
_ENCRYPTED: Final = 0x0001 | 0x0040 | 0x2000
_SIZES_FOLLOW: Final = 0x0008
_STORED, _DEFLATED, _AES = 0, 8, 99
_IN_EXTRA: Final = 0xFFFFFFFF
_ZIP_64_EXTRA: Final = 1
#: Maximum length of records that are skipped.
_MAX_RECORD: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveRules:
    """How files of one kind may be packed, and the errors for those that are not."""

    #: It is truncated or damaged.
    damaged: type[DeliveryFilePackedBroken | ResponseFilePackedBroken]
    #: It is compressed by another method than deflate.
    unsupported: type[DeliveryFilePackedOtherwise | ResponseFilePackedOtherwise]
    #: It is protected by a password.
    encrypted: type[DeliveryFileEncrypted | ResponseFileEncrypted]
    #: The zip file contains no file, or more than one.
    not_one_file: type[DeliveryFileSeveral | ResponseFileSeveral]
    #: The content is too large, or the compression ratio too high.
    too_large: type[DeliveryFileTooLarge | ResponseFileTooLarge]
    #: Maximum ratio of content to compressed bytes. Deflate reaches 1,032 at most, and a zip bomb nearly that.
    max_ratio: int


def is_packed(first: bytes) -> bool:
    """Whether a file that begins with these bytes, `SIGNATURE_BYTES` if it has as many, is a zip or gzip file."""
    return first.startswith((_LOCAL, _END, _GZIP_MAGIC))


def unpack(pieces: Iterable[bytes], rules: ArchiveRules, *, name: str) -> tuple[str, Iterator[bytes]]:
    """The content of a file in pieces of any size; a file that is not packed is its own content.

    Returns:
        `zip`, `gzip`, or empty for a file that is not packed; and its content in pieces. No piece is empty, and the
        first one has at least four bytes, if there are as many.

    Raises:
        TerminalError: one of the errors of `rules`, also while the content is read.
    """
    rest = _with_long_first(pieces)
    first = next(rest, b"")
    if first.startswith((_LOCAL, _END)):
        packed = _PackedFile(first, rest, rules, kind="zip", name=name)
        return "zip", _with_long_first(_limit(packed, _unzip(packed)))
    if first.startswith(_GZIP_MAGIC):
        packed = _PackedFile(first, rest, rules, kind="gzip", name=name)
        return "gzip", _with_long_first(_limit(packed, _gunzip(packed)))
    return "", chain((first,), rest) if first else rest


def _with_long_first(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes without empty pieces, the first piece long enough to determine the format."""
    rest = filter(None, pieces)
    first = b""
    while len(first) < SIGNATURE_BYTES and (piece := next(rest, b"")):
        first += piece
    if first:
        yield first
        yield from rest


class _PackedFile:
    """The packed file as a stream.

    Attributes:
        name: name of the file.
        rules: how it may be packed.
        bytes_read: bytes of the file read so far.
    """

    def __init__(self, first: bytes, pieces: Iterator[bytes], rules: ArchiveRules, *, kind: str, name: str) -> None:
        self._buffer = first
        self._pieces = pieces
        self._kind = kind
        self.name = name
        self.rules = rules
        self.bytes_read = len(first)

    def read_some(self) -> bytes:
        """The next bytes; empty at the end."""
        if not self._buffer:
            self._buffer = next(self._pieces, b"")
            self.bytes_read += len(self._buffer)
        data, self._buffer = self._buffer, b""
        return data

    def read_exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        data = b""
        while len(data) < size:
            more = self.read_some()
            if not more:
                raise self.damaged()
            data += more
        self.unread(data[size:])
        return data[:size]

    def unread(self, data: bytes) -> None:
        """Return bytes to the beginning of the stream."""
        self._buffer = data + self._buffer

    def inflate(self, wbits: int) -> Iterator[bytes]:
        """The content of the deflate stream that begins here."""
        inflater = zlib.decompressobj(wbits)
        while not inflater.eof:
            data = self.read_some()
            if not data:
                raise self.damaged()
            try:
                while out := inflater.decompress(data, _BLOCK):
                    yield out
                    # Python may report what follows the stream as unconsumed, too: it must not be inflated again.
                    data = b"" if inflater.unused_data else inflater.unconsumed_tail
            except zlib.error:
                raise self.damaged() from None
        self.unread(inflater.unused_data)

    def damaged(self) -> TerminalError:
        """The error for a truncated or damaged file."""
        return self.rules.damaged(file=self.name, kind=self._kind)

    def not_one_file(self, held: str) -> TerminalError:
        """The error for a zip file that does not contain exactly one file."""
        return self.rules.not_one_file(file=self.name, held=held)

    def unsupported(self, what: str) -> TerminalError:
        """The error for an unsupported kind of zip file."""
        return self.rules.unsupported(file=self.name, what=what)

    def too_large(self, reason: str) -> TerminalError:
        """The error for a file that is not unpacked to its end."""
        return self.rules.too_large(file=self.name, reason=reason)


def _limit(packed: _PackedFile, content: Iterator[bytes]) -> Iterator[bytes]:
    size, ratio = 0, packed.rules.max_ratio
    for block in content:
        size += len(block)
        if size > MAX_CONTENT:
            raise packed.too_large(f"it has more than {MAX_CONTENT:,} bytes")
        if size > _ANY_RATIO and size > ratio * packed.bytes_read:
            raise packed.too_large(f"it becomes more than {ratio} times as large as it is")
        yield block


def _gunzip(packed: _PackedFile) -> Iterator[bytes]:
    """The content of consecutive gzip streams; zeros at the end are padding (RFC 1952, 2.2)."""
    while data := packed.read_some():
        packed.unread(data)
        yield from packed.inflate(_GZIP)
        while (data := packed.read_some()) and not data.strip(b"\0"):
            pass
        packed.unread(data.lstrip(b"\0"))


def _unzip(packed: _PackedFile) -> Iterator[bytes]:
    """The content of the one file of a zip archive."""
    if packed.read_exactly(4) != _LOCAL:
        raise packed.not_one_file("no file")
    member = _local_header(packed)
    checksum = size = 0
    for block in packed.inflate(_RAW) if member.method == _DEFLATED else _stored(packed, member.packed_size):
        checksum = zlib.crc32(block, checksum)
        size += len(block)
        yield block
    if member.sizes_follow:
        _skip_descriptor(packed)
    _expect_directory(packed)
    if _directory_entry(packed) != (checksum, size):
        raise packed.damaged()
    _check_end(packed)


@dataclass(frozen=True, slots=True)
class _Member:
    method: int
    packed_size: int
    sizes_follow: bool


def _local_header(packed: _PackedFile) -> _Member:
    """The header before the content (4.3.7), after its signature."""
    header = struct.unpack("<5H3I2H", packed.read_exactly(26))
    _, flags, method, _, _, _, packed_size, size, name_length, extra_length = header
    name, extra = packed.read_exactly(name_length), packed.read_exactly(extra_length)
    if flags & _ENCRYPTED or method == _AES:
        raise packed.rules.encrypted(file=packed.name)
    if name.endswith(b"/"):
        raise packed.not_one_file("a folder")
    sizes_follow = bool(flags & _SIZES_FOLLOW)
    if method not in {_STORED, _DEFLATED}:
        raise packed.unsupported(f"method {method}")
    if method == _STORED and sizes_follow:
        raise packed.unsupported("not compressed, without its size")
    if method == _STORED and packed_size == _IN_EXTRA:
        _, packed_size = _large_sizes(packed, extra, (size, packed_size))
    return _Member(method, packed_size, sizes_follow)


def _stored(packed: _PackedFile, size: int) -> Iterator[bytes]:
    while size:
        block = packed.read_exactly(min(size, _BLOCK))
        size -= len(block)
        yield block


def _skip_descriptor(packed: _PackedFile) -> None:
    """Skip the data descriptor (4.3.9), which has one of four lengths; the directory repeats its values."""
    data = packed.read_exactly(28)
    for length in (16, 24, 12, 20):
        if data[length : length + 4] in {_LOCAL, _CENTRAL} and data.startswith(_DESCRIPTOR) == (length in {16, 24}):
            packed.unread(data[length:])
            return
    raise packed.damaged()


def _expect_directory(packed: _PackedFile) -> None:
    signature = packed.read_exactly(4)
    if signature == _LOCAL:
        raise packed.not_one_file("more than one file")
    if signature != _CENTRAL:
        raise packed.damaged()


def _directory_entry(packed: _PackedFile) -> tuple[int, int]:
    """Checksum and size of the content, from the directory (4.3.12), after its signature."""
    header = struct.unpack("<6H3I5H2I", packed.read_exactly(42))
    _, _, _, _, _, _, checksum, packed_size, size, name_length, extra_length, comment_length, *_ = header
    packed.read_exactly(name_length)
    extra = packed.read_exactly(extra_length)
    packed.read_exactly(comment_length)
    if size == _IN_EXTRA:
        size, _ = _large_sizes(packed, extra, (size, packed_size))
    return checksum, size


def _large_sizes(packed: _PackedFile, extra: bytes, sizes: tuple[int, int]) -> tuple[int, int]:
    """Size and packed size, where one or both of them are in the extra field of Zip64 (4.5.3)."""
    while len(extra) >= 4:  # noqa: PLR2004 - two numbers of two bytes
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _ZIP_64_EXTRA:
            count = sizes.count(_IN_EXTRA)
            if len(field) < 8 * count:
                break
            large = iter(struct.unpack_from(f"<{count}Q", field))
            size, packed_size = (next(large) if size == _IN_EXTRA else size for size in sizes)
            return size, packed_size
    raise packed.damaged()


def _check_end(packed: _PackedFile) -> None:
    """Check that the directory ends after its first entry, and is complete (4.3.14 to 4.3.16).

    Only padding may follow: another archive after this one would be lost.
    """
    signature = packed.read_exactly(4)
    if signature == _CENTRAL:
        raise packed.not_one_file("more than one file")
    if signature == _END_64:
        (length,) = struct.unpack("<Q", packed.read_exactly(8))
        if length > _MAX_RECORD:
            raise packed.damaged()
        packed.read_exactly(length)
        if packed.read_exactly(20)[:4] != _LOCATOR_64:
            raise packed.damaged()
        signature = packed.read_exactly(4)
    if signature != _END:
        raise packed.damaged()
    (comment_length,) = struct.unpack_from("<H", packed.read_exactly(18), 16)
    packed.read_exactly(comment_length)
    while data := packed.read_some():
        if data.strip(b"\0"):
            raise packed.damaged()
