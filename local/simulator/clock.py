"""Simulated time: it runs faster than real time, can be frozen, and continues after a restart."""

import threading
import time
from datetime import UTC, datetime, timedelta

#: Monday morning, far from daylight saving changes.
START = datetime(2026, 2, 2, 8, 0, tzinfo=UTC)


class Clock:
    """Simulated time.

    Args:
        elapsed: simulated seconds that have passed since `START`.
        speed: simulated seconds per real second; 0: frozen.
    """

    def __init__(self, elapsed: float = 0, *, speed: float) -> None:
        self._lock = threading.Lock()
        self._elapsed = elapsed
        self._speed = speed
        self._since = time.monotonic()

    def elapsed(self) -> float:
        """Simulated seconds since `START`."""
        with self._lock:
            return self._elapsed + (time.monotonic() - self._since) * self._speed

    def now(self) -> int:
        """The simulated time, in whole seconds since 1970."""
        return int(START.timestamp() + self.elapsed())

    def advance(self, by: timedelta) -> None:
        """Move simulated time forward."""
        with self._lock:
            self._elapsed += by.total_seconds()

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on."""
        elapsed = self.elapsed()
        with self._lock:
            self._elapsed, self._speed, self._since = elapsed, speed, time.monotonic()
