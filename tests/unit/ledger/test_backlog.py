"""What is under way, by state and age."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from shared.broadcast import ENDED, Broadcast, BroadcastRequest, State
from shared.database.connections import Database
from shared.ledger import Ledger, tables
from shared.ledger.backlog import Waiting, broadcasts_under_way, ferg_files_under_way, response_files_under_way
from shared.response_file import FileState
from shared.steps.chores.report_backlog import backlog_fields
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]


def test_broadcasts_are_counted_by_state_with_the_oldest_of_each(
    database: Database, take_in: TakeIn, clock: MovableClock
) -> None:
    first = take_in(1, state=State.IMPORTING)
    clock.advance(minutes=10)
    take_in(2, state=State.IMPORTING)
    parked = take_in(3, state=State.NEEDS_OPERATOR)
    assert broadcasts_under_way(database, now=clock.now()) == {
        State.IMPORTING: Waiting(2, first.changed_at, first.key),
        State.NEEDS_OPERATOR: Waiting(1, parked.changed_at, parked.key),
    }


@pytest.mark.parametrize("state", sorted(ENDED))
def test_broadcasts_that_have_ended_are_not_under_way(
    database: Database, take_in: TakeIn, clock: MovableClock, state: State
) -> None:
    take_in(state=state)
    assert broadcasts_under_way(database, now=clock.now()) == {}


def test_a_broadcast_that_is_sent_at_a_time_waits_from_then_on(
    database: Database, ledger: Ledger, request_of: Callable[..., BroadcastRequest], clock: MovableClock
) -> None:
    send_at = clock.now() + timedelta(hours=5)
    added = ledger.broadcasts.add(request_of(1, send_at=send_at), owner="poller")
    assert added is not None
    assert broadcasts_under_way(database, now=clock.now()) == {State.CLAIMED: Waiting(1)}
    clock.advance(hours=6)
    assert broadcasts_under_way(database, now=clock.now()) == {State.CLAIMED: Waiting(1, send_at, added.key)}


def test_a_broadcast_that_its_source_holds_is_counted_but_waits_for_nobody(
    database: Database, take_in: TakeIn, clock: MovableClock
) -> None:
    take_in(1, state=State.STAGED, held=True)
    released = take_in(2, state=State.STAGED, held=True, released_at=clock.now())
    clock.advance(hours=1)
    assert broadcasts_under_way(database, now=clock.now()) == {
        State.STAGED: Waiting(2, released.changed_at, released.key)
    }


def file_row(number: int, state: FileState, clock: MovableClock, **columns: Any) -> dict[str, Any]:
    usual = {"name": f"Response{number}.csv", "size": 1, "modified": clock.now(), "due_at": clock.now(), "attempts": 0}
    return usual | {"state": state, "seen_at": clock.now(), "gathered_at": None} | columns


def test_response_files_are_counted_until_they_are_loaded(database: Database, clock: MovableClock) -> None:
    begun = clock.now()
    rows = [file_row(1, FileState.SEEN, clock), file_row(2, FileState.LOADED, clock, gathered_at=begun)]
    clock.advance(minutes=7)
    rows += [file_row(3, FileState.SEEN, clock), file_row(4, FileState.GATHERED, clock, gathered_at=clock.now())]
    with database.writing() as connection:
        connection.execute(insert(tables.response_file), rows)
    assert response_files_under_way(database) == {
        FileState.SEEN: Waiting(2, begun),
        FileState.GATHERED: Waiting(1, clock.now()),
    }


def test_files_for_ferg_are_counted_until_they_are_put(database: Database, clock: MovableClock) -> None:
    assert ferg_files_under_way(database) == Waiting(0)
    common = {"load_id": "x", "name": "a", "columns": "[]", "rows": 1, "made_at": clock.now()}
    with database.writing() as connection:
        connection.execute(
            insert(tables.ferg_file),
            [{"response_file_id": 1, "put_at": None} | common, {"response_file_id": 2, "put_at": clock.now()} | common],
        )
    assert ferg_files_under_way(database) == Waiting(1, clock.now())


def test_the_fields_show_number_age_and_key_of_every_state(clock: MovableClock) -> None:
    since = clock.now()
    clock.advance(minutes=7, seconds=59)
    fields = backlog_fields(
        {State.SENDING: Waiting(2, since, "J1-00000000")},
        {FileState.GATHERED: Waiting(3, since)},
        Waiting(0),
        {"upload_list": 4},
        now=clock.now(),
    )
    wanted = {"sending": 2, "sending_minutes": 7, "sending_oldest": "J1-00000000", "files_gathered": 3}
    wanted |= {"files_gathered_minutes": 7, "claimed": 0, "claimed_minutes": 0, "claimed_oldest": None}
    wanted |= {"ferg_files": 0, "poison_upload_list": 4}
    assert {name: fields[name] for name in wanted} == wanted
    assert "closed" not in fields
