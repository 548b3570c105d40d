"""Time spans as .NET writes them in host.json and in schedules: `[d.]hh:mm:ss[.fff]`."""

import re
from datetime import timedelta

_SPAN = re.compile(r"(?:(\d{1,7})\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d)(\.\d{1,6})?")
_HOURS = 24


def parse_time_span(text: str) -> timedelta:
    """Read a time span.

    Raises:
        ValueError: it is none, or has more than 23 hours, which .NET would silently read as days.
    """
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no time span; write [d.]hh:mm:ss")
    days, hours, minutes, seconds, fraction = found.groups()
    if int(hours) >= _HOURS:
        raise ValueError(f"{text!r} has more than 23 hours; write a day as 1.00:00:00")
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds) + float(fraction or 0)
    )
