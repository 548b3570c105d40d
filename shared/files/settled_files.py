"""Looks at dropped files: which are whole, and which does somebody still write?"""

from shared.clock import Clock
from shared.files.locations import PlacedFile


class Looks:
    """When this process first saw each dropped file as it is now.

    A file is taken when it did not change for a time. Our clock alone measures it: that of the folder's server may
    differ. A process that is new begins to look anew, which costs a file that time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: dict[tuple[str, str], tuple[PlacedFile, float]] = {}

    def is_whole(self, channel: str, found: PlacedFile, *, settle_seconds: float) -> bool:
        """Whether the file has been seen as it is for so long."""
        seen, since = self._first.get((channel, found.name), (None, 0.0))
        if seen != found:
            self._first[channel, found.name] = found, self._clock.monotonic()
            return False
        if self._clock.monotonic() - since < settle_seconds:
            return False
        del self._first[channel, found.name]
        return True
