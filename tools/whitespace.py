"""Checks that text files end with one line feed and have no trailing whitespace and no carriage return.

python tools/whitespace.py                # every file that git tracks
python tools/whitespace.py --fix FILE …   # clean these files
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path


def cleaned(content: bytes) -> bytes:
    """The cleaned content. Binary content, recognised by a NUL, is unchanged."""
    if b"\0" in content:
        return content
    lines = re.sub(rb"[ \t\r]+$", b"", content, flags=re.MULTILINE)
    return lines.rstrip(b"\n") + b"\n" if lines.strip(b"\n") else b""


def tracked() -> list[Path]:
    """All tracked files."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout  # noqa: S607 - git of the PATH
    return [Path(name) for name in listed.decode().split("\0")[:-1]]


def main() -> int:
    """List the files that are not clean; with --fix, clean them. Exit status 1: some are not clean."""
    parser = argparse.ArgumentParser(
        description="Checks for trailing whitespace and for one line feed at the end of each file."
    )
    parser.add_argument("--fix", action="store_true", help="clean the files")
    parser.add_argument("files", nargs="*", type=Path, help="default: all files that git tracks")
    arguments = parser.parse_args()
    status = 0
    for file in arguments.files or tracked():
        if file.is_symlink() or not file.is_file():
            continue
        content = file.read_bytes()
        if (clean := cleaned(content)) == content:
            continue
        if arguments.fix:
            file.write_bytes(clean)
            print(f"{file}: cleaned")
        else:
            print(f"{file}: trailing whitespace, or not exactly one line feed at the end")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
