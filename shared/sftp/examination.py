"""Finds out what a site does not do, as far as that shows without a change there."""

import posixpath
import re
from collections.abc import Collection
from typing import Final

from shared.errors import SftpRefused
from shared.sftp.capabilities import Gap
from shared.sftp.session import SftpSession
from shared.sftp.site import SftpSite

_EVERY_NAME: Final = re.compile(r"[^/]+", re.DOTALL)
#: A name that no file has.
_MISSING: Final = "bridge-doctor.none"


def examine_site(site: SftpSite, *, read: Collection[str], written: Collection[str]) -> list[Gap]:
    """What the site does not do. Whether it renames shows only when something is uploaded.

    Args:
        site: the site.
        read: folders that are listed and read.
        written: folders that are written to.

    Raises:
        SftpRefused: a folder that is read cannot be listed.
        SftpUnavailable, and the other errors of `SftpSite.connect`: it cannot be logged in to.
    """
    with site.connect() as session:
        for folder in read:
            _examine(session, folder)
        for folder in written:
            try:
                _examine(session, folder)
            except SftpRefused:
                session.exists(posixpath.join(folder, _MISSING))
    return site.capabilities.gaps()


def _examine(session: SftpSession, folder: str) -> None:
    names = [file.name for file in session.list_files(folder, "*", names=_EVERY_NAME)]
    for name in (*names[:1], _MISSING):
        session.exists(posixpath.join(folder, name))
