"""The move of a load, top to bottom: staged rows become rows of `Response`, recorded events and counts.

`stage` has written the rows of the file. Here, in one transaction, they find their broadcasts, the new ones among them
are numbered, written batch by batch, and counted. What the known ones add to the rows that are there is written too.

A rule of the customer's tables may refuse a row: a constraint, a trigger. A batch that is refused is halved until the
rows are found; they are set aside, and the others are moved. Some rules end the whole transaction, a trigger on SQL
Server for one. Then `sift` finds the rows, each attempt in a transaction of its own, and the move begins again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import ColumnElement, Connection

from shared.database.connections import Database
from shared.database.locks import acquire_lock
from shared.database.rules import savepoint
from shared.errors import DatabaseRuleBroken, RowsUnaccounted
from shared.ledger.responses import counts, known, staging, unmatched
from shared.ledger.responses.staging import Batch, NewOfType

#: Most rows of a load that are set aside; where a rule refuses more of them, it is not about single rows.
_MOST: Final = 10_000
#: The rule that refused a row, by its line: what it is, its name and its table, never a value.
type SetAside = dict[int, str]


class ResponseTable(Protocol):
    """The table `Response` of RS_DB."""

    def add_responses(self, connection: Connection, batch: Batch) -> Sequence[int]:
        """Write a batch of staged rows; the `Response.Id` of each, by increasing line.

        Raises:
            DatabaseRuleBroken: a rule of the table refuses a row, or all of them.
        """
        ...

    def complete_responses(self, connection: Connection, load_id: str) -> Sequence[tuple[int, str, int]]:
        """Write what known rows of a load state, and the row of `Response` lacks; changes of counts by type."""
        ...

    def attribute(self, connection: Connection, scope: ColumnElement[bool]) -> None:
        """Write their broadcast to responses that were loaded without one."""
        ...

    def count_matched(self, connection: Connection, scope: ColumnElement[bool]) -> Sequence[tuple[int, str, int]]:
        """How many responses that were loaded without a broadcast have one now."""
        ...


def move(
    connection: Connection,
    load_id: str,
    table: ResponseTable | None,
    *,
    now: datetime,
    set_aside: SetAside | None = None,
) -> list[NewOfType]:
    """Move the new rows of a load, within a transaction: all of them or none. One load at a time moves its rows.

    Args:
        connection: the transaction.
        load_id: the load; all of its rows are staged.
        table: where they go; None: their events are recorded, but no row is written.
        now: the time.
        set_aside: rows that are not to be moved because a rule refuses them; those that are refused here are added.
            None: a row that is refused ends the move.

    Returns:
        How many were moved, by message type.

    Raises:
        DatabaseRuleBroken: a rule refuses every row of the file, or too many.
        TransactionLostError: a rule that is broken ended the transaction; `sift` finds the rows.
        DatabaseUnavailable: another load does not finish its move.
        RowsUnaccounted: not every new row was moved.
    """
    # Two loads that move side by side would both take an event for new.
    acquire_lock(connection, "bridge.responses")
    staging.number_new(connection, load_id)
    refused = {} if set_aside is None else set_aside
    if refused:
        staging.set_aside(connection, load_id, refused)
        staging.close_gaps(connection, load_id)
    moved = 0
    for batch in staging.batches(connection, load_id):
        if table is None:
            staging.record_without_response(connection, batch)
            moved += batch.size
        elif set_aside is None:
            staging.record(connection, batch, table.add_responses(connection, batch), now=now)
            moved += batch.size
        else:
            moved += _write(connection, load_id, batch, table, refused, now=now)
    new = staging.count_new(connection, load_id)
    _complete(connection, load_id, table, now=now)
    counts.count_load(connection, load_id, now=now)
    rows = sum(of_type.rows for of_type in new)
    if moved != rows:
        raise RowsUnaccounted(what="a load of responses", read=rows, accounted=moved)
    return new


def _write(
    connection: Connection, load_id: str, batch: Batch, table: ResponseTable, refused: SetAside, *, now: datetime
) -> int:
    """Write a batch but for the rows that are refused; how many were written."""
    pending, written = [batch], 0
    while pending:
        part = pending.pop()
        try:
            with savepoint(connection):
                ids = table.add_responses(connection, part)
        except DatabaseRuleBroken as error:
            pending += reversed(_narrow(connection, part, error, refused))
            if part.size == 1:
                staging.set_aside(connection, load_id, [part.lines.start])
        else:
            staging.record(connection, part, ids, now=now)
            written += part.size
    return written


def sift(database: Database, load_id: str, table: ResponseTable, refused: SetAside) -> None:
    """Find the rows of a load that a rule refuses by themselves; nothing is written.

    Args:
        database: the database of the ledger.
        load_id: the load; all of its rows are staged.
        table: where they are to go.
        refused: the refused rows are added.

    Raises:
        DatabaseRuleBroken: too many rows are refused.
    """
    with database.writing() as connection:
        acquire_lock(connection, "bridge.responses")
        staging.mark_new(connection, load_id)
    with database.reading() as connection:
        pending = list(staging.marked_batches(connection, load_id))
    while pending:
        part = pending.pop()
        try:
            _try(database, part, table)
        except DatabaseRuleBroken as error:
            with database.reading() as connection:
                pending += _narrow(connection, part, error, refused)


def _try(database: Database, part: Batch, table: ResponseTable) -> None:
    """Write a batch and undo it."""
    with database.writing() as connection:
        table.add_responses(connection, part)
        connection.rollback()


def _narrow(connection: Connection, part: Batch, error: DatabaseRuleBroken, refused: SetAside) -> list[Batch]:
    """What is to be tried next after a batch was refused; the line of a single row is added to the refused ones.

    Raises:
        DatabaseRuleBroken: no row would be accepted, or too many are refused.
    """
    if part.size > 1 and error.of_row:
        return staging.halves(connection, part)
    if not error.of_row or len(refused) >= _MOST:
        raise error
    refused[part.lines.start] = f"{error.rule} of {error.table}"
    return []


def _complete(connection: Connection, load_id: str, table: ResponseTable | None, *, now: datetime) -> None:
    """Add what known rows state, and their files did not state before, to the recorded events and their responses."""
    if not known.has_pairs(connection, load_id):
        return
    if table is None:
        counts.add(connection, known.count_matched(connection, load_id), now=now)
    else:
        counts.add(connection, table.complete_responses(connection, load_id), now=now)
        if unmatched.match_known(connection, load_id):
            attribute_matched(connection, table, unmatched.MATCHED, now=now)
            unmatched.settle(connection, unmatched.MATCHED, now=now)
    known.complete_events(connection, load_id)
    known.forget_candidates(connection, load_id)


def attribute_matched(
    connection: Connection, table: ResponseTable, scope: ColumnElement[bool], *, now: datetime
) -> None:
    """Write and count the broadcasts that unmatched responses match now; `unmatched.settle` must follow.

    Args:
        connection: a transaction that holds the lock of responses.
        table: where the responses are.
        scope: condition for the rows of `unmatched_response`; rows without a broadcast are ignored.
        now: the time.
    """
    table.attribute(connection, scope)
    counts.add(connection, table.count_matched(connection, scope), now=now)
