"""Names of files that are still being written, as the programs that upload files write them. Pure: no I/O."""

import re
from fnmatch import fnmatchcase
from typing import Final

#: In lower case. A name that begins with a dot is one of rsync, lftp, or ProFTPD with HiddenStores.
KNOWN: Final = (
    *(".*", "~$*", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.opdownload", "*.tmp", "*.temp"),
    *("*.uploading", "*.incomplete", "*.inprogress", "*.in_progress", "*.writing", "*.aria2", "*.swp"),
)


def is_unfinished(name: str, more: str = "") -> bool:
    """Whether the name says that the file is still being written.

    Args:
        name: the name of the file, without its folder. Case does not count.
        more: further patterns with `*` and `?`, with commas or spaces between.
    """
    name = name.lower()
    return any(fnmatchcase(name, pattern) for pattern in (*KNOWN, *re.findall(r"[^,;\s]+", more.lower())))
