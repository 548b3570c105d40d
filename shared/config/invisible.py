r"""Characters that nobody sees, such as `\u200b`: removed around names, keys and addresses, refused within. Pure.

One place for settings and for both kinds of file: byte order marks, zero-width and no-break spaces, soft hyphens,
marks of direction, fillers. A key with one of them is not the key that it looks like.
"""

import re
import string
from collections.abc import Iterator
from typing import Final

#: Unicode's format characters (Cf), its white space other than the space and the control characters (Zs, Zl, Zp), what
#: it ignores by default, and blanks that count as letters or symbols.
_CHARACTERS: Final = (
    r"\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    r"\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)


def _code_points(characters: str) -> Iterator[int]:
    """The code points of a class of characters, as a regular expression has it."""
    for first, last in re.findall(r"\\[xuU]([0-9a-f]+)(?:-\\[xuU]([0-9a-f]+))?", characters):
        yield from range(int(first, 16), int(last or first, 16) + 1)


_INVISIBLE: Final = re.compile(f"[{_CHARACTERS}]")
#: The same characters and all white space, one by one: to strip them takes no longer than the text is long.
_BLANKS: Final = string.whitespace + "\x1c\x1d\x1e\x1f\x85" + "".join(map(chr, _code_points(_CHARACTERS)))
_ESCAPED: Final = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")
#: A byte order mark at the beginning of a line, where files were put one behind the other: as it is, and as the three
#: bytes of UTF-8 look in an encoding of one byte.
_MARKS: Final = re.compile("^(?:\ufeff|\xef\xbb\xbf)+", re.MULTILINE)


def trimmed(text: str) -> str:
    """A key or an address without white space and invisible characters around it."""
    return text.strip() if text.isascii() else text.strip(_BLANKS)


def has_invisible(text: str) -> bool:
    """Whether a key or an address has an invisible character, so that it must be refused."""
    return not text.isascii() and _INVISIBLE.search(text) is not None


def visible(name: str) -> str:
    """A name, such as that of a column, without invisible characters; other blanks are spaces, none around it."""
    if name.isascii():
        return name.strip()
    return _INVISIBLE.sub(lambda match: " " if match[0].isspace() else "", name).strip()


def escaped(text: str) -> str:
    r"""A text that shows its invisible characters: `\u200b`."""
    return text if text.isascii() else _INVISIBLE.sub(_escape, text)


def without_escapes(text: str) -> str:
    """A text that was escaped, without its invisible characters."""
    return _ESCAPED.sub(lambda match: "" if has_invisible(_character(match)) else match[0], text)


def without_marks(text: str) -> str:
    """The lines of a text without the byte order marks at their beginnings."""
    return _MARKS.sub("", text) if "\ufeff" in text or "\xef\xbb\xbf" in text else text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four hexadecimal digits


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code <= 0x10FFFF else ""  # noqa: PLR2004 - the last one of Unicode
