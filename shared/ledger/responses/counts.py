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

#: Files of one day come one after the other, and each is behind the report in what the next one holds. So a gap is
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
    """The responses of a broadcast beside the report of its Smart Campaign."""

    #: Rows loaded by message type, also of types that the report does not tell.
    loaded: Mapping[str, int]
    gaps: list[Gap]
    #: None where it was not compared yet.
    compared_at: datetime | None
    #: Why the last comparison failed, if it did.
    error_code: str | None


def count_load(connection: Connection, load_id: str, *, now: datetime) -> None:
    """Count the new rows of a load that found their broadcasts, within its transaction, which has its turn."""
    query = (
        select(staging.c.broadcast_id, staging.c.message_type, func.count())
        .where(staging.c.load_id == load_id, staging.c.place.is_not(None), staging.c.broadcast_id.is_not(None))
        .group_by(staging.c.broadcast_id, staging.c.message_type)
        .order_by(staging.c.broadcast_id, staging.c.message_type)
    )
    add(connection, [(one, kind, rows) for one, kind, rows in connection.execute(query).all()], now=now)


def add(connection: Connection, rows: Iterable[tuple[int, str, int]], *, now: datetime) -> None:
    """Add to the counts, and let the broadcasts be compared again.

    Args:
        connection: a transaction that has its turn: nobody else counts meanwhile.
        rows: ids of broadcasts, message types, and how many rows.
        now: the time.
    """
    broadcasts = set()
    for broadcast_id, message_type, number in rows:
        broadcasts.add(broadcast_id)
        this = (count.c.broadcast_id == broadcast_id, count.c.message_type == message_type)
        if connection.execute(update(count).where(*this).values(rows=count.c.rows + number)).rowcount == 0:
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
        return [(one, at) for one, at in connection.execute(query).all()]


def compared(
    database: Database, broadcast_id: int, reported: Mapping[str, int], *, due_at: datetime, now: datetime
) -> list[Gap]:
    """Record what a report tells beside what is loaded.

    While a gap is new or grows it is due again after a day, load or no load.

    Args:
        database: of the ledger.
        broadcast_id: the broadcast.
        reported: rows by message type.
        due_at: since when the comparison was due; a load since then lets it be due on.
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
            here = loaded.get(message_type, 0)
            behind = number - here
            last = before.get(message_type)
            values = {"reported": number, "loaded": here}
            this = (gap.c.broadcast_id == broadcast_id, gap.c.message_type == message_type)
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
                connection.execute(update(gap).where(*this).values(judged_at=now, **values))
            else:
                grown = last.grown if behind > 0 else 0
                connection.execute(update(gap).where(*this).values(grown=grown, **values))
            gaps.append(Gap(message_type=message_type, reported=number, loaded=here, grown=grown))
        this_one = comparison.c.broadcast_id == broadcast_id
        connection.execute(update(comparison).where(this_one).values(compared_at=now, error_code=None))
        again_at = now + _A_DAY if is_new or any(one.grown for one in gaps) else None
        connection.execute(update(comparison).where(this_one, comparison.c.due_at == due_at).values(due_at=again_at))
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
    """What is loaded and reported, of those broadcasts of which there is something.

    Args:
        database: of the ledger.
        broadcast_ids: some hundred at most.
    """
    ids = list(broadcast_ids)
    with database.reading() as connection:
        counts = connection.execute(select(count).where(count.c.broadcast_id.in_(ids))).all()
        gaps = connection.execute(select(gap).where(gap.c.broadcast_id.in_(ids))).all()
        comparisons = connection.execute(select(comparison).where(comparison.c.broadcast_id.in_(ids))).all()
    return {
        one.broadcast_id: Comparison(
            loaded={row.message_type: row.rows for row in counts if row.broadcast_id == one.broadcast_id},
            gaps=[
                Gap(message_type=row.message_type, reported=row.reported, loaded=row.loaded, grown=row.grown)
                for row in gaps
                if row.broadcast_id == one.broadcast_id
            ],
            compared_at=one.compared_at,
            error_code=one.error_code,
        )
        for one in comparisons
    }


def _loaded(connection: Connection, broadcast_id: int) -> dict[str, int]:
    mine = select(count.c.message_type, count.c.rows).where(count.c.broadcast_id == broadcast_id)
    return {kind: rows for kind, rows in connection.execute(mine).all()}  # noqa: C416 - rows are no pairs to mypy
