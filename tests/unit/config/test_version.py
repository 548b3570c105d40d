"""One version, with its commit: from git in a working tree, from a file in the package."""

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from shared.config import version as module
from shared.config.version import COMMIT_FILE, DESCRIBE, VERSION, version, with_commit

ROOT = Path(__file__).parents[3]
HASH = "1a2b3c4d5e6f7890123456789012345678901234"
PRINT = "from shared.config.version import version; print(version())"


def run(command: Sequence[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def printed(folder: Path, described: str | None) -> str:
    """The version that a copy of the module outside any working tree prints."""
    package = folder / "shared" / "config"
    package.mkdir(parents=True)
    shutil.copy(module.__file__, package)
    if described is not None:
        (package / COMMIT_FILE.name).write_text(described)
    return run([sys.executable, "-c", PRINT], folder)


def test_the_version_is_stated_once() -> None:
    assert importlib.metadata.version("broadcast-bridge") == VERSION
    assert f'"{VERSION}"' not in (ROOT / "pyproject.toml").read_text()


def test_a_working_tree_shows_the_commit_that_is_checked_out() -> None:
    commit = run(["git", "rev-parse", "HEAD"], ROOT)[:12]
    assert version().removesuffix(".dirty") == f"{VERSION}+{commit}"


def test_code_that_differs_from_its_commit_is_marked_dirty() -> None:
    assert with_commit(f"{HASH}-dirty") == f"{VERSION}+{HASH[:12]}.dirty"


@pytest.mark.parametrize("described", [f"{HASH}\n", HASH])
def test_a_package_shows_the_commit_in_its_file(tmp_path: Path, described: str) -> None:
    assert printed(tmp_path, described) == f"{VERSION}+{HASH[:12]}"


@pytest.mark.parametrize("described", [None, "", "fatal: not a git repository", "v1.0", HASH[:20]])
def test_a_package_without_a_known_commit_shows_the_version_alone(tmp_path: Path, described: str | None) -> None:
    assert printed(tmp_path, described) == VERSION


def test_without_git_a_working_tree_shows_the_version_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    version.cache_clear()
    try:
        assert version() == VERSION
    finally:
        version.cache_clear()


def test_git_describes_a_commit_the_same_in_every_clone(tmp_path: Path) -> None:
    run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(tmp_path)], ROOT)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    run(["git", *identity, "tag", "--annotate", "--message", "A tag", "v9"], tmp_path)
    described = run(DESCRIBE, tmp_path)
    assert described == run(["git", "rev-parse", "HEAD"], ROOT)
    (tmp_path / "README.md").write_text("changed")
    assert run(DESCRIBE, tmp_path) == f"{described}-dirty"


def test_the_command_prints_the_version_and_needs_no_settings() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"Broadcast Bridge {version()}\n")


def test_azd_writes_the_file_before_it_packages_and_removes_it_afterwards(tmp_path: Path) -> None:
    """The commands of azure.yaml in a clone; a working tree runs the same git command."""
    run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(tmp_path)], ROOT)
    (service,) = yaml.safe_load((ROOT / "azure.yaml").read_text())["services"].values()
    hooks = service["hooks"]
    file = tmp_path / COMMIT_FILE.relative_to(ROOT)
    for system in ("posix", "windows"):
        run(["sh", "-c", hooks["prepackage"][system]["run"]], tmp_path)
        assert file.read_text().strip() == run(DESCRIBE, tmp_path)
        run(["sh", "-c", hooks["postpackage"][system]["run"]], tmp_path)
        assert not file.exists()
