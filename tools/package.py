"""Builds the deployment package from what is committed: `make package`.

The same commit gives the same bytes on every machine: files come from git, not from the work tree, in the order of
their names, with one time stamp and one mode, and uncompressed, for libraries of compression differ.

    python -m tools.package                       # dist/broadcast-bridge.zip; Azure installs requirements.txt
    python -m tools.package --with-dependencies   # dist/broadcast-bridge-whole.zip; Azure installs nothing

What it prints of the import is measured in an environment that has the packages of requirements.txt and nothing else.
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

ROOT: Final = Path(__file__).resolve().parents[1]
#: What the function app is made of. `.funcignore` says the same to azd and Core Tools; a test compares the two.
_FILES: Final = frozenset({"function_app.py", "host.json", "requirements.txt"})
_FOLDER, _SUFFIXES = "shared", (".py", ".sql")
#: Channels and schema map lie beside host.json; this is the one TOML file there that is not the app's.
_NOT_CONFIGURATION: Final = "pyproject.toml"
#: Where the worker of Azure looks for packages.
_PACKAGES: Final = ".python_packages/lib/site-packages"
#: Linux of Flex Consumption, as wheels name it.
_PLATFORM: Final = "x86_64-manylinux_2_28"
_PYTHON: Final = "3.13"
#: Written by the installer; they differ from machine to machine, and nothing reads them at run time.
_OF_THE_INSTALLER: Final = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json", ".lock"})
#: The oldest time that a zip file can hold.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = "100644"
_IMPORTS: Final = 5
#: Run in the environment: where from, and how long.
_IMPORT: Final = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.perf_counter()
import function_app
print(time.perf_counter() - began)
"""


class PackageError(Exception):
    """The package cannot be built; the text says why."""


def committed(root: Path, commit: str = "HEAD") -> dict[str, bytes]:
    """The files of the function app as they are in a commit, by path; without one, in that which is checked out.

    Raises:
        PackageError: there is no commit, or one of the files is not a plain one, such as a link.
    """
    found = {}
    for entry in _git(root, "ls-tree", "-r", "-z", "--full-tree", commit).decode().split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        mode, _, blob = about.split(" ")
        if not _is_of_the_app(path):
            continue
        if mode != _PLAIN_FILE:
            raise PackageError(f"{path} has the mode {mode} in git: only plain files belong into the package")
        found[path] = blob
    if not found.keys() >= _FILES:
        raise PackageError(f"not committed: {', '.join(sorted(_FILES - found.keys()))}")
    return dict(zip(found, _blobs(root, list(found.values())), strict=True))


def _is_of_the_app(path: str) -> bool:
    folder, slash, _ = path.partition("/")
    if slash:
        return folder == _FOLDER and path.endswith(_SUFFIXES)
    return path in _FILES or (path.endswith(".toml") and path != _NOT_CONFIGURATION)


def _blobs(root: Path, ids: list[str]) -> Iterator[bytes]:
    """Contents as git keeps them: line ends are not those of this machine."""
    answer = _git(root, "cat-file", "--batch", given="\n".join(ids).encode())
    at = 0
    for _ in ids:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].rsplit(b" ", 1)[1])
        yield answer[end + 1 : end + 1 + size]
        at = end + size + 2


def dependencies(root: Path, requirements: bytes) -> dict[str, bytes]:
    """The packages of requirements.txt for Azure's Linux, each file checked by its hash, by path in the package.

    Raises:
        PackageError: they could not be installed.
    """
    with TemporaryDirectory() as folder:
        listed, target = Path(folder, "requirements.txt"), Path(folder, "packages")
        listed.write_bytes(requirements)
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
            str(listed),
        )
        return {
            f"{_PACKAGES}/{name}": path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
            and path.name not in _OF_THE_INSTALLER
            # Commands name the Python of this machine.
            and not (name := path.relative_to(target).as_posix()).startswith("bin/")
        }


def write(contents: Mapping[str, bytes], file: Path) -> str:
    """Write the package.

    Returns:
        Its SHA-256.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as package:
        for path in sorted(contents):
            entry = zipfile.ZipInfo(path, _TIME)
            entry.create_system = 3  # Unix, also where it is built on Windows: else the mode means nothing
            entry.external_attr = 0o100644 << 16
            package.writestr(entry, contents[path])
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def empty_environment(root: Path, requirements: Path, folder: Path) -> Path:
    """Make an environment with the packages of requirements.txt and nothing else.

    Returns:
        Its Python.

    Raises:
        PackageError: it could not be made.
    """
    _uv(root, "venv", "--quiet", "--no-project", "--python", _PYTHON, str(folder))
    python = folder / "bin" / "python"
    _uv(root, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements))
    return python


def import_seconds(root: Path, file: Path) -> list[float]:
    """How long function_app takes to be imported from the package, time after time. The first compiles everything.

    Raises:
        PackageError: it could not be imported.
    """
    with TemporaryDirectory() as folder:
        app = Path(folder, "app")
        with zipfile.ZipFile(file) as package:
            package.extractall(app)
        python = empty_environment(root, app / "requirements.txt", Path(folder, "environment"))
        return [float(_run([str(python), "-I", "-c", _IMPORT, str(app)], app)) for _ in range(_IMPORTS)]


def uncommitted(root: Path) -> list[str]:
    """Files of the app that are new, changed or gone in the work tree: the package does not have them so.

    Raises:
        PackageError: git could not tell.
    """
    arguments = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    # Of each: two letters, a space, the path.
    paths = (entry[3:] for entry in _git(root, *arguments).decode().split("\0"))
    return sorted(path for path in paths if _is_of_the_app(path))


def _git(root: Path, *arguments: str, given: bytes | None = None) -> bytes:
    return _run(["git", *arguments], root, given)


def _uv(root: Path, *arguments: str) -> None:
    command = _run(["sh", "tools/uv.sh"], root).decode().strip()
    # A path with a slash in it is one from the root.
    _run([str(root / command) if "/" in command else command, *arguments], root)


def _run(command: list[str], folder: Path, given: bytes | None = None) -> bytes:
    try:
        return subprocess.run(command, cwd=folder, input=given, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise PackageError(f"{command[0]} is needed and not installed") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode(errors="replace").strip()
        raise PackageError(f"{' '.join(command[:3])} … failed: {told}") from None


def main() -> int:
    """Build the package and say what it is."""
    parser = argparse.ArgumentParser(prog="python -m tools.package", description="Builds the deployment package.")
    parser.add_argument(
        "--with-dependencies", action="store_true", help="put the packages of requirements.txt into it as well"
    )
    whole = parser.parse_args().with_dependencies
    file = ROOT / "dist" / ("broadcast-bridge-whole.zip" if whole else "broadcast-bridge.zip")
    try:
        commit = _git(ROOT, "rev-parse", "HEAD").decode().strip()
        contents = committed(ROOT, commit)
        if whole:
            contents |= dependencies(ROOT, contents["requirements.txt"])
        digest = write(contents, file)
        first, *others = import_seconds(ROOT, file)
        left_out = uncommitted(ROOT)
    except PackageError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"package  {file.relative_to(ROOT)}")
    print(f"commit   {commit}")
    print(f"SHA-256  {digest}")
    print(f"size     {file.stat().st_size:,} bytes, {len(contents):,} files")
    print(f"import   {first:.2f} s the first time, then {statistics.median(others):.2f} s (median of {len(others)})")
    if left_out:
        print(f"Not committed, and so not in the package as it is in the work tree: {', '.join(left_out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
