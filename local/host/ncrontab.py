"""Schedules of timer triggers: NCRONTAB expressions, or a time span between firings. Times are UTC."""

import re
from datetime import UTC, datetime, timedelta

from croniter import CroniterBadDateError, croniter

from local.host.timespan import parse_time_span

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
#: Name, lowest and highest value of each field, and names of its values.
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("second", 0, 59, []),
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_RANGE = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_SHORTEST_NAME = 3


class ScheduleError(ValueError):
    """Azure does not accept the schedule."""


class Schedule:
    """When a timer fires.

    Args:
        expression: NCRONTAB, `{second} {minute} {hour} {day} {month} {day of week}` (without the second: at
            second 0); or a time span, which only dedicated plans of Azure accept.

    Raises:
        ScheduleError: the expression is neither, or never fires.
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
                raise ScheduleError("the time span between firings is zero")
        else:
            self._lists = _as_lists(expression)
            try:
                self.after(datetime.now(UTC))
            except CroniterBadDateError:
                raise ScheduleError(f"the schedule {expression!r} never fires") from None

    def after(self, time: datetime) -> datetime:
        """The first firing after a time."""
        if self._span is not None:
            return time + self._span
        # In NCRONTAB, day and day of week must both match; in cron, one of them is enough.
        firings = croniter(self._lists, time.astimezone(UTC), second_at_beginning=True, day_or=False)
        following: datetime = firings.get_next(datetime)
        return following

    def interval(self, time: datetime) -> timedelta:
        """The interval between the next two firings after a time."""
        following = self.after(time)
        return self.after(following) - following


def _as_lists(expression: str) -> str:
    """The expression with all values listed: croniter accepts more than NCRONTAB and reads some of it differently."""
    texts = expression.split()
    if len(texts) == len(_FIELDS) - 1:
        texts.insert(0, "0")
    if len(texts) != len(_FIELDS):
        raise ScheduleError(
            f"the schedule {expression!r} has {len(texts)} fields; NCRONTAB has 6, or 5 without seconds"
        )
    return " ".join(
        ",".join(str(value) for item in text.split(",") for value in _values(item, *field))
        for text, field in zip(texts, _FIELDS, strict=True)
    )


def _values(item: str, field: str, lowest: int, highest: int, names: list[str]) -> range:
    """The values of one item of a list: `*`, `5`, `1-5`, `MON-FRI`, `*/5`, `5/10` (to the end), `1-9/2`."""
    match = _RANGE.fullmatch(item)
    problem = ScheduleError(f"{item!r} is not a valid {field} in NCRONTAB")
    if not match or (match[3] and not int(match[3])):
        raise problem

    def value(text: str) -> int:
        matches = [number for number, name in enumerate(names, lowest) if name.startswith(text.lower())]
        number = int(text) if text.isdigit() else matches[0] if matches and len(text) >= _SHORTEST_NAME else -1
        if not lowest <= number <= highest:
            raise problem
        return number

    start = value(match[1]) if match[1] else lowest
    single = match[1] and not match[3]
    end = value(match[2]) if match[2] else start if single else highest
    if end < start:
        # NCRONTAB swaps the two: FRI-MON would fire from Monday to Friday.
        raise problem
    return range(start, end + 1, int(match[3] or 1))
