"""Responses on their way into RS_DB: staged, compared with those already loaded (rule 6), numbered, recorded.

Once they are staged they are moved by statements over sets of rows, some thousand lines at a time; only details and
ids pass through here. Every function but `stage` and `clear` works within the caller's transaction.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import batched
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)

from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.database.types import UtcDateTime
from shared.errors import RowsUnaccounted
from shared.ledger.recipients import key_hash
from shared.ledger.responses import known
from shared.ledger.responses.matching import match
from shared.ledger.tables import response_event, unmatched_response
from shared.ledger.tables import response_staging as staging
from shared.response import RecipientKind, Response, event_core, event_key, recipient_event, stated, url_hash
from shared.response_file import ResponseFile

#: Lines of a response file that are moved by one statement.
_LINES: Final = 10_000
#: Lines that are removed by one statement: fewer than SQL Server locks a whole table for.
_REMOVED: Final = 4_000
#: Values in one statement (SQL Server takes 2,100 parameters).
_VALUES: Final = 1000
_NO_DETAILS: Final = "{}"
#: What a row is staged with; ordinal, place and broadcast come when the file is whole.
_STAGED: Final = (
    "line",
    "response_file_id",
    "event_key",
    "event_core",
    "by_communication_key",
    "by_urn",
    "by_email",
    "url_hash",
    "stated",
    "broadcast_key",
    "mailing_id",
    "email",
    "urn",
    "urn_hash",
    "communication_key",
    "communication_key_hash",
    "message_type",
    "event_time",
    "delivery_date",
    "click_date",
    "event_wall",
    "delivery_wall",
    "click_wall",
    "click_url",
    "details",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOfType:
    """New responses of one message type."""

    message_type: str
    rows: int
    #: Those among them that found no broadcast.
    unmatched: int


def stage(
    bulk: BulkLoad, file: ResponseFile, load_id: str, rows: Iterable[tuple[int, Response]], zone: ZoneInfo
) -> int:
    """Write the rows of a response file, each with its line number: all of them, or none when it fails.

    Args:
        bulk: loads rows into the database of the ledger.
        file: the response file.
        load_id: names this load of it.
        rows: line and response, as they are read.
        zone: zone of the times in RS_DB.

    Returns:
        How many rows are staged.
    """
    values = (_staging_row(file, line, response, zone) for line, response in rows)
    return bulk.load(staging, _STAGED, values, stamp=("load_id", load_id))


def clear(database: Database, file: ResponseFile) -> None:
    """Remove what interrupted loads of this file left behind: rows that never got a place, some thousand at a time."""
    left = and_(staging.c.response_file_id == file.id, staging.c.place.is_(None))
    with database.reading() as connection:
        by_load = select(staging.c.load_id, func.max(staging.c.line)).where(left).group_by(staging.c.load_id)
        loads = connection.execute(by_load).all()
    for load_id, last in loads:
        for start in range(0, last + 1, _REMOVED):
            lines = and_(staging.c.line >= start, staging.c.line < start + _REMOVED)
            with database.writing() as connection:
                connection.execute(delete(staging).where(staging.c.load_id == load_id, lines, left))


def number_new(connection: Connection, load_id: str) -> None:
    """Match the staged rows to their broadcasts, and give ordinal and place to those whose event is not recorded yet.

    Args:
        connection: the transaction that also records the events.
        load_id: the load that staged them; all of its rows are staged.
    """
    match(connection, staging, staging.c.load_id == load_id)
    known.find_recipients(connection, load_id)
    ranked = known.ranked_rows(load_id)
    fresh = (
        select(ranked.c.line, ranked.c.rank, func.row_number().over(order_by=ranked.c.line).label("place"))
        .where(~exists().where(known.covers(ranked)))
        .subquery("fresh")
    )
    connection.execute(
        update(staging)
        .where(staging.c.load_id == load_id, staging.c.line == fresh.c.line)
        .values(ordinal=fresh.c.rank, place=fresh.c.place)
    )
    known.pair_with_recorded(connection, load_id)


def count_new(connection: Connection, load_id: str) -> list[NewOfType]:
    """How many staged rows are new, by message type."""
    unmatched = func.sum(case((staging.c.broadcast_id.is_(None), 1), else_=0))
    query = (
        select(staging.c.message_type, func.count(), unmatched)
        .where(_new(load_id))
        .group_by(staging.c.message_type)
        .order_by(staging.c.message_type)
    )
    return [
        NewOfType(message_type=kind, rows=rows, unmatched=without)
        for kind, rows, without in connection.execute(query).all()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some thousand new staged rows, by increasing line; where they have places, without gaps."""

    #: Condition for the rows of `response_staging` that are new in its load, and for those of the batch.
    new: ColumnElement[bool]
    rows: ColumnElement[bool]
    #: The lines that it spans: the first is that of a row.
    lines: range
    #: Number of rows, and the place of the first; None where no places are given.
    size: int
    first_place: int | None


