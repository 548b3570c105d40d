"""Checks a commit message: a subject of at most 72 characters, an empty line, and a body that says why.

Git runs it as the hook `commit-msg` (`make hooks`) with the file that holds the message.
"""

import sys
from pathlib import Path
from typing import Final

SUBJECT_LENGTH: Final = 72
#: What git writes under the message with `commit --verbose` starts here.
_SCISSORS: Final = "# ------------------------ >8 ------------------------"
#: Written by git itself, or folded into another commit before it is pushed.
_EXEMPT: Final = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")


def problems(message: str) -> list[str]:
    """What is wrong with a message, a sentence each; nothing where it is fine."""
    lines = [line.rstrip() for line in message.partition(_SCISSORS)[0].splitlines() if not line.startswith("#")]
    while lines and not lines[0]:
        del lines[0]
    if not lines:
        return []  # git itself refuses an empty message
    subject, *others = lines
    if subject.startswith(_EXEMPT):
        return []
    found = []
    if len(subject) > SUBJECT_LENGTH:
        found.append(f"The subject has {len(subject)} characters, more than {SUBJECT_LENGTH}.")
    if subject.endswith("."):
        found.append("The subject ends with a full stop.")
    if others and others[0]:
        found.append("The line after the subject is not empty.")
    if not any(others):
        found.append("There is no body: say in a sentence why.")
    return found


def main() -> int:
    """Print what is wrong with the message in the file. Exit status 1: something is."""
    found = problems(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
