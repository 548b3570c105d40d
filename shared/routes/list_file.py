"""Where the list file of a broadcast goes on an SFTP site."""

import posixpath
import re
from typing import Final

from shared.broadcast import Broadcast
from shared.config.channels import ListFileLayout

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
#: Maximum characters of a list name, and of a delivery file's name, in a file name of at most 255.
_MAX_NAME: Final = 100


def list_file_path(folder: str, layout: ListFileLayout, broadcast: Broadcast) -> str:
    """Path of the list file; its name has only letters, digits, `.`, `_` and `-`, and begins with neither `.` nor `-`.

    In the names of the list and of the delivery file, unsafe characters become `_`. They are cut after 100 characters,
    the delivery file's before its first dot. An id that is not known is empty.
    """
    request = broadcast.request
    name = layout.name.format(
        list_id=broadcast.list_id or "",
        list=_UNSAFE.sub("_", request.list_name[:_MAX_NAME]),
        delivery_file=_UNSAFE.sub("_", request.delivery_file.partition(".")[0][:_MAX_NAME]),
        broadcast=broadcast.key,
        mailing=broadcast.source_mailing_id or "",
    )
    return posixpath.join(folder, f"_{name}" if name.startswith((".", "-")) else name)
