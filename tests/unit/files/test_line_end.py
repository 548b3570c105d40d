"""Whether the last line of a file has its end."""

import gzip

import pytest

from shared.files.line_end import FileEnds


def ends(content: bytes, size: int) -> bool:
    noted = FileEnds()
    for start in range(0, len(content), size):
        noted.add(content[start : start + size])
    return noted.last_line_ends


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16", "windows-1252"])
@pytest.mark.parametrize(
    ("text", "expected"), [("a\nb\n", True), ("a\r\nb\r\n", True), ("a\nb", False), ("a\r\nbö", False)]
)
def test_it_is_seen_in_every_encoding(text: str, expected: bool, encoding: str, size: int) -> None:
    assert ends(text.encode(encoding), size) is expected


def test_nothing_and_an_archive_have_no_last_line_that_could_be_truncated() -> None:
    assert ends(b"", 1)
    assert ends(gzip.compress(b"a\nb"), 1)
    assert ends(b"PK\3\4 and so on", 3)
