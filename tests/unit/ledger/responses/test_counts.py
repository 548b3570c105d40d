"""Responses by type beside the report: what a gap is, when it grows, and when it is compared again."""

from datetime import datetime, timedelta

import pytest

from shared.database.connections import Database
from shared.ledger.responses import counts
from shared.ledger.responses.counts import Gap
from tests.builders import NOON

DAY = timedelta(hours=20)
MINUTE = timedelta(minutes=1)


def load(database: Database, *rows: tuple[int, str, int], now: datetime = NOON) -> None:
    with database.writing() as connection:
        counts.add(connection, rows, now=now)


def compare(database: Database, reported: int, *, now: datetime, broadcast: int = 1) -> Gap:
    """Compare the opens of a broadcast that is due."""
    due_at = dict(counts.due(database, 10, now=now)).get(broadcast, now)
    (gap,) = counts.compared(database, broadcast, {"Open": reported}, due_at=due_at, now=now)
    return gap


def due(database: Database, now: datetime) -> list[int]:
    return [broadcast for broadcast, _ in counts.due(database, 10, now=now)]


def test_rows_are_counted_by_broadcast_and_type(database: Database) -> None:
    load(database, (1, "Open", 3), (1, "Click", 1), (2, "Open", 7))
    load(database, (1, "Open", 2))
    compared = counts.of_broadcasts(database, [1, 2, 3])
    assert {key: value.loaded for key, value in compared.items()} == {1: {"Open": 5, "Click": 1}, 2: {"Open": 7}}
    assert counts.types_ever_loaded(database) == {"Open", "Click"}
    assert list(counts.of_broadcasts(database, [2])) == [2]


def test_a_load_makes_the_comparison_due_the_longest_first(database: Database) -> None:
    load(database, (2, "Open", 1), now=NOON)
    load(database, (1, "Open", 1), now=NOON + MINUTE)
    load(database, (3, "Open", 1), now=NOON + 2 * MINUTE)
    assert due(database, NOON - MINUTE) == []
    assert due(database, NOON + MINUTE) == [2, 1]
    assert [broadcast for broadcast, _ in counts.due(database, 1, now=NOON + DAY)] == [2]


def test_a_gap_counts_the_rows_of_its_broadcast_alone(database: Database) -> None:
    load(database, (1, "Open", 3), (2, "Open", 50))
    assert compare(database, 5, now=NOON) == Gap(message_type="Open", reported=5, loaded=3, grown=0)
    assert counts.of_broadcasts(database, [1])[1].gaps == [Gap(message_type="Open", reported=5, loaded=3, grown=0)]
    assert counts.of_broadcasts(database, [2])[2].gaps == []


@pytest.mark.parametrize(("reported", "again"), [(3, False), (2, False), (4, True)])
def test_a_new_gap_is_due_again_after_a_day(database: Database, reported: int, *, again: bool) -> None:
    load(database, (1, "Open", 3))
    compare(database, reported, now=NOON)
    assert due(database, NOON + DAY - MINUTE) == []
    assert due(database, NOON + DAY) == ([1] if again else [])


def test_a_gap_grows_by_the_day_only(database: Database) -> None:
    load(database, (1, "Open", 3))
    compare(database, 5, now=NOON)
    assert compare(database, 9, now=NOON + DAY - MINUTE).grown == 0
    assert compare(database, 9, now=NOON + DAY).grown == 1
    assert compare(database, 9, now=NOON + DAY + MINUTE).grown == 1
    assert compare(database, 10, now=NOON + 2 * DAY).grown == 2
    assert due(database, NOON + 3 * DAY) == [1]


@pytest.mark.parametrize(("reported", "grown"), [(5, 0), (4, 0), (3, 0), (6, 1)])
def test_a_gap_that_stays_or_shrinks_has_not_grown(database: Database, reported: int, grown: int) -> None:
    load(database, (1, "Open", 3))
    compare(database, 5, now=NOON)
    assert compare(database, reported, now=NOON + DAY).grown == grown
    assert due(database, NOON + 3 * DAY) == ([1] if grown else [])


def test_a_gap_that_is_closed_within_the_day_has_not_grown(database: Database) -> None:
    load(database, (1, "Open", 3))
    compare(database, 5, now=NOON)
    compare(database, 6, now=NOON + DAY)
    load(database, (1, "Open", 3), now=NOON + DAY)
    assert compare(database, 6, now=NOON + DAY + MINUTE).grown == 0


def test_a_load_during_the_comparison_keeps_it_due(database: Database) -> None:
    load(database, (1, "Open", 3))
    load(database, (1, "Open", 1), now=NOON + MINUTE)
    counts.compared(database, 1, {"Open": 4}, due_at=NOON, now=NOON + 2 * MINUTE)
    assert due(database, NOON + 2 * MINUTE) == [1]


def test_a_comparison_that_failed_says_why_until_the_next(database: Database) -> None:
    load(database, (1, "Open", 3), (2, "Open", 3))
    counts.not_compared(database, 1, code="optimizely-unavailable", again_at=NOON + DAY)
    compared = counts.of_broadcasts(database, [1, 2])
    assert (compared[1].error_code, compared[2].error_code) == ("optimizely-unavailable", None)
    assert (due(database, NOON), due(database, NOON + DAY)) == ([2], [2, 1])
    compare(database, 3, now=NOON + DAY)
    assert counts.of_broadcasts(database, [1])[1].error_code is None
    assert counts.of_broadcasts(database, [1])[1].compared_at == NOON + DAY
