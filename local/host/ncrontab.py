"""Schedules of timer triggers: NCRONTAB expressions, or a time span between two firings. Times are UTC."""

import re
from datetime import UTC, datetime, timedelta

from croniter import CroniterBadDateError, croniter

from local.host.timespan import parse_time_span

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Name, lowest and highest value of each field, and the names of its values.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("second", 0, 59, []),
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_SHORTEST_NAME = 3


class ScheduleError(ValueError):
    """The schedule is not one that Azure takes."""


class Schedule:
    """When a timer fires.

    Args:
        expression: NCRONTAB, `{second} {minute} {hour} {day} {month} {day of week}` (without the second: at
            second 0); or a time span, which only dedicated plans of Azure take.

    Raises:
        ScheduleError: it is neither, or never fires.
    """

    def __init__(self, expression: str) -> None:
        self._span: timedelta | None = None
        self._lists = ""
        if ":" in expression:
            try:
                self._span = parse_time_span(expression)
            except ValueError as error:
                raise ScheduleError(str(error)) from None
            if not self._span:
                raise ScheduleError("the time span between two firings is zero")
        else:
            self._lists = _as_lists(expression)
            try:
                self.after(datetime.now(UTC))
            except CroniterBadDateError:
                raise ScheduleError(f"the schedule {expression!r} never fires") from None

    def after(self, moment: datetime) -> datetime:
        """The first firing after a moment."""
        if self._span is not None:
            return moment + self._span
        # NCRONTAB wants day and day of week both to fit, where cron is content with one.
        firings = croniter(self._lists, moment.astimezone(UTC), second_at_beginning=True, day_or=False)
        following: datetime = firings.get_next(datetime)
        return following

    def interval(self, moment: datetime) -> timedelta:
        """Time between the next two firings after a moment."""
        following = self.after(moment)
        return self.after(following) - following


def _as_lists(expression: str) -> str:
    """The expression with every value written out: croniter reads more than NCRONTAB, and some of it differently."""
    texts = expression.split()
    if len(texts) == len(_FIELDS) - 1:
        texts.insert(0, "0")
    if len(texts) != len(_FIELDS):
        raise ScheduleError(
            f"the schedule {expression!r} has {len(texts)} fields; NCRONTAB has 6, or 5 without seconds"
        )
    return " ".join(
        ",".join(str(value) for part in text.split(",") for value in _values(part, *field))
        for text, field in zip(texts, _FIELDS, strict=True)
    )


def _values(part: str, field: str, lowest: int, highest: int, names: list[str]) -> range:
    """The values of one part of a list: `*`, `5`, `1-5`, `MON-FRI`, `*/5`, `5/10` (to the end), `1-9/2`."""
    found = _PART.fullmatch(part)
    problem = ScheduleError(f"NCRONTAB does not know {part!r} as {field}")
    if not found or (found[3] and not int(found[3])):
        raise problem

    def value(text: str) -> int:
        named = [number for number, name in enumerate(names, lowest) if name.startswith(text.lower())]
        number = int(text) if text.isdigit() else named[0] if named and len(text) >= _SHORTEST_NAME else -1
        if not lowest <= number <= highest:
            raise problem
        return number

    start = value(found[1]) if found[1] else lowest
    ends_alone = found[1] and not found[3]
    end = value(found[2]) if found[2] else start if ends_alone else highest
    if end < start:
        # NCRONTAB would swap the two: FRI-MON would fire from Monday to Friday.
        raise problem
    return range(start, end + 1, int(found[3] or 1))
