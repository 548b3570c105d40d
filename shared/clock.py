"""The time, asked of one injected clock: `SystemClock` in production, a clock that a test sets in tests."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the bridge asks for the time."""

    def now(self) -> datetime:
        """The present time: aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow, for measuring how long something takes; their zero means nothing."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present time: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment in the past; changes of the system time do not move them."""
        return time.monotonic()
