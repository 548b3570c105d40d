"""Zip and gzip files: unpacked as they are read, and each kind of damage refused with its own error."""

import gzip
import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from itertools import repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.config.channels import DeliveryFileLayout
from shared.errors import (
    BridgeError,
    DeliveryFileEncrypted,
    DeliveryFilePackedBroken,
    DeliveryFilePackedOtherwise,
    DeliveryFileSeveral,
    DeliveryFileTooLarge,
)
from shared.faststats.delivery_file_text import utf8_text
from shared.files.archives import unpack as module
from shared.files.archives.unpack import ArchiveRules, unpack

MIB = 1024 * 1024
#: The rules of delivery files.
RULES = ArchiveRules(
    damaged=DeliveryFilePackedBroken,
    unsupported=DeliveryFilePackedOtherwise,
    encrypted=DeliveryFileEncrypted,
    not_one_file=DeliveryFileSeveral,
    too_large=DeliveryFileTooLarge,
    max_ratio=200,
)
CONTENT = "".join(f"{number}\tx{number}@example.org\tk{number}\tJörg\n" for number in range(5000)).encode()
DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED


class Unseekable(io.RawIOBase):
    """An output without seeking: the sizes of a zip file follow the content."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        assert isinstance(data, (bytes, bytearray, memoryview))
        self.data += data
        return len(data)


def zipped(content: bytes = CONTENT, method: int = DEFLATED, *, members: int = 1, large: bool = False) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for number in range(members):
            with archive.open(f"file {number}.txt", "w", force_zip64=large) as member:
                member.write(content)
    return file.getvalue()


def streamed(method: int = DEFLATED, *, large: bool = False) -> bytes:
    file = Unseekable()
    with zipfile.ZipFile(file, "w", method) as archive, archive.open("file.txt", "w", force_zip64=large) as member:
        member.write(CONTENT)
    return bytes(file.data)


def text(data: bytes, size: int = MIB) -> bytes:
    class Trickle(io.BytesIO):
        def read(self, requested: int | None = -1, /) -> bytes:
            return super().read(size if requested is None or requested < 0 else min(requested, size))

    _, pieces = utf8_text(Trickle(data), DeliveryFileLayout(), name="file.zip")
    return b"".join(pieces)


GOOD = {
    "a zip file": zipped(),
    "a zip file that is only stored": zipped(method=STORED),
    "a zip file with sizes in the extra field": zipped(large=True),
    "a stored zip file with sizes in the extra field": zipped(method=STORED, large=True),
    "a zip file written in one go": streamed(),
    "a zip file written in one go, with large sizes": streamed(large=True),
    "a gzip file": gzip.compress(CONTENT),
    "several gzip streams": gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:]),
    "a padded gzip file": gzip.compress(CONTENT) + bytes(1000),
    "a plain file": CONTENT,
    "a gzip file with a name": b"\x1f\x8b\x08\x08" + bytes(6) + b"file.txt\0" + gzip.compress(CONTENT)[10:],
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("size", [1, 7, 1000, MIB])
def test_the_content_does_not_depend_on_the_pieces(kind: str, size: int) -> None:
    assert text(GOOD[kind], size) == CONTENT


@settings(deadline=None)
@given(content=st.binary(max_size=300).map(lambda data: b"x\t" + data), size=st.integers(1, 50), method=st.booleans())
def test_any_zipped_content_is_unpacked(content: bytes, size: int, method: bool) -> None:
    assert text(zipped(content, DEFLATED if method else STORED), size) == content


@pytest.mark.parametrize("size", [1000, MIB])
def test_content_of_several_blocks_is_returned_once_whatever_follows_it(size: int) -> None:
    content = "".join(f"{number}\tx{number}@example.org\tk{number}\tJörg\n" for number in range(30_000)).encode()
    assert len(content) > 3 * module._BLOCK
    assert text(zipped(content), size) == content
    assert text(gzip.compress(content) + gzip.compress(CONTENT), size) == content + CONTENT


@pytest.mark.parametrize("kind", GOOD)
def test_the_format_is_reported(kind: str) -> None:
    packed_as = next((word for word in ("gzip", "zip") if word in kind), "")
    assert unpack((GOOD[kind],), RULES, name="x")[0] == packed_as


def test_a_zip_file_may_have_a_comment_and_padding() -> None:
    file = io.BytesIO(zipped())
    with zipfile.ZipFile(file, "a") as archive:
        archive.comment = b"written by hand"
    assert text(file.getvalue() + bytes(600)) == CONTENT


def test_a_bom_in_a_zip_file_is_found() -> None:
    _, pieces = utf8_text(io.BytesIO(zipped("\ufeffJörg".encode("utf-16-le"))), DeliveryFileLayout(), name="x")
    assert b"".join(pieces) == "Jörg".encode()


def test_an_archive_with_a_zip64_end_is_read() -> None:
    plain = zipped()
    end = plain.rindex(b"PK\5\6")
    start, length = struct.unpack_from("<2I", plain, end + 12)[::-1]
    end_64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, length, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    packed = plain[:end] + end_64 + locator + plain[end:]
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:  # it is what Python takes for one
        assert archive.read(archive.namelist()[0]) == CONTENT
    assert text(packed) == CONTENT


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


DIRECTORY = zipped().rindex(b"PK\1\2")
BAD: dict[str, tuple[bytes, type[BridgeError]]] = {
    "two files": (zipped(members=2), DeliveryFileSeveral),
    "two files that are stored": (zipped(method=STORED, members=2), DeliveryFileSeveral),
    "no file": (zipped(members=0), DeliveryFileSeveral),
    "a directory of two": (zipped()[:DIRECTORY] + zipped()[DIRECTORY:-22] * 2 + zipped()[-22:], DeliveryFileSeveral),
    "a password": (changed(zipped(), 6, b"\x01"), DeliveryFileEncrypted),
    "a password of another kind": (changed(zipped(), 8, struct.pack("<H", 99)), DeliveryFileEncrypted),
    "another method": (zipped(method=zipfile.ZIP_BZIP2), DeliveryFilePackedOtherwise),
    "stored without its size": (streamed(STORED), DeliveryFilePackedOtherwise),
    "a wrong checksum": (changed(zipped(), DIRECTORY + 16, b"abcd"), DeliveryFilePackedBroken),
    "a wrong size": (changed(zipped(), DIRECTORY + 24, b"abcd"), DeliveryFilePackedBroken),
    "damaged content": (changed(zipped(), 500, b"\xff" * 200), DeliveryFilePackedBroken),
    "no directory": (zipped()[:DIRECTORY] + b"x" * 100, DeliveryFilePackedBroken),
    "damaged gzip": (changed(gzip.compress(CONTENT), 500, b"\xff" * 200), DeliveryFilePackedBroken),
    "a wrong checksum in gzip": (gzip.compress(CONTENT)[:-8] + bytes(8), DeliveryFilePackedBroken),
    "something after a zip file": (zipped() + b"more", DeliveryFilePackedBroken),
    "two concatenated zip files": (zipped() * 2, DeliveryFilePackedBroken),
    "something after gzip": (gzip.compress(CONTENT) + b"more", DeliveryFilePackedBroken),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("size", [1, MIB])
def test_each_kind_of_bad_file_has_its_own_error(kind: str, size: int) -> None:
    data, error = BAD[kind]
    with pytest.raises(error):
        text(data, size)


def test_a_folder_is_not_a_file() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/file.txt", CONTENT)
    with pytest.raises(DeliveryFileSeveral, match="holds a folder"):
        text(file.getvalue())


@pytest.mark.parametrize("kind", sorted(GOOD.keys() - {"a plain file", "a padded gzip file", "several gzip streams"}))
def test_a_truncated_file_is_an_error(kind: str) -> None:
    whole = GOOD[kind]
    ends = {4, 5, 10, 20, 29, 31, *range(40, len(whole), 997), *range(len(whole) - 150, len(whole))}
    for end in ends:
        with pytest.raises(DeliveryFilePackedBroken):
            text(whole[:end])


def test_a_file_packed_twice_is_unpacked_once() -> None:
    assert text(zipped(zipped())) == zipped()
    assert text(zipped(gzip.compress(CONTENT))) == gzip.compress(CONTENT)


def test_an_empty_file_in_an_archive_is_empty() -> None:
    assert text(zipped(b"")) == text(gzip.compress(b"")) == b""


# Bombs


def bomb(kind: str) -> Iterator[bytes]:
    """A file of 64 MiB of zeros, packed."""
    packer = zlib.compressobj(9, wbits=31 if kind == "gzip" else -15)
    if kind == "zip":
        yield struct.pack("<4s5H3I2H", b"PK\3\4", 20, 8, 8, 0, 0, 0, 0, 0, 1, 0) + b"x"
    for block in repeat(bytes(MIB), 64):
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_a_bomb_is_not_unpacked(kind: str) -> None:
    data = b"".join(bomb(kind))
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryFileTooLarge, match="200 times"):
            for _ in unpack((data,), RULES, name="x")[1]:
                pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_content_larger_than_any_list_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONTENT", len(CONTENT) - 1)
    with pytest.raises(DeliveryFileTooLarge, match="more than"):
        text(zipped())


def test_a_highly_repetitive_list_is_not_a_bomb() -> None:
    rows = "".join(f"{number}\tx{number}@example.org\tk{number}\t{'Dear Anna, ' * 60}\n" for number in range(30_000))
    assert text(gzip.compress(rows.encode(), 9)) == rows.encode()
