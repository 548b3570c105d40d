"""The status of a timer, and whether it is past due."""

from datetime import UTC, datetime, timedelta

import pytest

from local.host.ncrontab import Schedule
from local.host.timer_trigger import ScheduleStatus

HOURLY = Schedule("0 0 * * * *")
NOON = datetime(2026, 2, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_first_status_has_the_next_firing() -> None:
    status = ScheduleStatus.first(HOURLY, NOON + timedelta(minutes=10))
    assert status.following == NOON + HOUR
    assert status.to_json() == {
        "Last": "0001-01-01T00:00:00+00:00",
        "Next": "2026-02-02T13:00:00+00:00",
        "LastUpdated": "2026-02-02T12:10:00+00:00",
    }


def test_a_status_survives_a_round_trip() -> None:
    status = ScheduleStatus.first(HOURLY, NOON).fired(HOURLY, NOON + timedelta(microseconds=7))
    written = status.to_json()
    assert ScheduleStatus.from_json(str(written).replace("'", '"').encode()) == status


def test_a_status_written_by_dotnet_can_be_read() -> None:
    text = b'{"Last":"2026-02-02T12:00:00.0012345+00:00","Next":"2026-02-02T14:00:00+01:00","LastUpdated":null}'
    status = ScheduleStatus.from_json(text)
    assert status.last == NOON + timedelta(microseconds=1234)
    assert status.following == NOON + HOUR


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"Last": 5}', b'{"Last": "yesterday"}'])
def test_an_invalid_status_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"status|Expecting|Invalid"):
        ScheduleStatus.from_json(text)


@pytest.mark.parametrize("fired", [True, False])
def test_under_the_same_schedule_a_status_stays_as_it_is_and_may_be_past_due(fired: bool) -> None:
    status = ScheduleStatus.first(HOURLY, NOON)
    if fired:
        status = status.fired(HOURLY, NOON)
    later = NOON + timedelta(days=2)
    assert status.adjusted(HOURLY, later) == status
    assert status.following < later


def test_under_another_schedule_a_timer_is_not_past_due() -> None:
    status = ScheduleStatus.first(HOURLY, NOON).fired(HOURLY, NOON)
    daily, later = Schedule("0 0 0 * * *"), NOON + timedelta(days=2)
    changed = status.adjusted(daily, later)
    assert changed.following == daily.after(later)
    assert changed.adjusted(daily, later) == changed


def test_under_another_schedule_that_is_not_due_yet_the_time_already_waited_counts() -> None:
    status = ScheduleStatus.first(HOURLY, NOON).fired(HOURLY, NOON)
    changed = status.adjusted(Schedule("03:00:00"), NOON + HOUR)
    assert changed.following == NOON + 3 * HOUR
