"""The docs match the code, and name only what exists."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.reference import commands
from shared.broadcast import State
from shared.config.settings import Settings
from shared.errors import catalogue
from shared.rejects import RejectReason
from tests.builders import setting_names
from tools import docs

ROOT = Path(__file__).parents[2]
COMMANDS = dict(commands(docs.group()))
#: Files of the repository that may name pages and paths, without the lock file and the corpus.
TEXTS = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the PATH
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if not name.startswith("tests/corpus/") and name != "package-lock.json" and (ROOT / name).is_file()
]
#: Pages for readers: those of docs/, and those next to the code.
PAGES = [path for path in TEXTS if path.suffix == ".md" and ".github" not in path.parts]
DOCS = [path for path in PAGES if path.is_relative_to(ROOT / "docs")]


def first_column(page: str, heading: str) -> list[str]:
    """The texts in backticks in the first column of those tables of a page whose first column has this heading."""
    cells, inside = [], False
    for line in (ROOT / "docs" / page).read_text().splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith(f"| {heading} |"):
            inside = True
        elif inside:
            cells += re.findall(r"`([^`]+)`", line.split("|")[1])
    return cells


@pytest.mark.parametrize("page", docs.pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    assert page.read_text() == docs.pages()[page], "run `make docs`"


def test_the_command_page_has_every_command_and_every_option() -> None:
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert len(COMMANDS) > 20
    for name, command in COMMANDS.items():
        (section,) = re.findall(rf"^## `{name}`\n(.*?)(?=^## |\Z)", page, flags=re.MULTILINE | re.DOTALL)
        written = re.findall(r"^\| `([^ `]+)", section, flags=re.MULTILINE)
        assert written == [
            each.opts[0] if each.param_type_name == "option" else str(each.name).upper() for each in command.params
        ]
    assert first_column("reference/cli.md", "Command") == list(COMMANDS)


def test_the_settings_page_has_every_setting() -> None:
    aliases = [field.alias for field in Settings.model_fields.values()]
    assert first_column("reference/settings.md", "Setting") == aliases


def test_the_errors_page_has_every_code() -> None:
    assert first_column("reference/errors.md", "Code") == [entry.code for entry in catalogue()]


def test_the_map_has_every_function() -> None:
    functions = re.findall(r"^def (\w+)\(\w+: func\.", (ROOT / "function_app.py").read_text(), flags=re.MULTILINE)
    assert len(functions) >= 10
    assert first_column("reference/map.md", "Function") == functions


def test_the_map_has_every_state() -> None:
    assert first_column("reference/map.md", "State") == list(State)


def test_the_modules_page_has_every_module() -> None:
    page = (ROOT / "docs" / "reference" / "modules.md").read_text()
    linked = set(re.findall(r"\]\(\.\./\.\./([\w/]+\.py)\)", page))
    assert linked == {
        str(path.relative_to(ROOT))
        for package in ("shared", "cli", "local", "tools")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }


def test_every_reason_to_reject_a_row_is_explained() -> None:
    of_response_files = {
        RejectReason.TYPE_MISSING,
        RejectReason.RECIPIENT_MISSING,
        RejectReason.DATE_INVALID,
        RejectReason.NOT_TEXT,
        RejectReason.DATABASE_RULE,
    }
    of_delivery_files = first_column("reference/delivery-files.md", "Reason")
    assert set(of_delivery_files) == set(RejectReason) - of_response_files
    assert len(of_delivery_files) == len(set(of_delivery_files))
    assert of_response_files < set(first_column("reference/response-files.md", "Reason")) < set(RejectReason)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [*command.split()[1:], "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_guide_names_each_command() -> None:
    guides = "\n".join(page.read_text() for page in DOCS if page.parent.name in {"how-to", "start"})
    assert [name for name in COMMANDS if name not in guides] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_command_in_a_block_is_bridge_without_a_path(page: Path) -> None:
    """On Debian, `bridge` is also a program of iproute2."""
    text = page.read_text()
    blocks = re.findall(r"^ *```.*?^ *```", text, flags=re.MULTILINE | re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if re.match(r" *(\$ )?bridge ", line)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", text):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_that_is_named_exists() -> None:
    named = {
        (str(path.relative_to(ROOT)), page)
        for path in TEXTS
        for page in re.findall(r"(?<![\w./-])docs/[\w./-]*\.md", _text(path))
    }
    assert len(named) > 20
    assert {(path, page) for path, page in named if not (ROOT / page).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    rooms = r"(?:shared|cli|local|tests|tools|bench|infra|integrations|docs|\.github)"
    named = re.findall(rf"(?<![\w./-])({rooms}/[\w./-]*)(?![\w*<…{{])", page.read_text())
    paths = [ROOT / path.rstrip(".") for path in named]
    assert [path for path in paths if not path.exists() and not path.with_name(f"{path.name}.py").exists()] == []


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+\.md)\)", index.read_text())}
    assert set(DOCS) - {index} <= linked


def test_every_cited_source_and_rule_is_in_the_repository() -> None:
    """Sources and rules, by their names and numbers in the pages."""
    pages = {name: (ROOT / "docs" / "why" / f"{name}.md").read_text() for name in ("sources", "rules")}
    for path in TEXTS:
        text = " ".join(_text(path).replace("\n#:", " ").replace("\n#", " ").split())
        for product, numbers in re.findall(r"docs/why/sources\.md, (\w+) (\d[\d.]*(?:(?:, | and )\d[\d.]*)*)", text):
            for number in re.findall(r"\d+(?:\.\d+)*", numbers):
                assert f"\n### {product} {number}: " in pages["sources"], f"{path}: {product} {number}"
        for number in re.findall(r"\brule (\d+)\b", text):
            assert f"\n{number}. " in pages["rules"], f"{path}: rule {number}"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def test_the_sample_settings_name_every_required_setting_and_no_unknown_one() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    required = {str(field.alias) for field in Settings.model_fields.values() if field.is_required()}
    known = {*setting_names(), "FUNCTIONS_WORKER_RUNTIME"}
    assert required <= sample.keys() <= known


def test_the_sample_settings_name_every_setting_that_a_trigger_reads() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    read_by_triggers = set(re.findall(r'"%(\w+)%"', (ROOT / "function_app.py").read_text()))
    assert read_by_triggers
    assert read_by_triggers <= sample.keys()


def test_a_command_without_settings_names_the_missing_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, ["broadcasts"])
    assert result.exit_code == 1
    assert "RS_DB" in result.stderr
    assert "settings-invalid" in result.stderr


def test_resume_refuses_another_number_of_recipients(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--resume", "--recipients", "5", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert "resumed with its own options" in result.stderr


def test_a_demo_of_an_unsupported_send_mode_is_refused_with_the_supported_ones(tmp_path: Path) -> None:
    arguments = ["--route", "closed loop", "--send", "upload only", "--folder", str(tmp_path / "demo")]
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code == 2
    assert "'after import'" in result.stderr
    assert not (tmp_path / "demo").exists()


def test_the_readme_shows_the_output_of_the_demo() -> None:
    readme = (ROOT / "README.md").read_text()
    demo = "\n".join(path.read_text() for path in (ROOT / "local" / "demo").glob("*.py"))
    ticks = re.findall(r"^ +✓ (.+)$", readme, flags=re.MULTILINE)
    states = re.findall(r"^ +[\d.]+ s  Broadcast \S+ is \w+: (.+)\.$", readme, flags=re.MULTILINE)
    assert len(ticks) >= 3
    assert len(states) >= 3
    assert [text for text in [*ticks, *states] if text not in demo] == []
