"""Time spans in the format of .NET, used in host.json and schedules: `[d.]hh:mm:ss[.fff]`."""

import re
from datetime import timedelta

_SPAN = re.compile(r"(?:(\d{1,7})\.)?(\d{1,2}):([0-5]?\d):([0-5]?\d)(\.\d{1,6})?")
_HOURS = 24


def parse_time_span(text: str) -> timedelta:
    """Parse a time span.

    Raises:
        ValueError: the text is not a time span, or has more than 23 hours, which .NET would silently read as days.
    """
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a time span; write [d.]hh:mm:ss")
    days, hours, minutes, seconds, fraction = match.groups()
    if int(hours) >= _HOURS:
        raise ValueError(f"{text!r} has more than 23 hours; write one day as 1.00:00:00")
    return timedelta(
        days=int(days or 0), hours=int(hours), minutes=int(minutes), seconds=int(seconds) + float(fraction or 0)
    )
