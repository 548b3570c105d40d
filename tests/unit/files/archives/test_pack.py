"""Packed content is unpacked to the same content."""

from random import Random

import pytest

from shared.errors import (
    ResponseFileEncrypted,
    ResponseFilePackedBroken,
    ResponseFilePackedOtherwise,
    ResponseFileSeveral,
    ResponseFileTooLarge,
)
from shared.files.archives.pack import pack
from shared.files.archives.unpack import ArchiveRules, unpack

RULES = ArchiveRules(
    damaged=ResponseFilePackedBroken,
    unsupported=ResponseFilePackedOtherwise,
    encrypted=ResponseFileEncrypted,
    not_one_file=ResponseFileSeveral,
    too_large=ResponseFileTooLarge,
    max_ratio=500,
)


@pytest.mark.parametrize("kind", ["", "gzip", "zip"])
@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_a_round_trip_keeps_the_content(kind: str, size: int) -> None:
    content = Random(1).randbytes(size)
    pieces = [content[start : start + 7_000] for start in range(0, size, 7_000)]
    out = list(pack(pieces, kind, name="Response-1.csv"))
    unpacked_kind, content_read = unpack(out, RULES, name="Response-1.csv.zip")
    assert (unpacked_kind, b"".join(content_read)) == (kind, content)
    assert b"".join(pack(pieces, kind, name="Response-1.csv")) == b"".join(out)
