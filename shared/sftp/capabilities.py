"""What an SFTP site does not do: found out once, by the requests that it refuses, and kept for the life of the process.

Nothing that a site need not do is a precondition (rule 12): each gap names how the session goes on without it.
"""

from enum import StrEnum

from shared.telemetry import log


class Gap(StrEnum):
    """Something that a site does not do, as the end of the sentence "The site …"."""

    STAT = "does not report a file by its path: files are found in the listing of their folder"
    MISSING = "refuses the question for a missing file: whether there is one is seen in the listing of its folder"
    LISTING = "does not list a folder: files are found by opening them"
    EXISTENCE = "does not let anybody find out whether a file exists: every upload begins at its first byte"
    FILE_TYPE = "reports no types of files: whatever is not known to be a folder is treated as a file"
    SIZE = "reports no sizes of files: they are measured by reading"
    WRONG_SIZE = "reports other sizes than its files have: they are measured by reading"
    NO_SIZE = "neither reports sizes nor lets files be read: an upload whose every write is confirmed is complete"
    TIME = "reports no times of files: a file written again with the same name and size is not noticed"
    RESUME = "refuses to write at an offset: an interrupted upload begins at its first byte"
    REOPEN = "refuses to open an unfinished file again: it is removed first"
    RENAME = "renames by posix-rename@openssh.com only"
    REPLACE = "does not rename over an existing file: that is removed first"
    REMOVE = "refuses to remove a file"


class Capabilities:
    """What one site was found not to do. Shared by its sessions; each finding is logged once.

    Args:
        host: the site, for the log.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        #: Whether the site has reported a file by its path.
        self.reports_files = False
        self._gaps = set[Gap]()

    def add(self, gap: Gap) -> None:
        """Keep that the site does not do something."""
        if gap not in self._gaps:
            self._gaps.add(gap)
            log.warning("The SFTP site %s %s.", self._host, gap, extra={"action": "site-lacks", "gap": gap.name})

    def __contains__(self, gap: Gap) -> bool:
        return gap in self._gaps

    def gaps(self) -> list[Gap]:
        """What the site does not do, in the order of the list above."""
        return [gap for gap in Gap if gap in self._gaps]
