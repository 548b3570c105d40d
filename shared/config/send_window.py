"""The hours of the day in which a channel sends, on the wall clock of its time zone. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo

from pydantic import PlainValidator

_TEXT: Final = re.compile(r"([0-9]{2}:[0-9]{2}) ?- ?([0-9]{2}:[0-9]{2})")
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SendWindow:
    """From a time of day to another, which is the next morning's if it is the earlier one."""

    #: Local times without seconds; the second is no longer part of it.
    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `08:00-20:00`.

        Raises:
            ValueError: the text is anything else, or the window is empty.
        """
        match = _TEXT.fullmatch(text.strip())
        if match is None:
            raise ValueError("write two times of day, such as 08:00-20:00")
        start, end = time.fromisoformat(match[1]), time.fromisoformat(match[2].replace("24:00", "00:00"))
        if start == end:
            raise ValueError("the two times of day are the same; leave it out to send at any time")
        return cls(start, end)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def includes(self, moment: datetime, zone: str) -> bool:
        """Whether this moment is in the window, by the wall clock of the zone, whichever offset it has then."""
        wall = moment.astimezone(ZoneInfo(zone)).time()
        if self.start < self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end

    def opens(self, moment: datetime, zone: str) -> datetime:
        """The first moment in the window that is not earlier than this one, in UTC and to the minute."""
        if self.includes(moment, zone):
            return moment.astimezone(UTC)
        opening = moment.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
        # Minute by minute, because on a day on which the clock changes a time of day is skipped, or comes twice.
        while not self.includes(opening, zone):
            opening += _MINUTE
        return opening


def _parse(value: object) -> SendWindow:
    if isinstance(value, SendWindow):
        return value
    if not isinstance(value, str):
        raise ValueError("write two times of day, such as 08:00-20:00")  # noqa: TRY004 - for pydantic
    return SendWindow.parse(value)


SendBetween = Annotated[SendWindow, PlainValidator(_parse)]
