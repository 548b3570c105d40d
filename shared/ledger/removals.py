"""Removals: what the bridge removed at the end of its retention, by kind, and what in the ledger has expired."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, or_, select, update

from shared.broadcast import ENDED, State
from shared.database.connections import Database
from shared.errors import DatabaseUnavailable
from shared.ledger import recipients
from shared.ledger.tables import broadcast, dropped_file, effect, history, recipient, unmatched_response
from shared.ledger.tables import removal as table
from shared.telemetry import fenced

#: Ended for good: no operator can resume it.
_FINAL: Final = (State.CLOSED, State.CANCELLED)
#: Rows removed by one statement.
_ROWS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed of one kind."""

    kind: str
    #: When expired things of this kind were last searched for.
    looked_at: datetime
    #: Number removed then, and in total.
    removed: int
    removed_ever: int


def removals(database: Database) -> list[Removal]:
    """What was removed, by kind."""
    with database.reading() as connection:
        return [Removal(**row._asdict()) for row in connection.execute(select(table).order_by(table.c.kind))]


def record(database: Database, kind: str, removed: int, *, looked_at: datetime) -> None:
    """Record how many of a kind were removed."""
    values = {"looked_at": looked_at, "removed": removed}
    with database.writing() as connection:
        total = table.c.removed_ever + removed
        changed = connection.execute(update(table).where(table.c.kind == kind).values(removed_ever=total, **values))
        if changed.rowcount == 0:
            connection.execute(insert(table).values(kind=kind, removed_ever=removed, **values))


def old_broadcasts(database: Database, keys: Iterable[str], *, before: datetime) -> set[str]:
    """The keys whose files are no longer needed.

    Their broadcasts ended before this time and the end was reported, or there is no broadcast with this key.

    Args:
        database: the database of the ledger.
        keys: at most some hundred.
        before: the time.
    """
    expired = set(keys)
    needed = or_(broadcast.c.state.not_in(ENDED), broadcast.c.reported_at.is_(None), broadcast.c.changed_at >= before)
    with database.reading() as connection:
        still = connection.scalars(select(broadcast.c.key).where(broadcast.c.key.in_(expired), needed)).all()
    return expired - set(still)


def remove_recipients(database: Database, *, before: datetime, limit: int, rows: int) -> tuple[int, bool]:
    """Remove the remembered recipients of some broadcasts that ended before this time.

    Args:
        database: the database of the ledger.
        before: the time.
        limit: how many broadcasts at most.
        rows: once so many rows are removed, no further broadcast is started.

    Returns:
        Of how many broadcasts they were removed, and whether more may remain.
    """
    listed = select(recipient.c.line).where(recipient.c.broadcast_id == broadcast.c.id).exists()
    query = (
        select(broadcast.c.id)
        .where(broadcast.c.state.in_(ENDED), broadcast.c.changed_at < before, listed)
        .order_by(broadcast.c.id)
        .limit(limit)
    )
    with database.reading() as connection:
        ids = connection.scalars(query).all()
    removed = 0
    for finished, broadcast_id in enumerate(ids):
        if removed >= rows:
            return finished, True
        subject = f"The recipients of the broadcast with the id {broadcast_id} are removed later"
        with fenced(subject, DatabaseUnavailable, action="remove-later"):
            removed += recipients.remove(database, broadcast_id)
    return len(ids), len(ids) == limit


def remove_unmatched(database: Database, *, before: datetime) -> int:
    """Forget some thousand responses loaded before this time that found no broadcast; returns their number."""
    old = select(unmatched_response.c.response_id).where(unmatched_response.c.loaded_at < before)
    batch = old.order_by(unmatched_response.c.response_id).limit(_ROWS)
    with database.writing() as connection:
        removed = delete(unmatched_response).where(unmatched_response.c.response_id.in_(batch))
        return connection.execute(removed).rowcount


def remove_history(database: Database, *, before: datetime, limit: int) -> int:
    """Remove history and effects of some broadcasts that ended for good before this time; returns their number.

    The broadcasts themselves stay: they recognise a job or a file that comes again. Broadcasts whose recipients are
    still remembered keep their history, for it says when the message was sent.
    """
    listed = select(recipient.c.line).where(recipient.c.broadcast_id == broadcast.c.id).exists()
    recorded = select(history.c.id).where(history.c.broadcast_id == broadcast.c.id).exists()
    query = (
        select(broadcast.c.id)
        .where(
            broadcast.c.state.in_(_FINAL),
            broadcast.c.reported_at.is_not(None),
            broadcast.c.changed_at < before,
            recorded,
            ~listed,
        )
        .order_by(broadcast.c.id)
        .limit(limit)
    )
    with database.writing() as connection:
        ids = connection.scalars(query).all()
        for broadcast_id in ids:
            connection.execute(delete(effect).where(effect.c.broadcast_id == broadcast_id))
            connection.execute(delete(history).where(history.c.broadcast_id == broadcast_id))
            came_again = (dropped_file.c.broadcast_id == broadcast_id, dropped_file.c.seen_at < before)
            connection.execute(delete(dropped_file).where(*came_again))
    return len(ids)
