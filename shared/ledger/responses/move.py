"""The move of a load, top to bottom: staged rows become rows of `Response`, recorded events and counts.

`stage` has written the rows of the file. Here, in one transaction, the new ones among them are numbered, find their
broadcasts, are written batch by batch, and are counted.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from shared.database.locks import acquire_lock
from shared.errors import RowsUnaccounted
from shared.ledger.responses import counts, staging
from shared.ledger.responses.staging import Batch, NewOfType


class ResponseTable(Protocol):
    """The table `Response` of RS_DB."""

    def add_responses(self, connection: Connection, batch: Batch) -> Sequence[int]:
        """Write a batch of staged rows; the `Response.Id` of each, by increasing line."""
        ...


def move(connection: Connection, load_id: str, table: ResponseTable | None, *, now: datetime) -> list[NewOfType]:
    """Move the new rows of a load, within a transaction: all of them or none. One load at a time moves its rows.

    Args:
        connection: the transaction.
        load_id: the load; all of its rows are staged.
        table: where they go; None: their events are recorded, but no row is written.
        now: the time.

    Returns:
        How many there were, by message type.

    Raises:
        DatabaseUnavailable: another load does not finish its move.
        RowsUnaccounted: not every new row was moved.
    """
    # Two loads that move side by side would both take an event for new.
    acquire_lock(connection, "bridge.responses")
    staging.number_new(connection, load_id)
    new = staging.count_new(connection, load_id)
    moved = 0
    for batch in staging.batches(connection, load_id):
        if table is None:
            staging.record_without_response(connection, batch)
        else:
            staging.record(connection, batch, table.add_responses(connection, batch), now=now)
        moved += batch.size
    counts.count_load(connection, load_id, now=now)
    rows = sum(of_type.rows for of_type in new)
    if moved != rows:
        raise RowsUnaccounted(what="a load of responses", read=rows, accounted=moved)
    return new
