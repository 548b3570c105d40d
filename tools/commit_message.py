"""Checks a commit message: a subject of at most 72 characters, an empty line, and a body that says why.

Git runs it as the hook `commit-msg` (`make hooks`) with the file that holds the message.
"""

import sys
from pathlib import Path
from typing import Final

SUBJECT_LENGTH: Final = 72
#: Below this line is the diff that `commit --verbose` appends.
_SCISSORS: Final = "# ------------------------ >8 ------------------------"
#: Written by git itself, or folded into another commit before it is pushed.
_EXEMPT: Final = ("Merge ", "Revert ", "fixup! ", "squash! ", "amend! ")


def problems(message: str) -> list[str]:
    """The problems of a message, a sentence each."""
    lines = [line.rstrip() for line in message.partition(_SCISSORS)[0].splitlines() if not line.startswith("#")]
    while lines and not lines[0]:
        del lines[0]
    if not lines:
        return []  # git itself refuses an empty message
    subject, *others = lines
    if subject.startswith(_EXEMPT):
        return []
    messages = []
    if len(subject) > SUBJECT_LENGTH:
        messages.append(f"The subject has {len(subject)} characters, more than {SUBJECT_LENGTH}.")
    if subject.endswith("."):
        messages.append("The subject ends with a full stop.")
    if others and others[0]:
        messages.append("The line after the subject is not empty.")
    if not any(others):
        messages.append("There is no body: say in a sentence why.")
    return messages


def main() -> int:
    """Print the problems of the message in the file. Exit status 1: it has some."""
    messages = problems(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for problem in messages:
        print(problem, file=sys.stderr)
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main())
