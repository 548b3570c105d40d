"""The reference pages say what the code says."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.reference import errors_page, settings_page
from shared.broadcast import State
from shared.config.settings import Settings, setting_names
from shared.rejects import RejectReason

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_settings_page_is_the_one_that_the_code_prints() -> None:
    assert (ROOT / "docs" / "reference" / "settings.md").read_text() == settings_page()


def test_the_errors_page_is_the_one_that_the_code_prints() -> None:
    assert (ROOT / "docs" / "reference" / "errors.md").read_text() == errors_page()


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_state_is_explained_on_the_map() -> None:
    explained = (ROOT / "docs" / "reference" / "map.md").read_text()
    assert [state for state in State if state not in explained] == []


def test_every_reason_to_reject_a_row_is_explained() -> None:
    of_response_files = {
        RejectReason.TYPE_MISSING,
        RejectReason.RECIPIENT_MISSING,
        RejectReason.DATE_INVALID,
        RejectReason.NOT_TEXT,
    }
    explained = (ROOT / "docs" / "reference" / "delivery-files.md").read_text()
    assert [reason for reason in RejectReason if f"`{reason}`" not in explained] == sorted(
        of_response_files, key=list(RejectReason).index
    )


@pytest.mark.parametrize("command", ["demo", "setup", "doctor", "db", "status", "broadcasts", "settings", "errors"])
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    "command",
    [
        "broadcasts",
        "broadcast show",
        "broadcast retry",
        "broadcast resolve",
        "broadcast cancel",
        "broadcast pause",
        "broadcast stop",
        "test-send",
        "setup",
        "doctor",
        "schema-map show",
        "db migrate",
        "db status",
    ],
)
def test_every_command_of_an_operator_is_documented(command: str) -> None:
    assert f"bridge {command}" in (ROOT / "docs" / "how-to" / "operate.md").read_text()


def test_a_command_without_settings_says_which_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, ["broadcasts"])
    assert result.exit_code == 1
    assert "RS_DB" in result.stderr
    assert "settings-invalid" in result.stderr


def test_resume_does_not_take_another_number_of_recipients(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--resume", "--recipients", "5", "--folder", str(tmp_path)])
    assert result.exit_code == 2
    assert "--resume goes on with what it began with" in result.stderr


def test_a_demo_of_what_a_route_cannot_do_is_refused_and_told_what_it_can(tmp_path: Path) -> None:
    arguments = ["--route", "closed loop", "--send", "upload only", "--folder", str(tmp_path / "demo")]
    result = CliRunner().invoke(app, ["demo", *arguments])
    assert result.exit_code == 2
    assert "'after import'" in result.stderr
    assert not (tmp_path / "demo").exists()
