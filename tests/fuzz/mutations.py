"""Bytes that are nearly right: one of the seeds of a target, changed in a few places."""

from typing import Final

from hypothesis import strategies as st

#: What readers are known to stumble over.
_ODD: Final = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\r", b"\n", b"\r\n", b"\x1a", b"\x85"),
    *("\u200b", "\u00a0", "\u00ad", "\u2028", "\ufeff", "\U0001f600", "\u0130", "\u00df", "\u202e", "İ", "٣"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xc3"),
    *('"', "'", '""', ";", "\t", ",", "|", "=", "<", ">", "&", "&amp;", "&#0;", "]]>", "<![CDATA[", "\\ud800"),
    *("null", "true", "NaN", "Infinity", "-1", "1e999", "9" * 5000, "[" * 1500, '{"a":' * 300, "A" * 300),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59-14:00", "29.02.2026 24:60", "1e15", "٣", "%s%n", "{0}"),
    *(b"PK\3\4", b"\x1f\x8b", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\0\0\0\0"),
)
_PIECES: Final = tuple(odd.encode("utf-8", "surrogatepass") if isinstance(odd, str) else odd for odd in _ODD)


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to four changes: something put in place of a part of it, or a part of it again."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from((0, 0, 1, 2, 7, 40, len(data))))
        piece = draw(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=8), st.just(data[start : start + 40])))
        data = data[:start] + piece * draw(st.sampled_from((1, 1, 1, 2, 50))) + data[start + length :]
    return data
