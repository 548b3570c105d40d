"""The version of the bridge, and the commit that its code comes from.

`VERSION` is the only place that states the version: pyproject.toml reads it from here. In a package, a file that the
build adds contains the commit; in a working tree, git provides it.
"""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

VERSION: Final = "0.1.0"

#: Written by `make package` and by azd before it packages; its only line is the output of `git describe`.
COMMIT_FILE: Final = Path(__file__).with_name("commit.txt")
#: Number of characters of a commit's hash in a version; fixed, so that all clones show the same.
_SHOWN: Final = 12
_ROOT: Final = Path(__file__).parents[2]
#: The hash of the commit, with `-dirty` after it where a tracked file has changed since.
DESCRIBE: Final = ("git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
_PATIENCE_SECONDS: Final = 10


@cache
def version() -> str:
    """The version with its commit, such as `0.1.0+1a2b3c4d5e6f`; the version alone where no commit is known.

    Code that differs from the commit has `.dirty` at the end.
    """
    return with_commit(_commit())


def with_commit(described: str) -> str:
    """The version with a commit as `git describe` prints it: a hash, perhaps with `-dirty`.

    The version alone for any other text.
    """
    match = re.fullmatch(r"([0-9a-f]{40})(?:-(dirty))?", described)
    return ".".join(filter(None, (f"{VERSION}+{match[1][:_SHOWN]}", match[2]))) if match else VERSION


def _commit() -> str:
    if not (_ROOT / ".git").exists():
        return COMMIT_FILE.read_text(encoding="utf-8", errors="ignore").strip() if COMMIT_FILE.exists() else ""
    try:
        described = subprocess.run(
            DESCRIBE, cwd=_ROOT, capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return ""  # git is not installed, or the repository has another owner
    return described.stdout.strip()
