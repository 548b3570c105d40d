"""A file on an SFTP site, as far as the site reports it: its type, size and time are in one answer or another."""

import posixpath
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from paramiko import SFTPAttributes

from shared.clock import file_time

#: The time of a file of which the site reports none.
UNKNOWN_TIME: Final = datetime.fromtimestamp(0, UTC)
#: How a line for display shows a type, as `ls -l` and Windows do.
_LINE: Final = re.compile(r"(?P<type>[-dlbcps])[-rwxsStTlL]{9}")
_WINDOWS_FOLDER: Final = re.compile(r"\s<(DIR|JUNCTION)>\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file on the SFTP site."""

    #: Its name without the folder.
    name: str
    #: In bytes; None if the site neither reports it nor lets the file be read.
    size: int | None
    #: When it was last changed, in UTC and whole seconds; `UNKNOWN_TIME` if the site does not report it.
    modified: datetime


def file_type(attributes: SFTPAttributes) -> int:
    """The type of a file (`stat.S_IFREG`, …); 0 if it is not known.

    A site need not report permissions, nor a type with them; then its line for display may have it.
    """
    reported = stat.S_IFMT(attributes.st_mode or 0)
    if reported:
        return reported
    line = getattr(attributes, "longname", "")
    if _WINDOWS_FOLDER.search(line):
        return stat.S_IFDIR
    shown = _LINE.match(line)
    types = {"-": stat.S_IFREG, "d": stat.S_IFDIR, "l": stat.S_IFLNK}
    return types.get(shown["type"], stat.S_IFSOCK) if shown else 0


def as_reported(path: str, attributes: SFTPAttributes) -> RemoteFile:
    """What the site reports of a file in one answer."""
    modified = UNKNOWN_TIME if attributes.st_mtime is None else file_time(attributes.st_mtime)
    return RemoteFile(name=posixpath.basename(path), size=attributes.st_size, modified=modified)


def complete(reported: SFTPAttributes, listed: SFTPAttributes, *, follow: bool) -> SFTPAttributes:
    """What the site reports of a file, with what only its listing has; of a link, not the link's own size and time."""
    if not follow:
        reported.st_size = listed.st_size if reported.st_size is None else reported.st_size
        reported.st_mtime = listed.st_mtime if reported.st_mtime is None else reported.st_mtime
        if not file_type(reported):
            reported.longname = getattr(listed, "longname", "")
    return reported
