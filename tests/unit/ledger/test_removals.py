"""What expires in the ledger: whose, when, and how much at a time."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from shared.broadcast import Broadcast, State
from shared.database.connections import Database
from shared.ledger import Ledger, recipients, removals, tables
from shared.ledger.effects import Kind
from shared.ledger.leases import HeldLease
from tests.builders import NOON

TakeIn = Callable[..., Broadcast]
LATER = NOON + timedelta(days=1)
SECOND = timedelta(seconds=1)


def remember(database: Database, broadcast: Broadcast, lines: range) -> None:
    columns = ("line", "communication_key_hash", "urn_hash")
    with database.writing() as connection:
        connection.execute(
            insert(tables.recipient).values(broadcast_id=broadcast.id),
            [dict(zip(columns, recipients.row(line, f"k{line}", f"u{line}"), strict=True)) for line in lines],
        )


def remembered(database: Database) -> dict[int, int]:
    """How many recipients are remembered, by the id of their broadcast."""
    query = select(tables.recipient.c.broadcast_id, func.count()).group_by(tables.recipient.c.broadcast_id)
    with database.reading() as connection:
        return {broadcast: rows for broadcast, rows in connection.execute(query).all()}  # noqa: C416


# Recipients


@pytest.mark.parametrize("lines", [range(2, 3), range(2, 12), range(5, 20_007, 5_000)])
def test_recipients_of_one_broadcast_are_removed_and_counted(take_in: TakeIn, database: Database, lines: range) -> None:
    gone, kept = take_in(1), take_in(2)
    remember(database, gone, lines)
    remember(database, kept, range(2, 4))
    assert recipients.remove(database, gone.id) == lines[-1] - lines[0] + 1
    assert remembered(database) == {kept.id: 2}
    assert recipients.remove(database, gone.id) == 0


@pytest.mark.parametrize(
    ("state", "columns", "stay"),
    [
        (State.CANCELLED, {}, False),
        (State.CANCELLED, {"rs_broadcast_id": 4}, True),
        (State.FAILED, {"ended_in": State.CLAIMED}, False),
        (State.FAILED, {"ended_in": State.CLAIMED, "rs_broadcast_id": 4}, True),
        (State.FAILED, {"ended_in": State.UPLOADED}, True),
        (State.STAGED, {"ended_in": State.CLAIMED}, True),
        (State.CLOSED, {}, True),
    ],
)
def test_recipients_of_a_list_that_never_left_are_forgotten(
    take_in: TakeIn, database: Database, state: State, columns: dict[str, object], *, stay: bool
) -> None:
    broadcast = take_in(1, state=state, **columns)
    remember(database, broadcast, range(2, 5))
    recipients.forget_never_uploaded(database)
    assert bool(remembered(database)) is stay


@pytest.mark.parametrize(
    ("state", "changed_at", "stay"),
    [
        (State.CLOSED, NOON - SECOND, False),
        (State.FAILED, NOON - SECOND, False),
        (State.CANCELLED, NOON - SECOND, False),
        (State.CLOSED, NOON, True),
        (State.SENDING, NOON - SECOND, True),
        (State.NEEDS_OPERATOR, NOON - SECOND, True),
    ],
)
def test_recipients_of_a_broadcast_that_ended_long_ago_are_removed(
    take_in: TakeIn, database: Database, state: State, changed_at: object, *, stay: bool
) -> None:
    broadcast = take_in(1, state=state, changed_at=changed_at)
    remember(database, broadcast, range(2, 5))
    assert removals.remove_recipients(database, before=NOON, limit=10, rows=100) == (0 if stay else 1, False)
    assert bool(remembered(database)) is stay


def test_recipients_are_removed_some_broadcasts_and_some_rows_at_a_time(take_in: TakeIn, database: Database) -> None:
    for number in range(1, 5):
        remember(database, take_in(number, state=State.CLOSED), range(2, 5))
    assert removals.remove_recipients(database, before=LATER, limit=2, rows=100) == (2, True)
    assert len(remembered(database)) == 2
    assert removals.remove_recipients(database, before=LATER, limit=10, rows=3) == (1, True)
    assert removals.remove_recipients(database, before=LATER, limit=10, rows=3) == (1, False)
    assert remembered(database) == {}


# Files, history, and what is remembered of removals


@pytest.mark.parametrize(
    ("state", "columns", "expired"),
    [
        (State.CLOSED, {"reported_at": NOON}, True),
        (State.FAILED, {"reported_at": NOON}, True),
        (State.CLOSED, {}, False),
        (State.CLOSED, {"reported_at": NOON, "changed_at": LATER}, False),
        (State.NEEDS_OPERATOR, {"reported_at": NOON}, False),
    ],
)
def test_files_of_a_broadcast_expire_once_its_end_is_reported(
    take_in: TakeIn, database: Database, state: State, columns: dict[str, object], *, expired: bool
) -> None:
    broadcast = take_in(1, state=state, **columns)
    keys = {broadcast.key, "nobody"}
    assert removals.old_broadcasts(database, keys, before=LATER) == (
        {"nobody"} | ({broadcast.key} if expired else set())
    )


@pytest.mark.parametrize(
    ("state", "columns", "listed", "gone"),
    [
        (State.CLOSED, {"reported_at": NOON}, False, True),
        (State.CANCELLED, {"reported_at": NOON}, False, True),
        (State.FAILED, {"reported_at": NOON}, False, False),  # an operator can resume it
        (State.CLOSED, {}, False, False),
        (State.CLOSED, {"reported_at": NOON, "changed_at": LATER}, False, False),
        (State.CLOSED, {"reported_at": NOON}, True, False),  # who is remembered keeps the time of the send
    ],
)
def test_history_and_effects_of_a_broadcast_that_ended_for_good_are_removed(
    take_in: TakeIn,
    database: Database,
    ledger: Ledger,
    lease: HeldLease,
    state: State,
    columns: dict[str, object],
    *,
    listed: bool,
    gone: bool,
) -> None:
    broadcast, other = take_in(1), take_in(2)
    for each in (broadcast, other):
        ledger.effects.intend(each, Kind.UPLOAD, "list.csv", lease)
    broadcast = take_in(3, state=state, **columns)
    ledger.effects.intend(broadcast, Kind.UPLOAD, "list.csv", lease)
    if listed:
        remember(database, broadcast, range(2, 3))
    assert removals.remove_history(database, before=LATER, limit=10) == int(gone)
    assert (ledger.broadcasts.history(broadcast) == []) is gone
    assert (ledger.effects.find(broadcast, Kind.UPLOAD) is None) is gone
    assert ledger.broadcasts.history(other)
    assert ledger.effects.find(other, Kind.UPLOAD)
    assert removals.remove_history(database, before=LATER, limit=10) == 0


def test_removals_of_a_kind_add_up(database: Database) -> None:
    removals.record(database, "lists", 3, looked_at=NOON)
    removals.record(database, "rejects", 1, looked_at=NOON)
    removals.record(database, "lists", 2, looked_at=LATER)
    assert removals.removals(database) == [
        removals.Removal(kind="lists", looked_at=LATER, removed=2, removed_ever=5),
        removals.Removal(kind="rejects", looked_at=NOON, removed=1, removed_ever=1),
    ]
