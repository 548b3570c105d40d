"""Which delimiter a line has: for errors about a file that is written with another one, without its text."""

from typing import Final

_NAMES: Final = {
    "\t": "tabs",
    ";": "semicolons",
    ",": "commas",
    "|": "pipes",
    "^": "carets",
    "~": "tildes",
    " ": "spaces",
}
#: Those that a line may have been written with; a space is in many names of columns.
_PROBABLE: Final = "\t;,|^~"


def in_words(line: str, delimiter: str) -> str:
    """How many columns a header has, and which delimiter it seems to have: `it has 1 column …`.

    Args:
        line: the header as it is in the file.
        delimiter: the one that it is read with.
    """
    columns = line.count(delimiter) + 1
    text = f"it has {columns} column{'s' * (columns != 1)} with {_name(delimiter)} as delimiter"
    probable = max(_PROBABLE, key=line.count)
    if probable == delimiter or line.count(probable) < columns:
        return text
    return f"{text}, and {line.count(probable) + 1} with {_name(probable)}, which it seems to be written with"


def _name(delimiter: str) -> str:
    return _NAMES.get(delimiter, f"“{delimiter}”")
