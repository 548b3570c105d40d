"""The commands in docs/how-to/deploy.md: local ones run, line by line; those for Azure are at least valid shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import catalogue

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
PAGES = {name: (ROOT / "docs" / "how-to" / name).read_text() for name in ("deploy.md", "pipelines.md")}


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """The fenced blocks: the info string of each, and its lines."""
    matches = re.findall(r"^ *```(\S.*)\n((?:.*\n)*?) *```$", text, flags=re.MULTILINE)
    return [(name, [line.strip() for line in body.splitlines()]) for name, body in matches]


def commands(text: str, name: str) -> list[str]:
    return [line.removeprefix("$ ") for info, lines in blocks(text) if info == name for line in lines]


def test_every_block_names_where_it_runs_and_has_one_command_per_line() -> None:
    for text in PAGES.values():
        assert text.count("```") == 2 * len(blocks(text)) > 0
        for info, lines in blocks(text):
            assert info in {"console run-here", "console azure", "console"}
            assert all(line.startswith("$ ") for line in lines)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of the last commit. It counts as set up, with the commands of this environment.

    It has no links into this environment, and its set-up script is replaced, because other tests use this environment
    at the same time and a set-up would change it.
    """
    here = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(here)], check=True)  # noqa: S607 - git of the PATH
    (here / "tools" / "setup.sh").write_text("echo 'set-up must not run here' >&2; exit 1\n")
    commands_of_venv = here / ".venv" / "bin"
    commands_of_venv.mkdir(parents=True)
    for name, more in (("python", ""), ("bridge", " -c 'from cli.main import main; main()'")):
        (commands_of_venv / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{more} "$@"\n')
        (commands_of_venv / name).chmod(0o755)
    (here / ".venv" / ".set-up").touch()  # newer than its prerequisites
    return here


@pytest.mark.slow
def test_the_local_commands_run_one_after_another(clone: Path, tmp_path: Path) -> None:
    ran = commands(PAGE, "console run-here")
    if shutil.which("ssh-keygen") is None and os.environ.get("CI") != "true":
        ran = [command for command in ran if not command.startswith("ssh-keygen")]
    environment = {
        **os.environ,
        "HOME": str(tmp_path),
        "PATH": f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}",  # for uv, if it is not installed
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv"),
        "PYTHONPATH": str(clone),
    }
    output = ""
    for command in ran:
        process = subprocess.run(
            ["bash", "-c", command],  # noqa: S607 - bash of the PATH
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, f"{command}: {process.stdout}{process.stderr}"
        output += process.stdout
    assert len(ran) >= 5
    printed = set(re.findall(r"^SHA-256 +([0-9a-f]{64})$", output, flags=re.MULTILINE))
    summed = set(re.findall(r"^([0-9a-f]{64})  dist/broadcast-bridge\.zip$", output, flags=re.MULTILINE))
    assert printed == summed
    assert len(printed) == 1
    assert "CREATE TABLE" in output
    assert "OPTIMIZELY_API_PASSWORD" in output


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_for_azure_are_valid_shell(name: str) -> None:
    shell = [re.sub(r"<[^<>]+>", "value", command) for command in commands(PAGES[name], "console azure")]
    assert shell
    assert [command for command in shell if subprocess.run(["bash", "-n", "-c", command], check=False).returncode] == []  # noqa: S607


def test_every_file_that_a_command_names_exists() -> None:
    """Files of this repository; infra/ has tests of its own."""
    text = "\n".join([*PAGES.values(), (ROOT / "docs" / "why" / "what-was-checked.md").read_text()])
    named = set(re.findall(r"(?:tools|tests|infra/sql|\.github/workflows|\.ci)/[\w./-]*\w\.(?:sh|py|yml|sql)", text))
    assert {"tools/deploy.sh", "tools/odbc.sh", "tests/flow/test_package.py"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_errors_that_the_page_names_are_in_the_catalogue() -> None:
    codes = {entry.code for entry in catalogue()}
    named = set(re.findall(r"`((?:schema|sftp|optimizely)-[a-z-]+)`", PAGE))
    secrets = {"optimizely-api-password", "sftp-private-key"}
    assert named - secrets
    assert named - secrets <= codes
