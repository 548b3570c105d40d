"""The text of a location in settings and in the channels file. Pure: no I/O.

`/mnt/deliveries` is a mounted folder, `container:deliveries/some/folder` a folder of a blob container, and
`sftp:partner/out/folder` the folder `/out/folder` on the SFTP site `partner` of the channels file.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

#: Azure's rule for names of containers and queues.
CONTAINER_NAME: Final = re.compile(r"(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*")
_SITE_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NOT_IN_FOLDERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


class LocationKind(StrEnum):
    """The kind of a location; its value is the text before the colon."""

    FOLDER = "folder"  #: mounted; written as its path alone
    CONTAINER = "container"
    SFTP = "sftp"


@dataclass(frozen=True, slots=True)
class ParsedLocation:
    """A location, parsed."""

    kind: LocationKind
    #: Name of the container or of the SFTP site; empty for a mounted folder.
    name: str
    #: Path of the folder: that of a mounted folder is absolute, the others begin and end without `/`.
    folder: str


def parse_location(text: str) -> ParsedLocation:
    """Parse the text of a location.

    Raises:
        ValueError: it is invalid; the message says why, without the text.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in {LocationKind.CONTAINER, LocationKind.SFTP}:
        name, _, folder = rest.partition("/")
        pattern, what = (CONTAINER_NAME, "container") if kind == LocationKind.CONTAINER else (_SITE_NAME, "site")
        if not pattern.fullmatch(name):
            raise ValueError(f"the name after '{kind}:' is not a valid name of a {what}")
        folder = folder.removesuffix("/")
        if folder and ({"", ".", ".."} & set(folder.split("/")) or _NOT_IN_FOLDERS.search(folder)):
            raise ValueError("a folder is written with '/' between names, and without '.' and '..'")
        return ParsedLocation(LocationKind(kind), name, folder)
    if not Path(text).is_absolute() or "\0" in text:
        raise ValueError("a location is an absolute path, 'container:<container>/<folder>' or 'sftp:<site>/<folder>'")
    return ParsedLocation(LocationKind.FOLDER, "", text)


def _location_text(text: str) -> str:
    parse_location(text)
    return text


LocationText = Annotated[str, AfterValidator(_location_text)]