def batches(connection: Connection, load_id: str) -> Iterator[Batch]:
    """The new rows of a load, by increasing line."""
    return _batches(connection, _new(load_id))


def _batches(connection: Connection, new: ColumnElement[bool]) -> Iterator[Batch]:
    last = connection.scalar(select(func.max(staging.c.line)).where(new)) or 0
    for start in range(0, last + 1, _LINES):
        yield from _batch(connection, new, range(start, start + _LINES))


def _batch(connection: Connection, new: ColumnElement[bool], lines: range) -> Iterator[Batch]:
    rows = and_(new, staging.c.line >= lines.start, staging.c.line < lines.stop)
    query = select(func.count(), func.min(staging.c.place), func.min(staging.c.line)).where(rows)
    size, place, line = connection.execute(query).one()
    if size:
        yield Batch(new=new, rows=rows, lines=range(line, lines.stop), size=size, first_place=place)


def halves(connection: Connection, batch: Batch) -> list[Batch]:
    """The same rows as two batches, or one where they are close together; none of a batch of one row."""
    middle = (batch.lines.start + batch.lines.stop) // 2
    parts = (range(batch.lines.start, middle), range(middle, batch.lines.stop))
    return [half for lines in parts for half in _batch(connection, batch.new, lines)]


def mark_new(connection: Connection, load_id: str) -> None:
    """Mark the new rows of a load for `marked_batches`, in a transaction of its own that is committed.

    They have no place, so that `clear` removes them if the load ends here; moving them numbers them again.
    """
    number_new(connection, load_id)
    known.forget_candidates(connection, load_id)
    connection.execute(update(staging).where(staging.c.load_id == load_id).values(place=None))


def marked_batches(connection: Connection, load_id: str) -> Iterator[Batch]:
    """The rows of a load that were new when they were marked, by increasing line."""
    return _batches(connection, and_(staging.c.load_id == load_id, staging.c.ordinal.is_not(None)))


def set_aside(connection: Connection, load_id: str, lines: Iterable[int]) -> None:
    """Remove rows that are not to be written, after the new rows are numbered: so the others keep their ordinals."""
    for chunk in batched(lines, _VALUES, strict=False):
        connection.execute(delete(staging).where(staging.c.load_id == load_id, staging.c.line.in_(chunk)))


def close_gaps(connection: Connection, load_id: str) -> None:
    """Give the new rows of a load, some of which are removed, places without a gap."""
    place = func.row_number().over(order_by=staging.c.line).label("place")
    left = select(staging.c.line, place).where(_new(load_id)).subquery("remaining")
    its_row = (staging.c.load_id == load_id, staging.c.line == left.c.line)
    connection.execute(update(staging).where(*its_row).values(place=left.c.place))


