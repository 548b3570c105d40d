"""The language of the product: words and phrases that a native reader stops at do not come back.

Product texts are what somebody reads without the code: errors, settings, help, log lines, docs. Names are those of
public modules, classes, functions and parameters. A word that is part of an interface, such as the name of a setting or
an action, is written as code in a text, or is in the list of allowed names.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from shared.config.settings import Settings
from shared.errors import BridgeError, catalogue

ROOT = Path(__file__).parents[2]
PACKAGES = ("shared", "cli", "local", "tools")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("README.md")]

#: Phrases of a text, as regular expressions, and what to write instead.
PHRASES = {
    r"tells?|told|telling": "report, log, show",
    r"looked at|looks at|looking at|one look|(is|are|was|were) looked for": "checked, searched",
    r"stands?(?!-ins?\b| in for)|standing": "is, is active, backlog, state",
    r"gone on with|go(es)? on(?! (a|an|the)\b)|going on|went on": "resumed, continues",
    r"put away|puts away": "archived",
    r"taken in|takes? in|took in": "claimed, accepted, added",
    r"giv(e|es|en) (it |them )?free": "released",
    r"mend(s|ed|ing)?": "fixed",
    r"(is|are|be) in order": "valid, ok",
    r"drawn|draws? from": "synced",
    r"(is|are|was|were|be|comes?) whole": "complete",
    r"(tried|tries) (it )?again": "retried",
    r"anew": "again",
    r"somebody else": "another process, another user",
    r"otherwise than|other way than": "differently from",
    r"for lack of": "because … is missing",
    r"is no (valid )?(JSON|TOML|XML|number|text|list|date|column|folder|zip|path|name|private|address)": "is not …",
    r"ha(s|ve) not the": "does not have the",
    r"there is not": "there is no",
    r"small letters": "lower-case letters",
    r"wants|wanted": "requires, requested",
    r"carr(y|ies|ied) on": "continues",
    r"hand(s|ed)? over|handover": "passes to",
    r"roads?": "method, route",
    r"remarks?": "note",
    r"what (becomes|became|is to become) of": "what happens to",
    r"furnish(es|ed)?": "fill in",
    r"lets? nobody": "refuses",
    r"(is|are) there already": "already exists",
    r"(is|are|was|were) not there": "does not exist, is missing",
    r"any more": "no longer",
    r"cut off": "truncated",
    r"comes? (back )?in again": "is taken again",
    r"knows? nothing of": "does not know",
    r"again by itself|retri(es|ed) by itself": "automatically",
    r"is taken for|are taken for": "is treated as",
    r"kept apart|keeps? apart": "separate",
    r"left alone": "ignored",
    r"as long as it takes": "until",
    r"in the next round": "in the next run",
}
#: Words of which no name is made.
WORDS = frozenset(
    {
        *("tell", "tells", "told", "telling", "look", "looks", "looked", "looking", "stand", "stands", "standing"),
        *("handover", "figures", "remark", "touch", "later", "draw", "drawn", "road", "roads", "way", "ways"),
        *("meaning", "meanings", "furnish", "asking", "shapes", "wanted", "mine", "mended", "anew", "said"),
    }
)
#: Names that no module, class, function or parameter has.
NAMES = frozenset(
    {
        *("put_away", "find_rows", "missed_responses", "remove_old", "carry_on", "take_turn", "is_free"),
        *("one", "found", "some", "these", "repeated", "without", "uses", "preparation", "between", "part"),
        *("place", "places", "whole"),
    }
)
#: Names that are part of an interface, such as a setting or a column, or that mean what they say.
ALLOWED_NAMES = frozenset(
    {
        *("draw_suppressions", "looked_at", "drawn_at", "whole_at"),
        *("broadcasts_under_way", "response_files_under_way", "ferg_files_under_way", "ErasureUnderWay"),
    }
)

PHRASE = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in PHRASES), re.IGNORECASE)


@cache
def modules() -> dict[Path, ast.Module]:
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {path: ast.parse(path.read_text()) for path in [ROOT / "function_app.py", *paths]}


def plain(text: str) -> str:
    """A text without what is written as code."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`|\{[^}]*\}|\]\([^)]*\)", "…", text)


def phrases_in(text: str) -> list[str]:
    return [match[0] for match in PHRASE.finditer(plain(text))]


def docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            (first, *_) = node.body
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


def sentences(module: ast.Module) -> Iterator[tuple[int, str]]:
    """The string literals of a module that read as a text, but its docstrings."""
    skipped: set[ast.AST] = {*docstrings(module)}
    skipped |= {part for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
        node for node in ast.walk(module) if isinstance(node, ast.JoinedStr)
    }
    for node in ast.walk(module):
        if node in skipped:
            continue
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        if re.search(r"[a-z]+ [a-z]+ [a-z]+", text):
            yield getattr(node, "lineno", 0), text


def public_names(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.lineno, node.name
            if isinstance(node, ast.FunctionDef):
                arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                yield from ((node.lineno, argument.arg) for argument in arguments)


def test_the_list_is_long_enough_and_finds_each_of_its_words() -> None:
    assert len(PHRASES) >= 30
    assert phrases_in("The file is told of, and goes on when it is whole.") == ["told", "goes on", "is whole"]
    assert phrases_in("`told` and {told} are code.") == []
    assert all(re.compile(phrase) for phrase in PHRASES)


@pytest.mark.parametrize("entry", list(catalogue()), ids=lambda entry: entry.code)
def test_errors_are_written_plainly(entry: type[BridgeError]) -> None:
    assert phrases_in(f"{entry.summary} {entry.remedy}") == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_settings_are_described_plainly(name: str) -> None:
    assert phrases_in(Settings.model_fields[name].description or "") == []


def test_texts_in_the_code_are_written_plainly() -> None:
    """Log lines, reasons, sentences of the doctor, output of commands."""
    stilted = [
        f"{path.relative_to(ROOT)}:{line}: {phrases}"
        for path, module in modules().items()
        for line, text in sentences(module)
        if (phrases := phrases_in(text))
    ]
    assert stilted == []


def test_the_help_of_commands_is_written_plainly() -> None:
    stilted = [
        f"{path.relative_to(ROOT)}:{docstring.lineno}: {phrases}"
        for path, module in modules().items()
        if path.is_relative_to(ROOT / "cli")
        for docstring in docstrings(module)
        if (phrases := phrases_in(str(docstring.value)))
    ]
    assert stilted == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_written_plainly(page: Path) -> None:
    stilted = {
        number: phrases
        for number, line in enumerate(plain(page.read_text()).splitlines(), 1)
        if (phrases := phrases_in(line))
    }
    assert stilted == {}


def test_public_names_are_plain() -> None:
    dialect = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, module in modules().items()
        for line, name in [(0, path.stem), *public_names(module)]
        if name not in ALLOWED_NAMES
        if name in NAMES or WORDS & {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
    ]
    assert dialect == []
