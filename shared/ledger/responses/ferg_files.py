"""Files for FERG in the ledger: their rows stay in `response_staging` from the load until the file is delivered.

The load decides, once and for all, which events go into the file: they are recorded in its transaction. Afterwards the
file can be delivered repeatedly: its name and content are always the same.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from shared.database.connections import Database
from shared.ledger.tables import broadcast, response_file
from shared.ledger.tables import ferg_file as table
from shared.ledger.tables import response_staging as staging
from shared.response_file import ResponseFile

#: Rows read by one query, and lines removed by one statement.
_BATCH: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class FergFile:
    """A file for FERG that is not delivered yet."""

    response_file_id: int
    #: Name of the response file whose new rows it has.
    response_file: str
    load_id: str
    name: str
    #: Names of its further columns: those for which `Response` has no column.
    columns: Sequence[str]
    rows: int


def name_of(file: ResponseFile, load_id: str) -> str:
    """Name of the file for FERG: always the same for a load, and different for every other load."""
    again = "" if file.counts is None else f"_{load_id[:8]}"
    return f"Response_{file.id:08d}_{(file.sha256 or '')[:8]}{again}.csv"


def make(
    connection: Connection, file: ResponseFile, load_id: str, *, columns: Sequence[str], rows: int, now: datetime
) -> None:
    """Record, within the transaction that records the events, that they go into a file.

    If the response file is loaded again, it replaces the first one, which must have been delivered.
    """
    connection.execute(delete(table).where(table.c.response_file_id == file.id, table.c.put_at.is_not(None)))
    connection.execute(
        insert(table).values(
            response_file_id=file.id,
            load_id=load_id,
            name=name_of(file, load_id),
            columns=json.dumps(list(columns)),
            rows=rows,
            made_at=now,
        )
    )


def waiting(database: Database, limit: int) -> list[FergFile]:
    """Files that are not delivered yet, oldest first."""
    query = (
        select(table, response_file.c.name.label("response_file"))
        .join(response_file, response_file.c.id == table.c.response_file_id)
        .where(table.c.put_at.is_(None))
        .order_by(table.c.response_file_id)
        .limit(limit)
    )
    with database.reading() as connection:
        return [_from_row(row) for row in connection.execute(query)]


def is_waiting(database: Database, response_file_id: int) -> bool:
    """Whether new rows of this response file are still to be delivered."""
    query = select(table.c.response_file_id).where(
        table.c.response_file_id == response_file_id, table.c.put_at.is_(None)
    )
    with database.reading() as connection:
        return connection.execute(query).one_or_none() is not None


def rows(database: Database, file: FergFile) -> Iterator[Row[Any]]:
    """Its rows as they are staged, by increasing line; `sent_id` is that of the `Delivered` row of their broadcast."""
    sent = func.coalesce(broadcast.c.mailing_id, broadcast.c.campaign_id)
    after = -1
    while True:
        query = (
            select(staging, sent.label("sent_id"))
            .select_from(staging.outerjoin(broadcast, broadcast.c.id == staging.c.broadcast_id))
            .where(staging.c.load_id == file.load_id, staging.c.place.is_not(None), staging.c.line > after)
            .order_by(staging.c.line)
            .limit(_BATCH)
        )
        with database.reading() as connection:
            page = connection.execute(query).all()
        if not page:
            return
        yield from page
        after = page[-1].line


def record_delivered(database: Database, file: FergFile, *, now: datetime) -> None:
    """Record that the file is delivered; its rows are no longer needed."""
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.response_file_id == file.response_file_id).values(put_at=now))
        connection.execute(delete(staging).where(staging.c.load_id == file.load_id))


def _from_row(row: Row[Any]) -> FergFile:
    return FergFile(
        response_file_id=row.response_file_id,
        response_file=row.response_file,
        load_id=row.load_id,
        name=row.name,
        columns=json.loads(row.columns),
        rows=row.rows,
    )