def details_of(connection: Connection, batch: Batch) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Position in the batch, from 0, and details of the rows that have some."""
    position = func.row_number().over(order_by=staging.c.line).label("position")
    rows = select(position, staging.c.details).where(batch.rows).subquery("batch")
    query = select(rows.c.position, rows.c.details).where(rows.c.details != _NO_DETAILS).order_by(rows.c.position)
    for number, details in connection.execute(query).all():
        yield number - 1, json.loads(details)


def record(connection: Connection, batch: Batch, response_ids: Sequence[int], *, now: datetime) -> None:
    """Record the events of rows that were written to `Response`; those without a broadcast are remembered.

    Args:
        connection: the transaction that wrote them.
        batch: the rows.
        response_ids: `Response.Id` of each, by increasing line; so they increase too.
        now: the time.

    Raises:
        RowsUnaccounted: not every row of the batch was recorded.
    """
    recorded = 0
    for first_id, place, count in _runs(response_ids, batch.first_place or 0):
        run = and_(batch.rows, staging.c.place >= place, staging.c.place < place + count)
        response_id = staging.c.place + (first_id - place)
        recorded += _record_events(connection, run, response_id)
        kept: dict[str, ColumnElement[Any]] = {
            "response_id": response_id,
            "response_file_id": staging.c.response_file_id,
            "broadcast_key": staging.c.broadcast_key,
            "mailing_id": staging.c.mailing_id,
            "communication_key_hash": staging.c.communication_key_hash,
            "urn_hash": staging.c.urn_hash,
            "event_time": staging.c.event_time,
            "delivery_date": staging.c.delivery_date,
            "loaded_at": literal(now, UtcDateTime),
            "event_key": staging.c.event_key,
            "ordinal": staging.c.ordinal,
        }
        connection.execute(
            insert(unmatched_response).from_select(
                list(kept), select(*kept.values()).where(run, staging.c.broadcast_id.is_(None))
            )
        )
    if recorded != batch.size:
        raise RowsUnaccounted(what="a batch of responses", read=batch.size, accounted=recorded)


def record_without_response(connection: Connection, batch: Batch) -> None:
    """Record the events of rows for which there is no row in `Response`."""
    _record_events(connection, batch.rows, literal_column("0"))


def _record_events(connection: Connection, rows: ColumnElement[bool], response_id: ColumnElement[Any]) -> int:
    same = ("event_key", "ordinal", "by_communication_key", "by_urn", "by_email", "url_hash", "stated", "broadcast_id")
    values: dict[str, ColumnElement[Any]] = {
        **{name: staging.c[name] for name in same},
        **{name: func.nullif(staging.c[name], "") for name in ("broadcast_key", "mailing_id")},
        "response_id": response_id,
    }
    events = insert(response_event).from_select(list(values), select(*values.values()).where(rows))
    return connection.execute(events).rowcount


def _runs(response_ids: Sequence[int], first_place: int) -> Iterator[tuple[int, int, int]]:
    """The ids without gaps: first id, its place, and how many there are.

    Another writer of `Response`, such as FERG, can take ids in between.
    """
    start = 0
    for end in range(1, len(response_ids) + 1):
        if end == len(response_ids) or response_ids[end] != response_ids[end - 1] + 1:
            yield response_ids[start], first_place + start, end - start
            start = end


def _new(load_id: str) -> ColumnElement[bool]:
    return and_(staging.c.load_id == load_id, staging.c.place.is_not(None))


def _staging_row(file: ResponseFile, line: int, response: Response, zone: ZoneInfo) -> tuple[object, ...]:
    """The values of `_STAGED`."""
    core = event_core(response.type_in_file or response.message_type, response.event_time)
    urn, communication_key = key_hash(response.urn), key_hash(response.communication_key)
    return (
        line,
        file.id,
        event_key(response),
        core,
        _by(core, RecipientKind.COMMUNICATION_KEY, communication_key),
        _by(core, RecipientKind.URN, urn),
        _by(core, RecipientKind.EMAIL, key_hash(response.email)),
        url_hash(response),
        stated(response),
        response.broadcast_key,
        response.mailing_id,
        response.email,
        response.urn,
        urn,
        response.communication_key,
        communication_key,
        response.message_type,
        response.event_time,
        response.delivery_date,
        response.click_date,
        _wall(response.event_time, zone),
        _wall(response.delivery_date, zone),
        _wall(response.click_date, zone),
        response.click_url,
        json.dumps(dict(response.details)) if response.details else _NO_DETAILS,
    )


def _by(core: bytes, kind: RecipientKind, key: bytes | None) -> bytes | None:
    return None if key is None else recipient_event(core, kind, key)


@lru_cache(maxsize=16_384)  # the events of a file crowd in few minutes, and asking a zone is slow
def _wall(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """The time on a clock in this zone."""
    return None if moment is None else moment.astimezone(zone).replace(tzinfo=None)
