"""The time, asked of one injected clock: `SystemClock` in production, a clock that a test sets in tests.

Times from outside are bounded here, once: whatever a job, a call, a file or an answer says, no later arithmetic with it
leaves the years that `datetime` has.
"""

import time
from datetime import UTC, datetime
from typing import Final, Protocol

#: Years in which a time from outside is believed; Optimizely Campaign is not older. They exclude .NET's empty date
#: (0001-01-01), "for ever" (9999-12-31), and seconds and milliseconds that were confused.
YEARS: Final = range(2000, 2100)
_EARLIEST: Final = datetime(YEARS.start, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(YEARS.stop - 1, 12, 31, tzinfo=UTC)


def utc_from_outside(moment: datetime) -> datetime:
    """An aware time from outside, in UTC.

    Raises:
        ValueError: it is not in `YEARS`; the message does not repeat it.
    """
    try:
        utc = moment.astimezone(UTC)
    except OverflowError:  # at either end of what `datetime` has, as many hours as its zone is away from UTC
        utc = None
    if utc is None or utc.year not in YEARS:
        raise ValueError(f"not within the years {YEARS.start} to {YEARS.stop - 1}")
    return utc


def file_time(seconds: float) -> datetime:
    """The time of a file, in UTC, from seconds since 1970 as a file system or site reports them.

    It shows whether a file has changed, and how old it is. So a time that `datetime` does not have stops nobody: the
    file counts as very new or very old.
    """
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return _LATEST if seconds > 0 else _EARLIEST


class Clock(Protocol):
    """What the bridge asks for the time."""

    def now(self) -> datetime:
        """The present time: aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, a suspended machine's pause included; their zero means nothing."""
        ...


#: Counts while the machine is suspended; Python's own monotonic clock does not on Linux.
_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present time: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment in the past; changes of the system time do not move them."""
        return time.clock_gettime(_MONOTONIC)
