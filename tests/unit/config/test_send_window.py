"""The hours in which a channel sends: over midnight, and on the days on which the clock changes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.broadcast import RouteKind, RowCounts, SendMode, State
from shared.config.channels import Channel
from shared.config.send_window import SendWindow
from tests.builders import make_broadcast, make_request

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata"]


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        ("08:00-20:00", "2026-11-30 03:00", "2026-11-30 08:00"),
        ("08:00-20:00", "2026-11-30 08:00", "2026-11-30 08:00"),
        ("08:00-20:00", "2026-11-30 19:59:59", "2026-11-30 19:59:59"),
        ("08:00-20:00", "2026-11-30 20:00", "2026-12-01 08:00"),
        ("08:00-24:00", "2026-11-30 23:59", "2026-11-30 23:59"),
        ("08:00-24:00", "2026-12-01 00:00", "2026-12-01 08:00"),
        ("22:00-02:00", "2026-11-30 23:00", "2026-11-30 23:00"),  # over midnight
        ("22:00-02:00", "2026-12-01 01:59", "2026-12-01 01:59"),
        ("22:00-02:00", "2026-12-01 02:00", "2026-12-01 22:00"),
        ("08:00-20:00", "2026-03-28 21:00", "2026-03-29 08:00"),  # the night has an hour less
        ("08:00-20:00", "2026-10-24 21:00", "2026-10-25 08:00"),  # or an hour more
        ("02:30-20:00", "2026-03-29 01:30", "2026-03-29 03:00"),  # 02:30 is skipped
        ("02:10-02:50", "2026-03-29 01:30", "2026-03-30 02:10"),  # all of it is skipped
        ("02:30-20:00", "2026-10-25 01:30", "2026-10-25 02:30"),  # 02:30 comes twice: the first
    ],
)
def test_when_it_opens(window: str, moment: str, opens: str) -> None:
    assert SendWindow.parse(window).opens(berlin(moment), "Europe/Berlin") == berlin(opens)


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))


@given(times, times, st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_it_opens_as_soon_as_it_may(start: str, end: str, moment: datetime, zone: str) -> None:
    if start == end:
        with pytest.raises(ValueError, match="the same"):
            SendWindow.parse(f"{start}-{end}")
        return
    window, moment = SendWindow.parse(f"{start} - {end}"), moment.replace(tzinfo=UTC)
    opens = window.opens(moment, zone)
    assert window.includes(opens, zone)
    assert moment <= opens <= moment + timedelta(hours=49)
    assert window.opens(opens, zone) == opens
    if opens > moment:
        assert not window.includes(opens - timedelta(minutes=1), zone)
        assert not window.includes(moment, zone)


@pytest.mark.parametrize("text", ["", "8-20", "08:00", "08:00-08:00", "25:00-08:00", "08:00-20:60", "08:00-20:00:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"two times of day|hour must be|minute must be|Invalid"):
        SendWindow.parse(text)


def test_a_channel_without_hours_sends_at_any_time() -> None:
    now = datetime.now(UTC)
    assert Channel().first_start(now) == now
    assert Channel().sends_at(now)


@pytest.mark.parametrize(("released", "needs"), [(None, True), (5, True), (60, False), (70, False)])
def test_a_release_counts_for_as_many_recipients_as_there_were(released: int | None, *, needs: bool) -> None:
    rows = RowCounts(read=60, uploaded=60, rejected=0, duplicates=0, suppressed=0)
    broadcast = make_broadcast(State.STAGED, rows=rows, released_recipients=released)
    assert Channel(max_recipients=20).needs_release(broadcast) is needs
    assert not Channel(max_recipients=60).needs_release(broadcast)
    assert not Channel().needs_release(broadcast)


def test_how_late_a_broadcast_is_counts_from_its_last_request() -> None:
    first = make_broadcast(State.STAGED).created_at
    hour = timedelta(hours=1)
    assert make_broadcast(request=make_request(requested_at=first - hour)).last_requested_at == first - hour
    assert make_broadcast(request=make_request(requested_at=first + hour)).last_requested_at == first, (
        "of a wrong clock"
    )
    assert make_broadcast(request=make_request(send_at=first + 2 * hour)).last_requested_at == first + 2 * hour
    assert make_broadcast(State.STAGED, released_at=first + hour).last_requested_at == first + hour
    assert make_broadcast(State.STAGED, restarted_at=first + 3 * hour).last_requested_at == first + 3 * hour


@pytest.mark.parametrize(
    ("route", "mode", "sent", "by_itself"),
    [
        (RouteKind.IMPORT_JOB, SendMode.VERIFY_THEN_START, True, False),
        (RouteKind.IMPORT_JOB, SendMode.AT_TIME, True, False),
        (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT, True, True),
        (RouteKind.IMPORT_JOB, SendMode.UPLOAD_ONLY, False, False),
        (RouteKind.CLOSED_LOOP, SendMode.AFTER_IMPORT, True, True),
        (RouteKind.SENDING_BATCH, SendMode.VERIFY_THEN_START, True, False),
        (RouteKind.EXPORT_FILE, SendMode.UPLOAD_ONLY, True, True),
    ],
)
def test_what_is_the_start(route: RouteKind, mode: SendMode, *, sent: bool, by_itself: bool) -> None:
    broadcast = make_broadcast(request=make_request(route=route, send_mode=mode))
    assert (broadcast.is_sent, broadcast.starts_by_itself) == (sent, by_itself)
