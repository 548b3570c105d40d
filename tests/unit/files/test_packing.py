"""What is packed is unpacked to the same."""

from random import Random

import pytest

from shared.errors import (
    ResponseFileEncrypted,
    ResponseFilePackedBroken,
    ResponseFilePackedOtherwise,
    ResponseFileSeveral,
    ResponseFileTooLarge,
)
from shared.files.packing import packed
from shared.files.unpacking import Packing, unpacked

PACKING = Packing(
    broken=ResponseFilePackedBroken,
    otherwise=ResponseFilePackedOtherwise,
    encrypted=ResponseFileEncrypted,
    several=ResponseFileSeveral,
    too_large=ResponseFileTooLarge,
    highest_ratio=500,
)


@pytest.mark.parametrize("kind", ["", "gzip", "zip"])
@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_it_comes_out_as_it_went_in(kind: str, size: int) -> None:
    content = Random(1).randbytes(size)
    pieces = [content[start : start + 7_000] for start in range(0, size, 7_000)]
    out = list(packed(pieces, kind, name="Response-1.csv"))
    found, read = unpacked(out, PACKING, name="Response-1.csv.zip")
    assert (found, b"".join(read)) == (kind, content)
    assert b"".join(packed(pieces, kind, name="Response-1.csv")) == b"".join(out)
