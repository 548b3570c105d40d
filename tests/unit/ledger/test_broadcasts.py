"""Broadcasts in the ledger: compare-and-set, history, and what the sweep finds."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise, product
from typing import Any

import pytest
from sqlalchemy import delete, event, insert

from shared.broadcast import (
    ENDED,
    ORDER,
    RESTING,
    TRANSITIONS,
    Broadcast,
    BroadcastRequest,
    RouteKind,
    RowCounts,
    SendMode,
    State,
)
from shared.database.connections import Database
from shared.errors import BroadcastChangedMeanwhile, BroadcastUnknown, IllegalTransition
from shared.ledger import Ledger, tables
from shared.ledger.broadcasts import Broadcasts, advance, record_rejects
from shared.ledger.effects import Kind
from shared.ledger.leases import HeldLease, LeaseName, release_all
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]
RequestOf = Callable[..., BroadcastRequest]

PAIRS = list(product(State, State))
LEGAL = [(was, to) for was, to in PAIRS if to in TRANSITIONS[was]]
ILLEGAL = [(was, to) for was, to in PAIRS if to not in TRANSITIONS[was]]


def move(
    ledger: Ledger, broadcast: Broadcast, to: State, *, owner: str = "step", note: str = "", **more: Any
) -> Broadcast:
    with ledger.database.writing() as connection:
        return advance(
            connection, broadcast, to, owner=owner, note=note, now=more.pop("now", broadcast.created_at), **more
        )


def steps(ledger: Ledger, broadcast: Broadcast) -> list[tuple[str | None, str]]:
    return [(row.from_state, row.to_state) for row in ledger.broadcasts.history(broadcast)]


# Taking in


def test_a_new_broadcast_is_claimed_due_at_once_and_in_the_history(
    ledger: Ledger, request_of: RequestOf, clock: MovableClock
) -> None:
    added = ledger.broadcasts.add(request_of(7), owner="poller")
    assert added is not None
    assert (added.state, added.version, added.attempts) == (State.CLAIMED, 1, 0)
    assert added.created_at == added.changed_at == added.due_at == clock.now()
    (row,) = ledger.broadcasts.history(added)
    assert (row.at, row.from_state, row.to_state, row.owner, row.note) == (
        clock.now(),
        None,
        "claimed",
        "poller",
        f"job: {added.request.delivery_file}",
    )


@pytest.mark.parametrize("mode", SendMode)
def test_a_request_comes_back_from_the_ledger_as_it_went_in(
    ledger: Ledger, request_of: RequestOf, mode: SendMode
) -> None:
    request = request_of(7, send_mode=mode, step_id=None, list_name='Ünter\'s "List"; DROP TABLE broadcast --')
    ledger.broadcasts.add(request, owner="poller")
    assert ledger.broadcasts.get(request.key).request == request


def test_a_broadcast_is_taken_in_once(ledger: Ledger, request_of: RequestOf, clock: MovableClock) -> None:
    first = ledger.broadcasts.add(request_of(7), owner="one")
    assert first is not None
    clock.advance(hours=1)
    assert ledger.broadcasts.add(request_of(7), owner="other") is None
    assert ledger.broadcasts.get(first.key) == first
    assert [row.owner for row in ledger.broadcasts.history(first)] == ["one"]


def test_of_pollers_that_take_the_same_broadcast_in_at_once_one_gets_it(
    open_database: Callable[[], Database], ledger: Ledger, request_of: RequestOf, clock: MovableClock
) -> None:
    start = threading.Barrier(8)

    def add(database: Database) -> Broadcast | None:
        start.wait()
        return Broadcasts(database, clock).add(request_of(7), owner="poller")

    with ThreadPoolExecutor(8) as threads:
        added = [one for one in threads.map(add, [open_database() for _ in range(8)]) if one]
    assert len(added) == 1
    assert len(ledger.broadcasts.history(added[0])) == 1


def test_an_unknown_broadcast_is_an_error_that_names_it(ledger: Ledger) -> None:
    with pytest.raises(BroadcastUnknown, match="J9-00000000"):
        ledger.broadcasts.get("J9-00000000")


def test_the_newest_come_first(ledger: Ledger, take_in: TakeIn) -> None:
    for job_id in (1, 2, 3):
        take_in(job_id)
    assert [one.request.job_id for one in ledger.broadcasts.newest(2)] == [3, 2]


# Changes of state


@pytest.mark.parametrize(("was", "to"), LEGAL)
def test_a_legal_transition_changes_the_state_once_and_appends_to_the_history(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock, was: State, to: State
) -> None:
    before = take_in(state=was, attempts=3)
    changed = move(ledger, before, to, owner="step", note="why", now=clock.advance(minutes=5))
    assert (changed.state, changed.version, changed.changed_at, changed.attempts) == (
        to,
        before.version + 1,
        clock.now(),
        0,
    )
    assert changed.created_at == before.created_at
    assert ledger.broadcasts.get(before.key) == changed
    last = ledger.broadcasts.history(changed)[-1]
    assert (last.at, last.from_state, last.to_state, last.owner, last.note) == (clock.now(), was, to, "step", "why")
    assert len(ledger.broadcasts.history(changed)) == 2


@pytest.mark.parametrize(("was", "to"), ILLEGAL)
def test_an_illegal_transition_changes_nothing(ledger: Ledger, take_in: TakeIn, was: State, to: State) -> None:
    before = take_in(state=was)
    with pytest.raises(IllegalTransition):
        move(ledger, before, to)
    assert ledger.broadcasts.get(before.key) == before
    assert len(ledger.broadcasts.history(before)) == 1


def test_what_a_step_found_out_is_written_with_the_change(ledger: Ledger, take_in: TakeIn, clock: MovableClock) -> None:
    due = clock.advance(hours=1)
    changed = move(
        ledger,
        take_in(),
        State.STAGED,
        due_at=due,
        list_id=5,
        rows_read=10,
        rows_uploaded=4,
        rows_rejected=3,
        rows_duplicate=2,
        rows_suppressed=1,
        ended_in=State.SENDING,
        error_code="code",
    )
    assert changed.rows == RowCounts(read=10, uploaded=4, rejected=3, duplicates=2, suppressed=1)
    assert (changed.list_id, changed.due_at, changed.ended_in, changed.error_code) == (5, due, State.SENDING, "code")
    assert ledger.broadcasts.get(changed.key) == changed


def test_of_two_writers_of_the_same_version_the_second_leaves_nothing_of_its_transaction(
    ledger: Ledger, take_in: TakeIn
) -> None:
    seen = take_in()
    ledger.leases.acquire_until_released(LeaseName.for_list(5), seen.key)
    first = move(ledger, seen, State.STAGED, owner="first")

    def write_too_late() -> None:
        with ledger.database.writing() as connection:
            record_rejects(connection, seen, {"email-invalid": 3})
            release_all(connection, seen.key)
            advance(connection, seen, State.CANCELLED, owner="second", note="", now=seen.created_at)

    with pytest.raises(BroadcastChangedMeanwhile, match=seen.key):
        write_too_late()
    assert ledger.broadcasts.get(seen.key) == first
    assert steps(ledger, seen) == [(None, "claimed"), ("claimed", "staged")]
    assert ledger.broadcasts.rejects(seen) == {}
    assert ledger.leases.find_owner(LeaseName.for_list(5)) == seen.key


def test_a_failure_after_the_change_takes_the_change_and_its_history_back(ledger: Ledger, take_in: TakeIn) -> None:
    seen = take_in()

    def write_then_fail() -> None:
        with ledger.database.writing() as connection:
            advance(connection, seen, State.STAGED, owner="step", note="", now=seen.created_at)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_then_fail()
    assert ledger.broadcasts.get(seen.key) == seen
    assert len(ledger.broadcasts.history(seen)) == 1


def test_of_writers_at_once_exactly_one_changes_the_broadcast(
    open_database: Callable[[], Database], ledger: Ledger, take_in: TakeIn
) -> None:
    seen, start = take_in(), threading.Barrier(8)

    def write(database: Database) -> bool:
        start.wait()
        try:
            with database.writing() as connection:
                advance(connection, seen, State.STAGED, owner="step", note="", now=seen.created_at)
        except BroadcastChangedMeanwhile:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        changed = list(threads.map(write, [open_database() for _ in range(8)]))
    assert sorted(changed) == [False] * 7 + [True]
    assert ledger.broadcasts.get(seen.key).version == 2
    assert len(ledger.broadcasts.history(seen)) == 2


def test_touch_changes_columns_and_the_version_but_neither_state_nor_history(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    seen = take_in()
    touched = ledger.broadcasts.update(seen, attempts=4, due_at=clock.advance(minutes=1))
    assert (touched.state, touched.version, touched.attempts, touched.due_at) == (State.CLAIMED, 2, 4, clock.now())
    assert touched.changed_at == seen.changed_at
    assert len(ledger.broadcasts.history(seen)) == 1


def test_touch_of_an_older_version_is_refused(ledger: Ledger, take_in: TakeIn) -> None:
    seen = take_in()
    changed = move(ledger, seen, State.STAGED)
    with pytest.raises(BroadcastChangedMeanwhile):
        ledger.broadcasts.update(seen, attempts=1)
    assert ledger.broadcasts.get(seen.key) == changed


def test_a_broadcast_that_is_gone_counts_as_changed_meanwhile(ledger: Ledger, take_in: TakeIn) -> None:
    seen = take_in()
    with ledger.database.writing() as connection:
        connection.execute(delete(tables.history))
        connection.execute(delete(tables.broadcast))
    with pytest.raises(BroadcastChangedMeanwhile):
        move(ledger, seen, State.STAGED)


# History


def test_the_history_shows_every_change_in_order_without_a_gap(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    other = take_in(2)
    broadcast = take_in(1)
    way = [
        *ORDER[1:7],
        State.NEEDS_OPERATOR,
        State.IMPORTED,
        State.SENDING,
        State.FAILED,
        State.STAGED,
        State.CANCELLED,
    ]
    for number, state in enumerate(way):
        broadcast = move(ledger, broadcast, state, note=f"step {number}", now=clock.advance(seconds=1))
        broadcast = ledger.broadcasts.update(broadcast, attempts=1)
    history = ledger.broadcasts.history(broadcast)
    assert [row.to_state for row in history] == [State.CLAIMED, *way]
    assert all(before.to_state == after.from_state for before, after in pairwise(history))
    assert all(before.at < after.at for before, after in pairwise(history))
    assert [row.note for row in history[1:]] == [f"step {number}" for number in range(len(way))]
    assert len(ledger.broadcasts.history(other)) == 1


def test_the_history_is_only_ever_appended_to(ledger: Ledger, take_in: TakeIn) -> None:
    statements: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(ledger.database.engine, "before_cursor_execute", listen)
    broadcast = take_in()
    for state in ORDER[1:]:
        broadcast = move(ledger, broadcast, state)
    broadcast = ledger.broadcasts.update(broadcast, reported_at=broadcast.created_at)
    ledger.broadcasts.history(broadcast)
    about_history = {statement.split()[0] for statement in statements if "history" in statement}
    assert about_history == {"INSERT", "SELECT"}


def test_a_long_note_is_cut_to_its_column(ledger: Ledger, take_in: TakeIn) -> None:
    changed = move(ledger, take_in(), State.STAGED, note="x" * 5000)
    assert len(ledger.broadcasts.history(changed)[-1].note) == 2000


# Rejects


def test_rejects_are_counted_by_reason_and_broadcast(ledger: Ledger, take_in: TakeIn) -> None:
    one, other = take_in(1), take_in(2)
    with ledger.database.writing() as connection:
        record_rejects(connection, one, {})
        record_rejects(connection, one, {"email-invalid": 2, "unsubscribed": 1})
        record_rejects(connection, other, {"email-invalid": 9})
        record_rejects(connection, one, {"email-invalid": 3, "urn-missing": 1})  # staged again
    assert ledger.broadcasts.rejects(one) == {"email-invalid": 3, "urn-missing": 1}
    assert ledger.broadcasts.rejects(other) == {"email-invalid": 9}


# Nobody is forgotten


@pytest.mark.parametrize("state", State)
def test_the_sweep_finds_an_overdue_broadcast_unless_it_rests(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock, state: State
) -> None:
    overdue = take_in(1, state=state, due_at=clock.now() - timedelta(seconds=1))
    found = ledger.broadcasts.forgotten(limit=10)
    assert found == ([] if state in RESTING else [overdue])


def test_the_sweep_leaves_a_broadcast_whose_message_is_not_due(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    take_in(1, due_at=clock.now() + timedelta(seconds=1))
    take_in(2, due_at=clock.now())
    assert ledger.broadcasts.forgotten(limit=10) == []
    clock.advance(seconds=2)
    assert len(ledger.broadcasts.forgotten(limit=10)) == 2


def test_the_sweep_leaves_a_broadcast_under_a_live_lease_and_finds_it_when_the_lease_has_run_out(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    worked_on = take_in(1, due_at=clock.now() - timedelta(hours=1))
    neighbour = take_in(11, due_at=clock.now() - timedelta(hours=2))
    with ledger.database.writing() as connection:
        connection.execute(
            insert(tables.lease).values(
                name=LeaseName.for_broadcast(worked_on.key),
                owner="dead",
                expires_at=clock.now() + timedelta(seconds=60),
            )
        )
    assert ledger.broadcasts.forgotten(limit=10) == [neighbour]
    clock.advance(seconds=60)
    assert ledger.broadcasts.forgotten(limit=10) == [neighbour, worked_on]


def test_a_held_lease_hides_a_broadcast_from_the_sweep(ledger: Ledger, take_in: TakeIn, clock: MovableClock) -> None:
    overdue = take_in(1, due_at=clock.now() - timedelta(hours=1))
    with ledger.leases.held(LeaseName.for_broadcast(overdue.key), "step"):
        assert ledger.broadcasts.forgotten(limit=10) == []
    assert ledger.broadcasts.forgotten(limit=10) == [overdue]


def test_a_leased_list_does_not_hide_its_broadcast_from_the_sweep(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    overdue = take_in(1, due_at=clock.now() - timedelta(hours=1))
    assert ledger.leases.acquire_until_released(LeaseName.for_list(5), overdue.key)
    assert ledger.broadcasts.forgotten(limit=10) == [overdue]


def test_the_sweep_takes_the_longest_overdue_first_and_no_more_than_asked(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    for job_id, hours in ((1, 1), (2, 3), (3, 2)):
        take_in(job_id, due_at=clock.now() - timedelta(hours=hours))
    assert [one.request.job_id for one in ledger.broadcasts.forgotten(limit=2)] == [2, 3]


# Ends are reported


@pytest.mark.parametrize("state", State)
def test_an_end_is_unreported_until_it_is_recorded_as_reported(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock, state: State
) -> None:
    broadcast = take_in(1, state=state)
    assert ledger.broadcasts.unreported(10) == ([broadcast] if state in ENDED else [])
    ledger.broadcasts.update(broadcast, reported_at=clock.now())
    assert ledger.broadcasts.unreported(10) == []


def test_the_oldest_unreported_ends_come_first_and_no_more_than_asked(ledger: Ledger, take_in: TakeIn) -> None:
    for job_id in (1, 2, 3):
        take_in(job_id, state=State.CLOSED)
    assert [one.request.job_id for one in ledger.broadcasts.unreported(2)] == [1, 2]


# Smart Campaigns of broadcasts


def test_a_smart_campaign_leads_to_its_broadcast(ledger: Ledger, take_in: TakeIn) -> None:
    first, second = take_in(1), take_in(2)
    ledger.broadcasts.update(first, campaign_id=70, source_campaign_id=71)
    ledger.broadcasts.update(second, campaign_id=2**40)
    assert ledger.broadcasts.by_campaign([70, 71, 72, 2**40]) == {70: first.key, 2**40: second.key}
    assert ledger.broadcasts.by_campaign([]) == {}
    assert ledger.broadcasts.by_campaign(range(3000)) == {70: first.key}


def test_a_batch_is_unknown_from_its_first_try_until_its_smart_campaign_is_recorded(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease
) -> None:
    batch = take_in(1, route=RouteKind.SENDING_BATCH)
    job, filled = take_in(2), take_in(3, route=RouteKind.SENDING_BATCH)
    for broadcast, kind in ((job, Kind.COPY), (filled, Kind.UPLOAD)):
        ledger.effects.trying(ledger.effects.intend(broadcast, kind, "n", lease), lease)
    copy = ledger.effects.intend(batch, Kind.COPY, batch.key, lease)
    assert ledger.broadcasts.with_unknown_batch() == set()
    ledger.effects.trying(copy, lease)
    assert ledger.broadcasts.with_unknown_batch() == {batch.key}
    ledger.broadcasts.update(batch, campaign_id=70)
    assert ledger.broadcasts.with_unknown_batch() == set()


def test_a_note_has_the_state_at_the_time_it_is_written(ledger: Ledger, take_in: TakeIn) -> None:
    before = take_in(1)
    move(ledger, before, State.STAGED)
    ledger.broadcasts.request_cancel(before, owner="kim")
    ledger.broadcasts.record(before, "seen by kim", owner="kim")
    assert steps(ledger, before)[-2:] == [("staged", "staged"), ("staged", "staged")]
