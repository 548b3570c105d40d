"""Schedules of timer triggers."""

from datetime import UTC, datetime, timedelta

import pytest

from local.ncrontab import Schedule, ScheduleError
from local.queue_trigger import QueueOptions, span

MONDAY = datetime(2026, 2, 2, 8, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "following"),
    [
        ("*/15 * * * * *", MONDAY.replace(second=15)),
        ("0 */5 * * * *", MONDAY.replace(minute=5)),
        ("0 0 6-9 * * *", MONDAY.replace(hour=9)),
        ("30 5 8 * * mon-fri", MONDAY.replace(minute=5, second=30)),
        ("0 30 9 * Jan Mon", datetime(2027, 1, 4, 9, 30, tzinfo=UTC)),
        # Both the day and the day of the week must fit: the next Friday the 13th.
        ("0 0 0 13 * 5", datetime(2026, 2, 13, tzinfo=UTC)),
        ("01:30:00", MONDAY + timedelta(hours=1, minutes=30)),
    ],
)
def test_the_next_firing_is_the_one_that_azure_computes(expression: str, following: datetime) -> None:
    assert Schedule(expression).after(MONDAY) == following


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * * *",
        "* * * * * * *",
        "0 0 0 L * *",
        "0 0 0 ? * *",
        "@daily",
        "0 0 25 * * *",
        "0 0 0 * * moon",
        "00:00:00",
    ],
)
def test_what_azure_does_not_take_is_refused(expression: str) -> None:
    with pytest.raises(ScheduleError):
        Schedule(expression)


def test_the_interval_tells_which_timers_are_monitored() -> None:
    assert Schedule("*/15 * * * * *").interval(MONDAY) == timedelta(seconds=15)
    assert Schedule("0 0 * * * *").interval(MONDAY) == timedelta(hours=1)


def test_queue_options_have_the_defaults_of_the_extension() -> None:
    options = QueueOptions.from_host_json({"version": "2.0"})
    assert (options.batch_size, options.new_batch_threshold, options.max_dequeue_count) == (16, 8, 5)
    assert (options.visibility_timeout, options.max_polling_interval) == (timedelta(), timedelta(minutes=1))
    assert options.base64_encoded
    assert QueueOptions.from_host_json({"extensions": {"queues": {"batchSize": 99}}}).batch_size == 32
    assert span("1.02:03:04") == timedelta(days=1, hours=2, minutes=3, seconds=4)
