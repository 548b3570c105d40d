"""Responses by broadcast and message type, and how far they are behind the reports of the Smart Campaigns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from shared.database.connections import Database
from shared.ledger.tables import report_comparison as comparison
from shared.ledger.tables import report_gap as gap
from shared.ledger.tables import response_count as count
from shared.ledger.tables import response_staging as staging

#: Files of one day arrive one after the other, and each lags behind the report by what the next one holds. So a gap is
#: compared with that of the day before: at least so long ago.
_A_DAY: Final = timedelta(hours=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How far the responses of a message type are behind the report."""

    message_type: str
    reported: int
    loaded: int
    #: Days in a row on which it had grown.
    grown: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The responses of a broadcast compared with the report of its Smart Campaign."""

    #: Rows loaded by message type, including types that the report does not have.
    loaded: Mapping[str, int]
    gaps: list[Gap]
    #: None until it is compared.
    compared_at: datetime | None
    #: Why the last comparison failed, if it did.
    error_code: str | None


def count_load(connection: Connection, load_id: str, *, now: datetime) -> None:
    """Count the new rows of a load that match a broadcast, in its transaction, which holds the lock of responses."""
    query = (
        select(staging.c.broadcast_id, staging.c.message_type, func.count())
        .where(staging.c.load_id == load_id, staging.c.place.is_not(None), staging.c.broadcast_id.is_not(None))
        .group_by(staging.c.broadcast_id, staging.c.message_type)
        .order_by(staging.c.broadcast_id, staging.c.message_type)
    )
    rows = [(broadcast_id, kind, number) for broadcast_id, kind, number in connection.execute(query).all()]
    add(connection, rows, now=now)


def add(connection: Connection, rows: Iterable[tuple[int, str, int]], *, now: datetime) -> None:
    """Add to the counts, and make the comparison of the broadcasts due.

    Args:
        connection: a transaction that holds the lock of responses: no other counts meanwhile.
        rows: ids of broadcasts, message types, and how many rows.
        now: the time.
    """
    broadcasts = set()
    for broadcast_id, message_type, number in rows:
        broadcasts.add(broadcast_id)
        its_row = (count.c.broadcast_id == broadcast_id, count.c.message_type == message_type)
        if connection.execute(update(count).where(*its_row).values(rows=count.c.rows + number)).rowcount == 0:
            values = {"broadcast_id": broadcast_id, "message_type": message_type, "rows": number}
            connection.execute(insert(count).values(values))
    for broadcast_id in sorted(broadcasts):
        due = update(comparison).where(comparison.c.broadcast_id == broadcast_id).values(due_at=now)
        if connection.execute(due).rowcount == 0:
            connection.execute(insert(comparison).values(broadcast_id=broadcast_id, due_at=now))


def due(database: Database, limit: int, *, now: datetime) -> list[tuple[int, datetime]]:
    """Broadcasts that are to be compared now, and since when; longest first."""
    query = (
        select(comparison.c.broadcast_id, comparison.c.due_at)
        .where(comparison.c.due_at <= now)
        .order_by(comparison.c.due_at, comparison.c.broadcast_id)
        .limit(limit)
    )
    with database.reading() as connection:
        return [(broadcast_id, at) for broadcast_id, at in connection.execute(query).all()]


def compared(
    database: Database, broadcast_id: int, reported: Mapping[str, int], *, due_at: datetime, now: datetime
) -> list[Gap]:
    """Compare a report with the loaded responses, and record both.

    While a gap is new or grows it is due again after a day, load or no load.

    Args:
        database: the database of the ledger.
        broadcast_id: the broadcast.
        reported: rows by message type.
        due_at: since when the comparison was due; a load since then keeps it due.
        now: the time.

    Returns:
        The gaps, by message type.
    """
    gaps, is_new = [], False
    with database.writing() as connection:
        loaded = _loaded(connection, broadcast_id)
        before = {
            row.message_type: row for row in connection.execute(select(gap).where(gap.c.broadcast_id == broadcast_id))
        }
        for message_type, number in sorted(reported.items()):
            present = loaded.get(message_type, 0)
            behind = number - present
            last = before.get(message_type)
            values = {"reported": number, "loaded": present}
            its_row = (gap.c.broadcast_id == broadcast_id, gap.c.message_type == message_type)
            if last is None:
                grown = 0
                is_new = is_new or behind > 0
                values |= {"grown": grown, "judged_gap": behind}
                connection.execute(
                    insert(gap).values(broadcast_id=broadcast_id, message_type=message_type, judged_at=now, **values)
                )
            elif now - last.judged_at >= _A_DAY:
                grown = last.grown + 1 if behind > max(0, last.judged_gap) else 0
                values |= {"grown": grown, "judged_gap": behind}
                connection.execute(update(gap).where(*its_row).values(judged_at=now, **values))
            else:
                grown = last.grown if behind > 0 else 0
                connection.execute(update(gap).where(*its_row).values(grown=grown, **values))
            gaps.append(Gap(message_type=message_type, reported=number, loaded=present, grown=grown))
        its_comparison = comparison.c.broadcast_id == broadcast_id
        connection.execute(update(comparison).where(its_comparison).values(compared_at=now, error_code=None))
        again_at = now + _A_DAY if is_new or any(each.grown for each in gaps) else None
        connection.execute(
            update(comparison).where(its_comparison, comparison.c.due_at == due_at).values(due_at=again_at)
        )
    return gaps


def not_compared(database: Database, broadcast_id: int, *, code: str, again_at: datetime | None) -> None:
    """Record that a comparison failed, and when it is due again; None: after the next load."""
    with database.writing() as connection:
        connection.execute(
            update(comparison).where(comparison.c.broadcast_id == broadcast_id).values(error_code=code, due_at=again_at)
        )


def types_ever_loaded(database: Database) -> set[str]:
    """Message types of which a response of any broadcast was ever loaded."""
    with database.reading() as connection:
        return set(connection.scalars(select(count.c.message_type).distinct()))


def of_broadcasts(database: Database, broadcast_ids: Iterable[int]) -> dict[int, Comparison]:
    """The comparisons of these broadcasts, as far as they have one.

    Args:
        database: the database of the ledger.
        broadcast_ids: some hundred at most.
    """
    ids = list(broadcast_ids)
    with database.reading() as connection:
        counts = connection.execute(select(count).where(count.c.broadcast_id.in_(ids))).all()
        gaps = connection.execute(select(gap).where(gap.c.broadcast_id.in_(ids))).all()
        comparisons = connection.execute(select(comparison).where(comparison.c.broadcast_id.in_(ids))).all()
    return {
        compared.broadcast_id: Comparison(
            loaded={row.message_type: row.rows for row in counts if row.broadcast_id == compared.broadcast_id},
            gaps=[
                Gap(message_type=row.message_type, reported=row.reported, loaded=row.loaded, grown=row.grown)
                for row in gaps
                if row.broadcast_id == compared.broadcast_id
            ],
            compared_at=compared.compared_at,
            error_code=compared.error_code,
        )
        for compared in comparisons
    }


def _loaded(connection: Connection, broadcast_id: int) -> dict[str, int]:
    query = select(count.c.message_type, count.c.rows).where(count.c.broadcast_id == broadcast_id)
    return {kind: rows for kind, rows in connection.execute(query).all()}  # noqa: C416 - rows are no pairs to mypy
