"""Dates of response files: their meaning, the hours in which the clock changes, invalid dates."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.response_layouts import ResponseLayout
from shared.optimizely.responses.dates import moment_reader


def read(text: str, *formats: str, **layout: Any) -> datetime | None:
    if formats:
        layout["date_formats"] = formats
    return moment_reader(ResponseLayout(**layout))(text)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("29.03.2026 01:59", "2026-03-29 00:59"),  # the last minute before the clock is put forward
        ("29.03.2026 02:00", "2026-03-29 01:00"),  # does not exist: what 03:00 is called after the change
        ("29.03.2026 02:30", "2026-03-29 01:30"),  # does not exist: what 03:30 is called
        ("29.03.2026 03:30", "2026-03-29 01:30"),
        ("25.10.2026 01:59", "2026-10-24 23:59"),
        ("25.10.2026 02:30", "2026-10-25 00:30"),  # exists twice: the first
        ("25.10.2026 03:00", "2026-10-25 02:00"),
        ("01.01.2026 00:00", "2025-12-31 23:00"),
    ],
)
def test_the_hours_in_which_the_clock_changes(local: str, utc: str) -> None:
    assert read(local) == datetime.fromisoformat(utc + "Z")


@given(
    st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)),  # noqa: DTZ001 - local times
    st.sampled_from(["Europe/Berlin", "UTC", "Asia/Kolkata", "America/New_York"]),
)
def test_a_time_always_has_the_same_meaning(local: datetime, zone: str) -> None:
    local = local.replace(second=0, microsecond=0)
    moment = read(f"{local:%d.%m.%Y %H:%M}", time_zone=zone)
    assert moment is not None
    assert moment.tzinfo is UTC
    back = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert back in {local, local + timedelta(hours=1), local + timedelta(minutes=30)}


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("dd.MM.yyyy HH:mm:ss", "01.03.2026 12:30:15"),
        ("yyyy-MM-dd HH:mm:ss", "2026-03-01 12:30:15"),
        ("MM/dd/yyyy (HH*mm*ss)", "03/01/2026 (12*30*15)"),
        ("yyyyMMddHHmmss", "20260301123015"),
        ("UnixTimeStamp", "1772368215"),
        ("UnixTimeStamp", "1772368215.0"),
        ("UnixTimeStampMilliseconds", "1772368215000"),
        ("ISO8601", "2026-03-01T12:30:15"),
        ("ISO8601", "2026-03-01 12:30:15Z"),
        ("ISO8601", "2026-03-01T14:30:15+02:00"),
        ("ISO8601", "2026-03-01T14:30:15.000+0200"),
    ],
)
def test_every_format_gives_the_same_moment(date_format: str, text: str) -> None:
    assert read(text, date_format, time_zone="UTC") == datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


def test_the_default_layout_accepts_dates_with_and_without_seconds() -> None:
    assert read("01.03.2026 12:30") == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert read("01.03.2026 12:30:15") == datetime(2026, 3, 1, 11, 30, 15, tzinfo=UTC)


def test_digits_outside_the_range_of_unix_time_may_be_a_date_in_the_next_format() -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)
    assert read("20260301", "UnixTimeStamp", "yyyyMMdd", time_zone="UTC") == day
    assert read("20260301000000", "UnixTimeStampMilliseconds", "yyyyMMddHHmmss", time_zone="UTC") == day


def test_a_format_of_days_means_their_first_minute() -> None:
    assert read("01.03.2026", "dd.MM.yyyy", time_zone="UTC") == datetime(2026, 3, 1, tzinfo=UTC)


def test_the_offset_moves_local_times_only() -> None:
    assert read("01.03.2026 12:30", time_zone="UTC", date_offset=-2) == datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    moved = read("2026-03-01T12:30:00Z", "ISO8601", date_offset=-2)
    assert moved == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert read("1772368215", "UnixTimeStamp", date_offset=-2) == datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("", ()),
        ("12/31/2026 12:30", ("dd/MM/yyyy HH:mm",)),
        ("13/13/2026 12:30", ("dd/MM/yyyy HH:mm",)),
        ("1.3.2026 12:30", ()),
        ("29.02.2026 12:30", ()),
        ("01.03.2026 24:00", ()),
        ("01.03.1969 12:30", ()),
        ("\u0660\u0661.03.2026 12:30", ()),
        ("99999999999999", ("UnixTimeStamp",)),
        ("-5", ("UnixTimeStamp",)),
        ("nan", ("UnixTimeStamp",)),
        ("1e9", ("UnixTimeStamp",)),
        ("2026-W10-1", ("ISO8601",)),
        ("20260301T123015", ("ISO8601",)),
        ("2026-03-01T12:30:15+99:00", ("ISO8601",)),
        ("0001-01-01T00:00:00+01:00", ("ISO8601",)),
    ],
)
def test_a_text_that_fits_no_format_is_not_a_date(text: str, formats: tuple[str, ...]) -> None:
    assert read(text, *formats) is None


@given(st.text(max_size=30), st.sampled_from(["UnixTimeStamp", "UnixTimeStampMilliseconds", "ISO8601", "dd.MM.yyyy"]))
def test_no_text_breaks_a_format(text: str, date_format: str) -> None:
    moment = read(text, date_format)
    assert moment is None or moment.tzinfo is UTC
