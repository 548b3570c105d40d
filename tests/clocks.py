"""The clock of the tests: no test patches the time, it moves a clock."""

import time
from datetime import UTC, datetime, timedelta


class MovableClock:
    """A clock that a test moves.

    Args:
        stopped_at: it shows this time until the test moves it; None: it runs with that of the machine.
    """

    def __init__(self, stopped_at: datetime | None = None) -> None:
        self._stopped_at = stopped_at
        self._stopped_monotonic = 0.0
        #: How far it is ahead of the machine, or of the time at which it was stopped.
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return (self._stopped_at or datetime.now(UTC)) + self.ahead

    def monotonic(self) -> float:
        """Seconds that only grow, as long as the test moves the clock forwards only."""
        seconds = time.monotonic() if self._stopped_at is None else self._stopped_monotonic
        return seconds + self.ahead.total_seconds()

    def advance(self, **by: float) -> datetime:
        """Move it forwards; the time that it shows then."""
        self.ahead += timedelta(**by)
        return self.now()

    def set_to(self, time: datetime) -> None:
        """Let it show this time."""
        self.ahead += time - self.now()

    def stop(self) -> None:
        """Let it show the present time until it is moved."""
        self._stopped_at, self._stopped_monotonic = datetime.now(UTC), time.monotonic()
