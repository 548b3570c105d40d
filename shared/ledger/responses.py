"""Responses on their way into RS_DB: staged, ranked, and told apart from those already there (rule 6)."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from shared.bulk.load import BulkLoad
from shared.database import Database
from shared.ledger.response_files import ResponseFile
from shared.ledger.tables import broadcast, response_event
from shared.ledger.tables import response_staging as staging
from shared.response import AttributedResponse, Response, event_key

#: Rows read and written by one statement.
_BATCH = 500
#: What a row is staged with; its rank comes when the file is whole.
_STAGED = (
    "line",
    "response_file_id",
    "event_key",
    "broadcast_key",
    "mailing_id",
    "email",
    "urn",
    "communication_key",
    "message_type",
    "event_time",
    "delivery_date",
    "click_url",
    "click_date",
    "details",
)


def stage(bulk: BulkLoad, file: ResponseFile, load_id: str, rows: Iterable[tuple[int, Response]]) -> int:
    """Write the rows of a response file, each with its line number: all of them, or none when it fails.

    Args:
        bulk: loads rows into the database.
        file: the file.
        load_id: of this load alone.
        rows: line number and response, as they are read.

    Returns:
        How many rows are staged.
    """
    return bulk.load(
        staging, _STAGED, (_staging_row(file, line, response) for line, response in rows), stamp=("load_id", load_id)
    )


def clear(database: Database, file: ResponseFile) -> None:
    """Remove what an interrupted load of this file left behind."""
    with database.writing() as connection:
        connection.execute(delete(staging).where(staging.c.response_file_id == file.id))


def new(connection: Connection, load_id: str) -> Iterator[list[AttributedResponse]]:
    """The staged rows whose event is not recorded yet, in batches.

    Args:
        connection: the transaction that also writes them to RS_DB and calls `record`.
        load_id: the load that staged them; all of its rows are staged.
    """
    _rank(connection, load_id)
    recorded = (
        select(response_event.c.ordinal)
        .where(response_event.c.event_key == staging.c.event_key, response_event.c.ordinal == staging.c.ordinal)
        .exists()
    )
    after = -1
    while True:
        page = connection.execute(
            select(staging, broadcast.c.rs_broadcast_id, broadcast.c.message_name)
            .select_from(staging.outerjoin(broadcast, broadcast.c.key == staging.c.broadcast_key))
            .where(staging.c.load_id == load_id, staging.c.line > after, ~recorded)
            .order_by(staging.c.line)
            .limit(_BATCH)
        ).all()
        if not page:
            return
        after = page[-1].line
        yield [_attributed(row) for row in page]


def record(connection: Connection, responses: Sequence[AttributedResponse], response_ids: Sequence[int]) -> None:
    """Record the events of rows that were written to `Response`, in the transaction that wrote them."""
    connection.execute(
        insert(response_event),
        [
            {"event_key": one.event_key, "ordinal": one.ordinal, "response_id": response_id}
            for one, response_id in zip(responses, response_ids, strict=True)
        ],
    )


def _rank(connection: Connection, load_id: str) -> None:
    ranked = (
        select(
            staging.c.line,
            func.row_number().over(partition_by=staging.c.event_key, order_by=staging.c.line).label("ordinal"),
        )
        .where(staging.c.load_id == load_id)
        .subquery()
    )
    connection.execute(
        update(staging)
        .where(staging.c.load_id == load_id, staging.c.line == ranked.c.line)
        .values(ordinal=ranked.c.ordinal)
    )


def _staging_row(file: ResponseFile, line: int, response: Response) -> tuple[object, ...]:
    """The values of `_STAGED`."""
    return (
        line,
        file.id,
        event_key(response),
        response.broadcast_key,
        response.mailing_id,
        response.email,
        response.urn,
        response.communication_key,
        response.message_type,
        response.event_time,
        response.delivery_date,
        response.click_url,
        response.click_date,
        json.dumps(dict(response.details)),
    )


def _attributed(row: Row[Any]) -> AttributedResponse:
    response = Response(
        message_type=row.message_type,
        event_time=row.event_time,
        email=row.email,
        urn=row.urn,
        communication_key=row.communication_key,
        broadcast_key=row.broadcast_key,
        mailing_id=row.mailing_id,
        delivery_date=row.delivery_date,
        click_url=row.click_url,
        click_date=row.click_date,
        details=json.loads(row.details),
    )
    return AttributedResponse(
        response=response,
        event_key=row.event_key,
        ordinal=row.ordinal,
        rs_broadcast_id=row.rs_broadcast_id,
        message_name=row.message_name or "",
    )
