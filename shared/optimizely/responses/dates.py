"""Dates of response files: local times without a zone, as in FERG; Unix time; ISO 8601."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from shared.clock import utc_from_outside
from shared.config.response_layouts import (
    DATE_PART,
    DATE_PARTS,
    ISO_8601,
    UNIX_MILLISECONDS,
    UNIX_SECONDS,
    ResponseLayout,
)

#: Number of cached moments: the minutes of several days.
_CACHED_MOMENTS: Final = 16_384
_NUMBER: Final = re.compile(r"[0-9]{1,14}(?:\.[0-9]{1,9})?")
#: Stricter than `fromisoformat`, which accepts unusual forms.
_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?P<zone>Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

type Moment = Callable[[str], datetime | None]


def moment_reader(layout: ResponseLayout) -> Moment:
    """A function that reads a date of a file in this layout, as UTC; it returns None if no format fits.

    When the clock is put forward, a local time in the gap does not exist and is moved by the length of the gap. When it
    is put back, a time exists twice and is read as the first one. Both are `fold=0` of PEP 495. So a text always has
    the same meaning, and an event in two files has the same key in both.
    """
    zone, offset = ZoneInfo(layout.time_zone), timedelta(hours=layout.date_offset)
    readers = [_reader(date_format, zone, offset) for date_format in layout.date_formats]

    @lru_cache(maxsize=_CACHED_MOMENTS)  # the events of a file are within few minutes, and time zones are slow
    def read(text: str) -> datetime | None:
        for reader in readers:
            try:
                moment = reader(text)
                if moment is not None:
                    return utc_from_outside(moment)
            except (ValueError, OverflowError):
                continue  # digits that are in 1970 as Unix time may be a date in the next format
        return None

    return read


def _reader(date_format: str, zone: ZoneInfo, offset: timedelta) -> Moment:
    known: dict[str, Moment] = {
        UNIX_SECONDS: lambda text: _unix(text, timedelta(seconds=1)),
        UNIX_MILLISECONDS: lambda text: _unix(text, timedelta(milliseconds=1)),
        ISO_8601: lambda text: _iso(text, zone, offset),
    }
    return known.get(date_format) or _pattern_reader(date_format, zone, offset)


def _unix(text: str, unit: timedelta) -> datetime | None:
    return _EPOCH + float(text) * unit if _NUMBER.fullmatch(text) else None


def _iso(text: str, zone: ZoneInfo, offset: timedelta) -> datetime | None:
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment if match["zone"] else _local(moment, zone, offset)


def _pattern_reader(date_format: str, zone: ZoneInfo, offset: timedelta) -> Moment:
    parts = DATE_PART.findall(date_format)
    pattern = re.compile(
        "".join(
            f"(?P<{part}>[0-9]{{{len(part)}}})" if part in parts else re.escape(part)
            for part in DATE_PART.split(date_format)
        )
    )

    def read(text: str) -> datetime | None:
        match = pattern.fullmatch(text)
        if match is None:
            return None
        year, month, day, hour, minute, second = (int(match[part]) if part in parts else 0 for part in DATE_PARTS)
        return _local(datetime(year, month, day, hour, minute, second), zone, offset)  # noqa: DTZ001 - made aware next

    return read


def _local(moment: datetime, zone: ZoneInfo, offset: timedelta) -> datetime:
    return (moment + offset).replace(tzinfo=zone)
