"""The deployment package: committed files only, only those that Azure needs, and reproducible."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shared.config.version import VERSION
from tools.package import STAMP, PackageError, committed, dependencies, package_contents, uncommitted, write

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments],  # noqa: S607 - git of the PATH
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Another clone of this repository."""
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", str(ROOT), "clone")
    return tmp_path / "clone"


def test_the_same_commit_gives_the_same_bytes_wherever_and_whenever_it_is_built(clone: Path, tmp_path: Path) -> None:
    for path in clone.joinpath("shared").rglob("*.py"):
        os.utime(path, (0, 0))
        path.chmod(0o755)
    before = os.umask(0o077)
    try:
        digests = {
            write(package_contents(folder), tmp_path / f"{number}.zip") for number, folder in enumerate((ROOT, clone))
        }
    finally:
        os.umask(before)
    assert len(digests) == 1
    assert (tmp_path / "0.zip").read_bytes() == (tmp_path / "1.zip").read_bytes()


def test_the_package_says_which_commit_it_is(clone: Path, tmp_path: Path) -> None:
    write(package_contents(clone), tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        package.extractall(tmp_path / "app")
    commit = git(clone, "rev-parse", "HEAD")
    assert (tmp_path / "app" / STAMP).read_text() == commit
    command = [sys.executable, "-c", "from shared.config.version import version; print(version())"]
    printed = subprocess.run(command, cwd=tmp_path / "app", capture_output=True, text=True, check=True).stdout
    assert printed == f"{VERSION}+{commit[:12]}\n"
    # It is written by the build; neither git nor azd takes an old one for it.
    assert package_contents(clone).keys() - committed(clone).keys() == {STAMP}
    assert git(clone, "check-ignore", STAMP).strip() == STAMP


def test_uncommitted_files_are_not_in_the_package(clone: Path) -> None:
    before = committed(clone)
    for path in ("local.settings.json", "shared/secret.py", "channels.toml"):
        (clone / path).write_text("secret")
    (clone / "function_app.py").write_text("changed")
    (clone / "host.json").unlink()
    git(clone, "add", "shared/secret.py")  # staged is not committed
    assert committed(clone) == before


def test_the_package_has_the_app_and_its_migrations_and_nothing_else() -> None:
    files = committed(ROOT)
    assert {path for path in files if "/" not in path} == {"function_app.py", "host.json", "requirements.txt"}
    folders = {path.partition("/")[0] for path in files if "/" in path}
    assert folders == {"shared"}
    assert "shared/ledger/migrations/0001_ledger.mssql.sql" in files
    assert all(
        files[path] == (git(ROOT, "show", f"HEAD:{path}").encode()) for path in ("host.json", "requirements.txt")
    )


def test_channels_and_schema_map_beside_host_json_are_in_the_package(clone: Path) -> None:
    for path in ("channels.toml", "schema-map.toml"):
        (clone / path).write_text("[channels.default]\n")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Configuration")
    assert {"channels.toml", "schema-map.toml"} <= committed(clone).keys()


def test_azd_and_core_tools_leave_out_the_same_files(clone: Path) -> None:
    """`.funcignore` has the syntax of `.gitignore`, so git itself can say what it leaves out."""
    (clone / "channels.toml").write_text("[channels.default]\n")
    shutil.copy(ROOT / ".funcignore", clone)
    for path in ("azure.yaml", "dist/broadcast-bridge.zip", "shared/__pycache__/a.pyc", "local.settings.json"):
        (clone / path).parent.mkdir(exist_ok=True)
        (clone / path).write_text("left out")
    git(clone, "add", "--all", "--force")
    git(clone, "commit", "--quiet", "--message", "All there is", "--allow-empty")
    every = git(clone, "ls-files", "--cached").splitlines()
    left_out = git(clone, "ls-files", "--cached", "--ignored", "--exclude-from=.funcignore").splitlines()
    assert set(every) - set(left_out) == set(committed(clone))


def test_uncommitted_files_of_the_app_are_listed(clone: Path) -> None:
    assert uncommitted(clone) == []
    for path in ("channels.toml", "shared/new folder.py", "README.md", "local/tool.py"):
        (clone / path).write_text("changed")
    (clone / "function_app.py").write_text("changed")
    (clone / "host.json").unlink()
    git(clone, "mv", "shared/rejects.py", "shared/refused.py")
    assert uncommitted(clone) == [
        "channels.toml",
        "function_app.py",
        "host.json",
        "shared/new folder.py",
        "shared/refused.py",
        "shared/rejects.py",
    ]


def test_failures_of_git_are_reported_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(PackageError, match=re.compile("not a git repository", re.IGNORECASE)):
        committed(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageError, match="git is required but not installed"):
        committed(tmp_path)


def test_a_link_does_not_get_into_the_package(clone: Path) -> None:
    (clone / "shared" / "link.py").symlink_to("/etc/hostname")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "A link")
    with pytest.raises(PackageError, match=r"shared/link\.py has the mode 120000"):
        committed(clone)


def test_a_commit_without_the_app_is_reported(clone: Path) -> None:
    git(clone, "rm", "--quiet", "host.json")
    git(clone, "commit", "--quiet", "--message", "No host.json")
    with pytest.raises(PackageError, match=r"not committed: host\.json"):
        committed(clone)


def test_entries_are_plain_files_that_everybody_may_read(tmp_path: Path) -> None:
    write({"b": b"2", "a": b"1"}, tmp_path / "package.zip")
    with zipfile.ZipFile(tmp_path / "package.zip") as package:
        entries = package.infolist()
    assert [entry.filename for entry in entries] == ["a", "b"]
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}
    assert {(entry.date_time[0], entry.compress_type) for entry in entries} == {(1980, zipfile.ZIP_STORED)}


def test_a_package_with_its_dependencies_needs_no_other_and_is_the_same_each_time(tmp_path: Path) -> None:
    """Where Azure does not install requirements.txt: only the package and Python's own library are there."""
    contents = committed(ROOT)
    once, again = (contents | dependencies(ROOT, contents["requirements.txt"]) for _ in range(2))
    assert once == again
    assert not [path for path in once if "/bin/" in path or path.endswith(("RECORD", ".pyc"))]
    write(once, tmp_path / "whole.zip")
    with zipfile.ZipFile(tmp_path / "whole.zip") as package:
        package.extractall(tmp_path / "app")
    code = (
        "import sys; sys.path[:0] = ['.', '.python_packages/lib/site-packages']\n"
        "import function_app, cryptography, pydantic_core, sqlalchemy\n"
        "print(len(function_app.app.get_functions()), cryptography.__file__)"
    )
    # -I and -S: no packages of this environment.
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path / "app", capture_output=True, text=True, check=True
    )
    number, place = ended.stdout.split()
    assert int(number) >= 10
    assert Path(tmp_path / "app", place).is_relative_to(tmp_path / "app" / ".python_packages")
