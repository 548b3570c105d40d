"""Characters that nobody sees."""

import sys
import unicodedata

import pytest

from shared.config.header_names import key_column_name, loose_name
from shared.config.invisible import escaped, has_invisible, trimmed, visible, without_escapes, without_marks


def test_every_format_character_and_every_other_blank_of_unicode_is_one() -> None:
    categories = {"Cf", "Zs", "Zl", "Zp"}
    code_points = (chr(code) for code in range(0x80, sys.maxunicode + 1))
    assert [c for c in code_points if unicodedata.category(c) in categories and not has_invisible(c)] == []
    assert not has_invisible(" \tJörg 髙橋 é e\u0301")


@pytest.mark.parametrize("character", "\u200b\u00a0\ufeff\u00ad\u2028\U000e0061")
def test_it_is_removed_around_and_seen_within(character: str) -> None:
    assert trimmed(f"{character} {character}a b{character}\t{character}") == "a b"
    assert has_invisible(trimmed(f"a{character}b"))
    assert loose_name(f"{character}Communication{character}Key") == loose_name("Communication Key")
    assert key_column_name(f"Communication{character}-Key") == key_column_name("communication-key")


def test_everything_that_is_seen_within_is_removed_around() -> None:
    invisible = "".join(c for c in map(chr, range(sys.maxunicode + 1)) if has_invisible(c))
    assert len(invisible) > 4000
    assert trimmed(f"{invisible}\x85 é {invisible}") == "é"


def test_a_long_value_takes_no_longer_than_it_is_long() -> None:
    # Quadratic time would take hours.
    assert trimmed("x" + "\u00a0" * 3_000_000 + "x" + "\u00a0" * 3_000_000).endswith("x")
    assert visible("x" + "\u00a0" * 3_000_000 + "x").endswith("x")


def test_a_name_keeps_its_blanks_as_spaces() -> None:
    assert visible("\ufeffLink\u00a0Id\u200b") == "Link Id"
    assert visible(" Link Id ") == "Link Id"


@pytest.mark.parametrize("text", ["a\u200bb", "\U000e0061", "\u00a0\u00a0"])
def test_what_is_escaped_is_shown_and_can_be_removed(text: str) -> None:
    assert escaped(text).isascii()
    assert not has_invisible(without_escapes(escaped(text)))
    assert escaped("a\u200bb") == r"a\u200bb"
    assert without_escapes(r"a\u200bb\u0041\Uffffffff\u20") == r"ab\u0041\Uffffffff\u20"


def test_marks_at_the_beginnings_of_lines_are_removed_there_only() -> None:
    text = "\ufeff\ufeffa\n\xef\xbb\xbfb\ufeff\n\ufeff\nc"
    assert without_marks(text) == "a\nb\ufeff\n\nc"
    assert without_marks("Jörg") == "Jörg"
