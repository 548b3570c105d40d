"""How a place is written in settings and in the channels file. Pure: no I/O.

`/mnt/deliveries` is a mounted folder, `container:deliveries/some/folder` a folder of a blob container, and
`sftp:partner/out/folder` the folder `/out/folder` on the SFTP site `partner` of the channels file.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

_CONTAINER_NAME: Final = re.compile(r"(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*")
_SITE_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_NOT_IN_FOLDERS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")


class PlaceKind(StrEnum):
    """What a place is; the value stands before the colon."""

    FOLDER = "folder"  #: mounted: written as its path alone
    CONTAINER = "container"
    SFTP = "sftp"


@dataclass(frozen=True, slots=True)
class ParsedPlace:
    """What the text of a place says."""

    kind: PlaceKind
    #: Name of the container or of the SFTP site; empty for a mounted folder.
    name: str
    #: Path of the folder: that of a mounted folder is absolute, the others begin and end without `/`.
    folder: str


def parse_place(text: str) -> ParsedPlace:
    """Read the text of a place.

    Raises:
        ValueError: it is none; the message says why, without the text.
    """
    kind, colon, rest = text.partition(":")
    if colon and kind in {PlaceKind.CONTAINER, PlaceKind.SFTP}:
        name, _, folder = rest.partition("/")
        if not (_CONTAINER_NAME if kind == PlaceKind.CONTAINER else _SITE_NAME).fullmatch(name):
            msg = f"no {'container' if kind == PlaceKind.CONTAINER else 'site'} can have the name behind '{kind}:'"
            raise ValueError(msg)
        folder = folder.removesuffix("/")
        if folder and ({"", ".", ".."} & set(folder.split("/")) or _NOT_IN_FOLDERS.search(folder)):
            msg = "a folder is written with '/' between names, and without '.' and '..'"
            raise ValueError(msg)
        return ParsedPlace(PlaceKind(kind), name, folder)
    if not Path(text).is_absolute() or "\0" in text:
        msg = "a place is an absolute path, 'container:<container>/<folder>' or 'sftp:<site>/<folder>'"
        raise ValueError(msg)
    return ParsedPlace(PlaceKind.FOLDER, "", text)


def _place_text(text: str) -> str:
    parse_place(text)
    return text


PlaceText = Annotated[str, AfterValidator(_place_text)]
