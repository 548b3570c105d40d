"""The error catalogue: every entry can be found, says what to do, and is raised with its facts."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from string import Formatter

import pytest

from shared.errors import (
    BridgeError,
    DatabaseUnavailable,
    DeliveryFileMissing,
    ListUnknown,
    TerminalError,
    TransientError,
    catalogue,
)

SHARED = Path(__file__).parents[2] / "shared"
#: Tests define errors of their own.
CATALOGUE = {entry.__name__: entry for entry in catalogue() if entry.__module__.startswith("shared.")}
ENTRIES = list(CATALOGUE.values())

every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)


def placeholders(entry: type[BridgeError]) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(f"{entry.happened} {entry.remedy}") if name is not None}


def made(entry: type[BridgeError]) -> BridgeError:
    return entry(**{name: f"<{name}>" for name in placeholders(entry)})


def raised_in_shared() -> Iterator[tuple[str, ast.Call]]:
    """Every place in `shared` that makes an entry, with the call."""
    for path in sorted(SHARED.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CATALOGUE:
                yield f"{path.relative_to(SHARED)}:{node.lineno}", node


def test_the_catalogue_has_every_class_below_the_two_kinds() -> None:
    def below(kind: type[BridgeError]) -> set[type[BridgeError]]:
        direct = {entry for entry in kind.__subclasses__() if entry.__module__.startswith("shared.")}
        return direct | set(chain.from_iterable(below(entry) for entry in direct))

    assert set(ENTRIES) == below(BridgeError) - {TerminalError, TransientError}


def test_no_two_entries_share_a_code() -> None:
    codes = [entry.code for entry in ENTRIES]
    assert sorted(set(codes)) == sorted(codes)


@every_entry
def test_a_code_is_in_kebab_case_and_fits_its_column(entry: type[BridgeError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.code)
    assert len(entry.code) <= 64


@every_entry
def test_an_entry_says_what_happened_and_what_to_do_in_sentences(entry: type[BridgeError]) -> None:
    assert re.fullmatch(r"[A-Z{].+[.]", entry.happened)
    assert re.fullmatch(r"[A-Z`d].+[.]", entry.remedy)
    assert re.match(r"[A-Z].+[.]", str(entry.__doc__))


@every_entry
def test_an_entry_says_by_its_class_whether_a_retry_can_help(entry: type[BridgeError]) -> None:
    assert issubclass(entry, TerminalError) != issubclass(entry, TransientError)


@every_entry
def test_an_entry_is_filled_with_its_facts_and_shows_its_code(entry: type[BridgeError]) -> None:
    error = made(entry)
    assert error.sentence in str(error)
    assert str(error).endswith(f"[{entry.code}]")
    for name in placeholders(entry):
        assert f"<{name}>" in error.sentence
        assert error.facts[name] == f"<{name}>"
    assert "{" not in error.sentence


@every_entry
def test_an_entry_made_without_a_fact_is_noticed_at_once(entry: type[BridgeError]) -> None:
    for missing in placeholders(entry):
        with pytest.raises(KeyError, match=missing):
            entry(**dict.fromkeys(placeholders(entry) - {missing}, "x"))


def test_every_place_that_makes_an_error_gives_all_of_its_facts() -> None:
    lacking = [
        f"{place}: {call.func.id} lacks {sorted(missing)}"
        for place, call in raised_in_shared()
        if isinstance(call.func, ast.Name)
        and (missing := placeholders(CATALOGUE[call.func.id]) - {str(keyword.arg) for keyword in call.keywords})
        and None not in {keyword.arg for keyword in call.keywords}
    ]
    assert lacking == []


def test_errors_are_made_by_name_only() -> None:
    assert [place for place, call in raised_in_shared() if call.args] == []


def test_braces_in_a_fact_are_left_alone() -> None:
    assert "{list}" in DeliveryFileMissing(file="{list}", place="x").sentence


def test_a_name_from_outside_is_quoted_so_that_it_cannot_start_a_line_of_its_own() -> None:
    assert "\n" not in ListUnknown(list="News\nINFO all is well").sentence


def test_a_fact_that_the_sentence_does_not_need_is_kept() -> None:
    error = DatabaseUnavailable(database="WS_DB", reason="x", attempt=3)
    assert error.facts["attempt"] == 3


def test_the_catalogue_lists_terminal_errors_first_and_each_kind_by_code() -> None:
    kinds = [issubclass(entry, TransientError) for entry in ENTRIES]
    assert kinds == sorted(kinds)
    for kind in (TerminalError, TransientError):
        codes = [entry.code for entry in ENTRIES if issubclass(entry, kind)]
        assert codes == sorted(codes)
