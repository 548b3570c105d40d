"""Times from outside: bounded once, so that no later arithmetic can leave what `datetime` has."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import YEARS, file_time, utc_from_outside
from shared.optimizely.rest.answers import ConfiguredJob, SmartCampaign
from shared.optimizely.rest.transport import Received, parse_answer

_DAY = timedelta(days=1) - timedelta(minutes=1)


@given(st.datetimes(timezones=st.timezones() | st.builds(timezone, st.timedeltas(-_DAY, _DAY))))
def test_a_time_from_outside_is_refused_or_far_from_either_end(moment: datetime) -> None:
    try:
        utc = utc_from_outside(moment)
    except ValueError:
        return
    # In one zone: times of two zones are never equal while a clock is put back.
    assert utc == moment.astimezone(UTC)
    assert (utc.tzinfo, utc.year in YEARS) == (UTC, True)
    for zone in ("Pacific/Kiritimati", "Etc/GMT+12"):
        assert utc.astimezone(ZoneInfo(zone)) + timedelta(days=36_500) - timedelta(days=36_500) == utc


@given(st.floats() | st.integers(-(2**63), 2**63).map(float))
def test_every_file_has_a_time(seconds: float) -> None:
    assert file_time(seconds).tzinfo is UTC


def test_the_time_of_a_file_is_kept_where_there_is_one() -> None:
    assert file_time(1_772_368_215.5) == datetime(2026, 3, 1, 12, 30, 15, 500_000, tzinfo=UTC)
    assert file_time(0) == datetime(1970, 1, 1, tzinfo=UTC), "some sites report no other"
    assert file_time(1e18).year == 2099, "as new as can be"
    assert file_time(-1e18).year == 2000, "as old as can be"


@pytest.mark.parametrize(
    "text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]
)
def test_a_time_of_an_answer_that_is_out_of_range_counts_as_missing(text: str) -> None:
    """An odd time of one object must not make a whole collection unreadable (rule 12)."""

    def read[Shape](shape: type[Shape], body: str) -> Shape:
        return parse_answer("get", shape, Received(status=200, media_type="application/json", body=body.encode()))

    assert read(SmartCampaign, f'{{"id": 3, "status": "paused", "created": "{text}"}}').created is None
    job = read(ConfiguredJob, f'{{"triggers": [{{"lastFiredTime": "{text}"}}]}}')
    assert job.triggers[0].last_fired_time is None
