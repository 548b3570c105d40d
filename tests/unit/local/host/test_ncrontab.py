"""Schedules of timer triggers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.ncrontab import Schedule, ScheduleError
from local.host.timespan import parse_time_span

MONDAY = datetime(2026, 2, 2, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("*/15 * * * * *", MONDAY.replace(second=15)),
        ("0 */5 * * * *", MONDAY.replace(minute=5)),
        ("0 0 6-9 * * *", MONDAY.replace(hour=9)),
        ("30 5 8 * * mon-fri", MONDAY.replace(minute=5, second=30)),
        ("0 30 9 * Jan Mon", datetime(2027, 1, 4, 9, 30, tzinfo=UTC)),
        # A single value with a step goes on to the end of the field.
        ("50/5 * * * * *", MONDAY.replace(second=50)),
        ("0 10-20/4,40 * * * *", MONDAY.replace(minute=10)),
        # Both the day and the day of the week must fit: the next Friday the 13th.
        ("0 0 0 13 * 5", datetime(2026, 2, 13, tzinfo=UTC)),
        ("0 0 0 1-7 * MON", datetime(2026, 3, 2, tzinfo=UTC)),
        ("0 0 0 29 2 *", datetime(2028, 2, 29, tzinfo=UTC)),
        # Without seconds: at second 0.
        ("*/5 * * * *", MONDAY.replace(minute=5)),
        ("01:30:00", MONDAY + timedelta(hours=1, minutes=30)),
        ("1.00:00:00", MONDAY + timedelta(days=1)),
    ],
)
def test_the_next_firing_is_the_one_that_azure_computes(expression: str, following: datetime) -> None:
    assert Schedule(expression).after(MONDAY) == following


def test_firings_follow_one_another() -> None:
    schedule, moment = Schedule("10/25 59 23 31 12 *"), MONDAY
    seen = [moment := schedule.after(moment) for _ in range(3)]
    end = datetime(2026, 12, 31, 23, 59, 10, tzinfo=UTC)
    assert seen == [end, end.replace(second=35), end.replace(year=2027)]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "0 0 0 L * *",
        "0 0 0 15W * *",
        "0 0 0 ? * *",
        "0 0 0 * * MON#1",
        "0 0 0 * * 7",
        "0 0 0 * * moon",
        "0 0 0 * * mo",
        "MON 0 0 * * *",
        "@daily",
        "0 0 24 * * *",
        "60 * * * * *",
        "-1 * * * * *",
        "*/0 * * * * *",
        "1, * * * * *",
        "1--2 * * * * *",
        "*-5 * * * * *",
        "0 0 0 0 * *",
        "0 0 0 30 2 *",
        # NCRONTAB would swap the two and fire from Monday to Friday, which nobody means.
        "0 0 0 * * FRI-MON",
        "00:00:00",
        "24:00:00",
        "1:2",
    ],
)
def test_schedules_that_azure_rejects_or_misreads_are_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule(expression)


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy wants naive limits
def test_every_quarter_minute_comes_within_a_quarter_minute(moment: datetime) -> None:
    following = Schedule("*/15 * * * * *").after(moment)
    assert timedelta() < following - moment <= timedelta(seconds=15)
    assert (following.second % 15, following.microsecond) == (0, 0)


def test_the_interval_decides_which_timers_are_monitored() -> None:
    assert Schedule("*/15 * * * * *").interval(MONDAY) == timedelta(seconds=15)
    assert Schedule("0 0 * * * *").interval(MONDAY) == timedelta(hours=1)
    assert Schedule("00:00:30").interval(MONDAY) == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:00:00", timedelta()),
        ("1:2:3", timedelta(hours=1, minutes=2, seconds=3)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("00:00:00.25", timedelta(milliseconds=250)),
    ],
)
def test_time_spans_are_read_in_the_format_of_dotnet(text: str, span: timedelta) -> None:
    assert parse_time_span(text) == span


@pytest.mark.parametrize("text", ["", "5", "00:60:00", "00:00:60", "-00:00:01", "24:00:00", "00:00"])
def test_an_invalid_time_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time span|hours"):
        parse_time_span(text)
