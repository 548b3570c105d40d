"""Names of columns and fields as they are compared: in settings and in the headers of files. Pure: no I/O."""

from shared.config.invisible import visible


def loose_name(name: str) -> str:
    """A name without case, white space, `_` and `-`: `First Name` is `first_name`."""
    return key_column_name(name.replace("-", ""))


def key_column_name(name: str) -> str:
    """The name of a key column of a delivery file without case, white space and `_`; there, `-` counts."""
    return "".join(visible(name).replace("_", " ").split()).casefold()
