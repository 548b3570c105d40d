"""Schedules of timer triggers: six-field NCRONTAB expressions, or a time span `hh:mm:ss`."""

import re
from datetime import UTC, datetime, timedelta

from croniter import CroniterError, croniter

_FIELD = re.compile(r"[0-9*/,\-]+|[0-9A-Za-z,\-]+")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = frozenset((*_MONTHS, "sun", "mon", "tue", "wed", "thu", "fri", "sat"))
_FIELDS = 6
_SPAN = re.compile(r"(\d{2}):([0-5]\d):([0-5]\d)")


class ScheduleError(ValueError):
    """The schedule is not one that Azure takes."""


class Schedule:
    """When a timer fires.

    Args:
        expression: NCRONTAB with seconds (`{second} {minute} {hour} {day} {month} {day of week}`), or a time
            span between two firings.

    Raises:
        ScheduleError: it is neither.
    """

    def __init__(self, expression: str) -> None:
        span = _SPAN.fullmatch(expression.strip())
        self._span = timedelta(hours=int(span[1]), minutes=int(span[2]), seconds=int(span[3])) if span else None
        self._expression = expression.strip()
        if self._span == timedelta():
            msg = "the time span is zero"
            raise ScheduleError(msg)
        if self._span is None:
            _check(self._expression)

    def after(self, moment: datetime) -> datetime:
        """The first firing after a moment; both aware, in UTC."""
        if self._span is not None:
            return moment + self._span
        # NCRONTAB wants day and day of week both to fit, where cron is content with one.
        following = croniter(self._expression, moment.astimezone(UTC), second_at_beginning=True, day_or=False)
        found: datetime = following.get_next(datetime)
        return found

    def interval(self, moment: datetime) -> timedelta:
        """Time between the next two firings after a moment."""
        first = self.after(moment)
        return self.after(first) - first


def _check(expression: str) -> None:
    fields = expression.split()
    if len(fields) != _FIELDS:
        msg = f"{expression!r} has {len(fields)} fields instead of {_FIELDS}"
        raise ScheduleError(msg)
    for field in fields:
        names = re.findall(r"[A-Za-z]+", field)
        if not _FIELD.fullmatch(field) or any(name.lower()[:3] not in _NAMES for name in names):
            msg = f"{expression!r} has a field that NCRONTAB does not know: {field}"
            raise ScheduleError(msg)
    try:
        croniter(expression, second_at_beginning=True, day_or=False).get_next()
    except (CroniterError, ValueError) as error:
        msg = f"{expression!r} is no NCRONTAB expression"
        raise ScheduleError(msg) from error
