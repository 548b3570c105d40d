"""Settled files: which dropped files are complete, and which may still be written?"""

from shared.clock import Clock
from shared.files.locations import LocatedFile


class SettledFiles:
    """When this process first saw each dropped file in its present state.

    A file is settled when it has not changed for a time. The bridge's own clock measures it: the clock of the folder's
    server may differ. A new process starts from the beginning, so a file then waits that time again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first_seen: dict[tuple[str, str], tuple[LocatedFile, float]] = {}
        #: Files that are not claimed for their age, by channel.
        self._too_old: dict[str, frozenset[str]] = {}
        #: Files that settle for the second time.
        self._again: dict[tuple[str, str], LocatedFile] = {}

    def is_settled(self, channel: str, file: LocatedFile, *, settle_seconds: float) -> bool:
        """Whether the file has been unchanged for this time."""
        seen, since = self._first_seen.get((channel, file.name), (None, 0.0))
        if seen != file:
            self._first_seen[channel, file.name] = file, self._clock.monotonic()
            return False
        if self._clock.monotonic() - since < settle_seconds:
            return False
        del self._first_seen[channel, file.name]
        return True

    def is_news(self, channel: str, names: frozenset[str]) -> bool:
        """Whether other files than before are not claimed for their age; then they are reported once."""
        known, self._too_old[channel] = self._too_old.get(channel, frozenset()), names
        return not names <= known

    def settles_again(self, channel: str, file: LocatedFile) -> bool:
        """Let a settled file settle once more, from now; False if it has done so in its present state."""
        if self._again.pop((channel, file.name), None) == file:
            return False
        self._again[channel, file.name] = file
        self._first_seen[channel, file.name] = file, self._clock.monotonic()
        return True
