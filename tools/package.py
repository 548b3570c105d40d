"""Builds the deployment package from a commit: `make package`.

The same commit gives the same bytes on every machine: files come from git and not from the working tree, sorted by
name, with a fixed time stamp and mode, and uncompressed, because compression libraries differ.

    python -m tools.package                       # dist/broadcast-bridge.zip; Azure installs requirements.txt
    python -m tools.package --with-dependencies   # dist/broadcast-bridge-whole.zip; Azure installs nothing

The import time it prints is measured in an environment with only the packages of requirements.txt.
"""

import argparse
import hashlib
import statistics
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from shared.config.version import COMMIT_FILE, with_commit

ROOT: Final = Path(__file__).resolve().parents[1]
#: The files of the function app. `.funcignore` says the same to azd and Core Tools; a test compares the two.
_FILES: Final = frozenset({"function_app.py", "host.json", "requirements.txt"})
_FOLDER, _SUFFIXES = "shared", (".py", ".sql")
#: Channels and schema map are beside host.json; this is the only TOML file there that is not part of the app.
_NOT_CONFIGURATION: Final = "pyproject.toml"
#: Where the worker of Azure finds packages.
_PACKAGES: Final = ".python_packages/lib/site-packages"
#: The Linux of Flex Consumption, as a platform tag of wheels.
_PLATFORM: Final = "x86_64-manylinux_2_28"
_PYTHON: Final = "3.13"
#: Written by the installer: they differ between machines, and nothing reads them at run time.
_INSTALLER_FILES: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"})
#: The oldest time that a zip file can store.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = "100644"
_IMPORTS: Final = 5
#: Runs in the environment: imports from the path in argv, prints the duration.
_IMPORT: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
started = time.perf_counter()
import function_app
print(time.perf_counter() - started)
"""
#: The file with the commit of the code.
STAMP: Final = COMMIT_FILE.relative_to(ROOT).as_posix()


class PackageError(Exception):
    """The package cannot be built; the message says why."""


def committed(root: Path, commit: str = "HEAD") -> dict[str, bytes]:
    """The files of the function app in a commit, by path; the default is the checked-out commit.

    Raises:
        PackageError: there is no commit, or a file is not a regular one, for example a link.
    """
    blobs = {}
    for entry in _git(root, "ls-tree", "-r", "-z", "--full-tree", commit).decode().split("\0")[:-1]:
        details, _, path = entry.partition("\t")
        mode, _, blob = details.split(" ")
        if not _belongs_to_app(path):
            continue
        if mode != _PLAIN_FILE:
            raise PackageError(f"{path} has the mode {mode} in git: only regular files may be in the package")
        blobs[path] = blob
    if not blobs.keys() >= _FILES:
        raise PackageError(f"not committed: {', '.join(sorted(_FILES - blobs.keys()))}")
    return dict(zip(blobs, _read_blobs(root, list(blobs.values())), strict=True))


def package_contents(root: Path, commit: str = "HEAD") -> dict[str, bytes]:
    """The content of the package: the committed files, and a file with the commit for the app.

    Raises:
        PackageError: as for `committed`.
    """
    full_hash = _git(root, "rev-parse", "--verify", f"{commit}^{{commit}}")
    return committed(root, full_hash.decode().strip()) | {STAMP: full_hash}


def _belongs_to_app(path: str) -> bool:
    folder, slash, _ = path.partition("/")
    if slash:
        return folder == _FOLDER and path.endswith(_SUFFIXES)
    return path in _FILES or (path.endswith(".toml") and path != _NOT_CONFIGURATION)


def _read_blobs(root: Path, ids: list[str]) -> Iterator[bytes]:
    """Contents as stored by git, without the line endings of this machine."""
    output = _git(root, "cat-file", "--batch", stdin="\n".join(ids).encode())
    position = 0
    for _ in ids:
        end = output.index(b"\n", position)
        size = int(output[position:end].rsplit(b" ", 1)[1])
        yield output[end + 1 : end + 1 + size]
        position = end + size + 2


def dependencies(root: Path, requirements: bytes) -> dict[str, bytes]:
    """The packages of requirements.txt for Azure's Linux, verified by hash; files by path in the package.

    Raises:
        PackageError: the packages could not be installed.
    """
    with TemporaryDirectory() as folder:
        requirements_file, target = Path(folder, "requirements.txt"), Path(folder, "packages")
        requirements_file.write_bytes(requirements)
        arguments = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--target", str(target)]
        _uv(
            root,
            "pip",
            "install",
            *arguments,
            "--python-version",
            _PYTHON,
            "--python-platform",
            _PLATFORM,
            "-r",
            str(requirements_file),
        )
        return {
            f"{_PACKAGES}/{name}": path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
            and path.name not in _INSTALLER_FILES
            # Commands contain the path of this machine's Python.
            and not (name := path.relative_to(target).as_posix()).startswith("bin/")
        }


def write(contents: Mapping[str, bytes], file: Path) -> str:
    """Write the package.

    Returns:
        The SHA-256 of the package.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as package:
        for path in sorted(contents):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3  # Unix, even when built on Windows: otherwise the mode is ignored
            entry.external_attr = 0o100644 << 16
            package.writestr(entry, contents[path])
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def empty_environment(root: Path, requirements: Path, folder: Path) -> Path:
    """Create an environment with only the packages of requirements.txt.

    Returns:
        Its Python.

    Raises:
        PackageError: the environment could not be created.
    """
    _uv(root, "venv", "--quiet", "--no-project", "--python", _PYTHON, str(folder))
    python = folder / "bin" / "python"
    _uv(root, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements))
    return python


