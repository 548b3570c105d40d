"""Git hooks, editor set-up and test selection: they name only programs and targets that exist."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.missing import missing
from tools.commit_message import problems
from tools.whitespace import cleaned

ROOT = Path(__file__).parents[2]
BODY = "\n\nThe reason is a sentence.\n"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def hooks() -> list[dict[str, Any]]:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    declared: list[dict[str, Any]] = repository["hooks"]
    return declared


def pre_commit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the hooks, with the files of pre-commit in a folder of the test."""
    return subprocess.run(
        [Path(sys.executable).with_name("pre-commit"), *arguments],
        cwd=ROOT,
        env={**os.environ, "PRE_COMMIT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


# Hooks


def test_every_hook_is_a_program_of_the_environment() -> None:
    for hook in hooks():
        assert hook["language"] == "system"
        program, *arguments = hook["entry"].split(" ")
        assert program.startswith(".venv/bin/")
        assert Path(sys.executable).with_name(Path(program).name).exists()
        assert all((ROOT / argument).exists() for argument in arguments if argument.endswith(".py"))


def test_the_hooks_accept_clean_files(tmp_path: Path) -> None:
    run = pre_commit(tmp_path, "run", "--files", "README.md", "tools/whitespace.py")
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("Passed") == len(hooks()) - 1


@pytest.mark.parametrize(("message", "accepted"), [("A subject" + BODY, True), ("x" * 73 + BODY, False)])
def test_a_commit_message_is_checked_before_the_commit(tmp_path: Path, message: str, *, accepted: bool) -> None:
    file = tmp_path / "message"
    file.write_text(message)
    run = pre_commit(tmp_path, "run", "--hook-stage", "commit-msg", "--commit-msg-filename", str(file))
    assert (run.returncode == 0) is accepted, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("x" * 73 + BODY, "The subject has 73 characters, more than 72."),
        ("A subject." + BODY, "The subject ends with a full stop."),
        ("A subject\nand more of it\n", "The line after the subject is not empty."),
        ("A subject\n", "There is no body: say in a sentence why."),
        ("A subject\n\n# A comment of git\n", "There is no body: say in a sentence why."),
    ],
)
def test_a_message_is_refused_with_the_reason(message: str, problem: str) -> None:
    assert problems(message) == [problem]


@pytest.mark.parametrize(
    "message",
    [
        "x" * 72 + BODY,
        "# A comment of git\n\nA subject" + BODY,
        "A subject" + BODY + "# ------------------------ >8 ------------------------\n" + "x" * 100 + "\n",
        "Merge branch 'main' of a repository whose address makes the line much longer than others",
        "fixup! A subject",
        "",
    ],
)
def test_a_message_that_follows_the_rules_is_accepted(message: str) -> None:
    assert problems(message) == []


@pytest.mark.parametrize(
    ("content", "clean"),
    [
        (b"a\n", b"a\n"),
        (b"a", b"a\n"),
        (b"a\n\n\n", b"a\n"),
        (b"a \nb\t\n", b"a\nb\n"),
        (b"a\r\nb\r\n", b"a\nb\n"),
        (b"", b""),
        (b"\n\n", b""),
        (b"a \0", b"a \0"),
    ],
)
def test_trailing_whitespace_and_line_ends_are_cleaned(content: bytes, clean: bytes) -> None:
    assert cleaned(content) == clean
    assert cleaned(clean) == clean


# Test selection: fast, full and nightly

MARKED = """
import pytest

@pytest.mark.nightly
def test_long():
    pass

def test_short():
    pass
"""


def collected(folder: Path, text: str, *options: str) -> tuple[int, set[str]]:
    """The exit status of pytest with this repository's configuration, and the tests that it ran."""
    (folder / "test_marked.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-v", "-p", "tests.conftest", *options, str(folder)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return process.returncode, set(re.findall(r"::(\w+) PASSED", process.stdout))


def test_a_test_marked_nightly_runs_with_the_option_nightly_only(tmp_path: Path) -> None:
    assert collected(tmp_path, MARKED) == (0, {"test_short"})
    assert collected(tmp_path, MARKED, "-m", "not slow") == (0, {"test_short"})
    assert collected(tmp_path, MARKED, "--nightly") == (0, {"test_long"})


def test_a_nightly_run_may_be_empty_and_another_run_may_not(tmp_path: Path) -> None:
    assert collected(tmp_path, "", "--nightly") == (0, set())
    assert collected(tmp_path, "")[0] == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_missing_prerequisite_fails_in_ci_and_skips_elsewhere(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="a browser is not installed"):
        missing("a browser is not installed")


# Editor set-up


def test_editor_tasks_are_make_targets() -> None:
    tasks = json.loads((ROOT / ".vscode" / "tasks.json").read_text())["tasks"]
    named = [command.removeprefix("make ") for task in tasks if (command := task["command"]).startswith("make ")]
    assert named
    assert set(named) <= TARGETS
    labels = {task["label"] for task in tasks}
    launched = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]
    assert {name for each in launched if (name := each.get("preLaunchTask"))} <= labels


def test_the_modules_of_the_launch_configurations_exist() -> None:
    launched = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]
    modules = {each["module"] for each in launched if "module" in each}
    assert "local.host" in modules
    assert [module for module in modules if find_spec(module) is None] == []
    options = {option for each in launched for option in each.get("args", ()) if option.startswith("--")}
    host = (ROOT / "local" / "host" / "__main__.py").read_text()
    assert [option for option in options if f'"{option}"' not in host] == []


def test_the_dev_container_has_the_recommended_extensions() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text())["recommendations"]
    assert container["customizations"]["vscode"]["extensions"] == recommended
    version = (ROOT / ".python-version").read_text().strip()
    assert container["image"].startswith(f"python:{version}-")
    assert "make setup" in container["postCreateCommand"]
    assert json.loads((ROOT / ".vscode" / "settings.json").read_text())["azureFunctions.projectLanguageModel"] == 2
