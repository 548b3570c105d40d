"""Removals: what the bridge removed after its time, by kind; and what the ledger has whose time is over."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, insert, or_, select, update

from shared.broadcast import ENDED, State
from shared.database.connections import Database
from shared.ledger import recipients
from shared.ledger.tables import broadcast, effect, history, recipient, unmatched_response
from shared.ledger.tables import removal as table

#: Ended for good: no operator lets it go on.
_OVER: Final = (State.CLOSED, State.CANCELLED)
#: Rows removed by one statement.
_ROWS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed of a kind."""

    kind: str
    #: When everything whose time was over was last looked for.
    looked_at: datetime
    #: Then, and ever.
    removed: int
    removed_ever: int


def removals(database: Database) -> list[Removal]:
    """What was removed, of every kind."""
    with database.reading() as connection:
        return [Removal(**row._asdict()) for row in connection.execute(select(table).order_by(table.c.kind))]


def record(database: Database, kind: str, removed: int, *, looked_at: datetime) -> None:
    """Record that so many of a kind were removed."""
    values = {"looked_at": looked_at, "removed": removed}
    with database.writing() as connection:
        more = update(table).where(table.c.kind == kind).values(removed_ever=table.c.removed_ever + removed, **values)
        if connection.execute(more).rowcount == 0:
            connection.execute(insert(table).values(kind=kind, removed_ever=removed, **values))


def old_broadcasts(database: Database, keys: Iterable[str], *, before: datetime) -> set[str]:
    """Those of the keys whose files are not needed any more.

    These are of broadcasts that ended before then and whose end was reported; and keys of no broadcast.

    Args:
        database: of the ledger.
        keys: some hundred.
        before: the time.
    """
    wanted = set(keys)
    needed = or_(broadcast.c.state.not_in(ENDED), broadcast.c.reported_at.is_(None), broadcast.c.changed_at >= before)
    with database.reading() as connection:
        still = connection.scalars(select(broadcast.c.key).where(broadcast.c.key.in_(wanted), needed)).all()
    return wanted - set(still)


def remove_recipients(database: Database, *, before: datetime, limit: int, rows: int) -> tuple[int, bool]:
    """Forget to whom lists went, of some broadcasts that ended before then.

    Args:
        database: of the ledger.
        before: the time.
        limit: most broadcasts.
        rows: when so many rows are gone no further broadcast is begun.

    Returns:
        Of how many broadcasts, and whether more may be left.
    """
    listed = select(recipient.c.line).where(recipient.c.broadcast_id == broadcast.c.id).exists()
    wanted = (
        select(broadcast.c.id)
        .where(broadcast.c.state.in_(ENDED), broadcast.c.changed_at < before, listed)
        .order_by(broadcast.c.id)
        .limit(limit)
    )
    with database.reading() as connection:
        ids = connection.scalars(wanted).all()
    gone = 0
    for done, broadcast_id in enumerate(ids):
        if gone >= rows:
            return done, True
        gone += recipients.remove(database, broadcast_id)
    return len(ids), len(ids) == limit


def remove_unmatched(database: Database, *, before: datetime) -> int:
    """Forget some thousand responses that were loaded before then and have found no broadcast; returns how many."""
    old = select(unmatched_response.c.response_id).where(unmatched_response.c.loaded_at < before)
    some = old.order_by(unmatched_response.c.response_id).limit(_ROWS)
    with database.writing() as connection:
        removed = delete(unmatched_response).where(unmatched_response.c.response_id.in_(some))
        return connection.execute(removed).rowcount


def remove_history(database: Database, *, before: datetime, limit: int) -> int:
    """Forget how some broadcasts that ended for good before then came to their end; returns of how many.

    Their own rows stay: by these a job or a file that comes once more is known. Those whose recipients are still
    remembered keep it, for it says when they were sent to.
    """
    listed = select(recipient.c.line).where(recipient.c.broadcast_id == broadcast.c.id).exists()
    told = select(history.c.id).where(history.c.broadcast_id == broadcast.c.id).exists()
    wanted = (
        select(broadcast.c.id)
        .where(
            broadcast.c.state.in_(_OVER),
            broadcast.c.reported_at.is_not(None),
            broadcast.c.changed_at < before,
            told,
            ~listed,
        )
        .order_by(broadcast.c.id)
        .limit(limit)
    )
    with database.writing() as connection:
        ids = connection.scalars(wanted).all()
        for broadcast_id in ids:
            _forget(connection, broadcast_id)
    return len(ids)


def _forget(connection: Connection, broadcast_id: int) -> None:
    connection.execute(delete(effect).where(effect.c.broadcast_id == broadcast_id))
    connection.execute(delete(history).where(history.c.broadcast_id == broadcast_id))