def import_seconds(root: Path, file: Path) -> list[float]:
    """Durations of several imports of function_app from the package. The first one compiles everything.

    Raises:
        PackageError: function_app could not be imported.
    """
    with TemporaryDirectory() as folder:
        app = Path(folder, "app")
        with zipfile.ZipFile(file) as package:
            package.extractall(app)
        python = empty_environment(root, app / "requirements.txt", Path(folder, "environment"))
        return [float(_run([str(python), "-I", "-c", _IMPORT, str(app)], app)) for _ in range(_IMPORTS)]


def uncommitted(root: Path) -> list[str]:
    """Files of the app that are new, changed or deleted in the working tree; the package has the committed version.

    Raises:
        PackageError: git failed.
    """
    arguments = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    # Each entry: two letters, a space, the path.
    paths = (entry[3:] for entry in _git(root, *arguments).decode().split("\0"))
    return sorted(path for path in paths if _belongs_to_app(path))


def _git(root: Path, *arguments: str, stdin: bytes | None = None) -> bytes:
    return _run(["git", *arguments], root, stdin)


def _uv(root: Path, *arguments: str) -> None:
    command = _run(["sh", "tools/uv.sh"], root).decode().strip()
    # A path with a slash is relative to the root.
    _run([str(root / command) if "/" in command else command, *arguments], root)


def _run(command: list[str], folder: Path, stdin: bytes | None = None) -> bytes:
    try:
        return subprocess.run(command, cwd=folder, input=stdin, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise PackageError(f"{command[0]} is required but not installed") from None
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode(errors="replace").strip()
        raise PackageError(f"{' '.join(command[:3])} … failed: {output}") from None


def main() -> int:
    """Build the package and print its properties."""
    parser = argparse.ArgumentParser(prog="python -m tools.package", description="Builds the deployment package.")
    parser.add_argument("--with-dependencies", action="store_true", help="include the packages of requirements.txt")
    with_dependencies = parser.parse_args().with_dependencies
    file = ROOT / "dist" / ("broadcast-bridge-whole.zip" if with_dependencies else "broadcast-bridge.zip")
    try:
        commit = _git(ROOT, "rev-parse", "HEAD").decode().strip()
        contents = package_contents(ROOT, commit)
        if with_dependencies:
            contents |= dependencies(ROOT, contents["requirements.txt"])
        digest = write(contents, file)
        first, *others = import_seconds(ROOT, file)
        changed = uncommitted(ROOT)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"package  {file.relative_to(ROOT)}")
    print(f"version  {with_commit(commit)}")
    print(f"commit   {commit}")
    print(f"SHA-256  {digest}")
    print(f"size     {file.stat().st_size:,} bytes, {len(contents):,} files")
    print(f"import   {first:.2f} s the first time, then {statistics.median(others):.2f} s (median of {len(others)})")
    if changed:
        print(f"Uncommitted changes, not in the package: {', '.join(changed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
