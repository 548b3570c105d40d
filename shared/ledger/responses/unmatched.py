"""Responses that match no broadcast yet: remembered by keys and hashes, and matched again.

They are matched after their load, and again when the state of a broadcast that may be theirs has changed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, false, func, insert, or_, select, update

from shared.database.connections import Database
from shared.ledger.responses.files import no_longer_unmatched
from shared.ledger.responses.known import pairs
from shared.ledger.responses.matching import match
from shared.ledger.tables import broadcast, recipient, response_event
from shared.ledger.tables import matched_broadcast as matched
from shared.ledger.tables import response_staging as staging
from shared.ledger.tables import unmatched_response as table

#: Rows of one transaction.
_BATCH: Final = 5000
#: The rows that match a broadcast; there are some only within the transaction that removes them.
MATCHED: Final = table.c.broadcast_id.is_not(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A broadcast whose state has changed since the unmatched rows were last matched."""

    id: int
    key: str
    state: str
    #: The id that responses carry; None until it is known.
    sent_id: int | None


def changed_broadcasts(database: Database, limit: int) -> list[Changed]:
    """Broadcasts in RS_DB that have changed, oldest first."""
    query = (
        select(
            broadcast.c.id,
            broadcast.c.key,
            broadcast.c.state,
            func.coalesce(broadcast.c.mailing_id, broadcast.c.campaign_id).label("sent_id"),
        )
        .select_from(broadcast.outerjoin(matched, matched.c.broadcast_id == broadcast.c.id))
        .where(
            broadcast.c.rs_broadcast_id.is_not(None),
            or_(matched.c.state.is_(None), matched.c.state != broadcast.c.state),
        )
        .order_by(broadcast.c.id)
        .limit(limit)
    )
    with database.reading() as connection:
        return [Changed(**row._asdict()) for row in connection.execute(query)]


def wake(database: Database, changed: Changed) -> None:
    """Mark the rows that may belong to this broadcast to be matched again, some thousand in each transaction."""
    its_recipients = recipient.c.broadcast_id == changed.id
    by_key = its_recipients & (recipient.c.communication_key_hash == table.c.communication_key_hash)
    by_urn = its_recipients & (recipient.c.urn_hash == table.c.urn_hash)
    may_belong = or_(
        table.c.broadcast_key == changed.key,
        false() if changed.sent_id is None else table.c.mailing_id == str(changed.sent_id),
        select(recipient.c.line).where(by_key).exists(),
        and_(table.c.broadcast_key == "", select(recipient.c.line).where(by_urn).exists()),
    )
    asleep = select(table.c.response_id).where(table.c.looked_at.is_not(None), may_belong)
    while True:
        with database.writing() as connection:
            woken = connection.execute(
                update(table)
                .where(table.c.response_id.in_(asleep.order_by(table.c.response_id).limit(_BATCH)))
                .values(looked_at=None)
            ).rowcount
            if woken < _BATCH:
                _remember(connection, changed)
                return


def _remember(connection: Connection, changed: Changed) -> None:
    known = update(matched).where(matched.c.broadcast_id == changed.id).values(state=changed.state)
    if connection.execute(known).rowcount == 0:
        connection.execute(insert(matched).values(broadcast_id=changed.id, state=changed.state))


@dataclass(frozen=True, slots=True)
class Batch:
    """A few thousand rows to match."""

    #: The first of them, and the last.
    first: int
    last: int

    @property
    def rows(self) -> ColumnElement[bool]:
        """Their condition."""
        return and_(table.c.looked_at.is_(None), table.c.response_id.between(self.first, self.last))

    def halves(self) -> list["Batch"]:
        """The same rows as two batches; none of a batch of one row."""
        middle = (self.first + self.last) // 2
        return [Batch(self.first, middle), Batch(middle + 1, self.last)] if self.first < self.last else []


def next_batch(database: Database, *, after: int) -> Batch | None:
    """The next rows to match, after those with ids up to this one; None if there are none."""
    waits = table.c.looked_at.is_(None) & (table.c.response_id > after)
    batch = select(table.c.response_id).where(waits).order_by(table.c.response_id).limit(_BATCH).subquery("batch")
    with database.reading() as connection:
        first, last = connection.execute(select(func.min(batch.c.response_id), func.max(batch.c.response_id))).one()
    return None if first is None else Batch(first, last)


def match_batch(connection: Connection, batch: ColumnElement[bool]) -> int:
    """Match rows to their broadcasts, and set `broadcast_id` of those that match.

    Returns:
        How many match. `settle` must follow.
    """
    return match(connection, table, batch)


def match_known(connection: Connection, load_id: str) -> bool:
    """Set `broadcast_id` of the rows whose events are known rows of a load that match a broadcast.

    Returns:
        Whether there are any: the rows with a `broadcast_id`. `settle` must follow.
    """
    known_rows = (
        *pairs(load_id),
        staging.c.broadcast_id.is_not(None),
        table.c.response_id == response_event.c.response_id,
    )
    found = update(table).where(*known_rows).values(broadcast_id=staging.c.broadcast_id)
    return connection.execute(found).rowcount > 0


def settle(connection: Connection, batch: ColumnElement[bool], *, now: datetime) -> None:
    """Remove the rows that match a broadcast, and count them with their files; mark the others as checked."""
    matching = and_(batch, table.c.broadcast_id.is_not(None))
    its_event = (response_event.c.event_key == table.c.event_key, response_event.c.ordinal == table.c.ordinal)
    connection.execute(update(response_event).where(matching, *its_event).values(broadcast_id=table.c.broadcast_id))
    by_file = select(table.c.response_file_id, func.count()).where(matching).group_by(table.c.response_file_id)
    for file_id, rows in connection.execute(by_file).all():
        no_longer_unmatched(connection, file_id, rows)
    connection.execute(delete(table).where(matching))
    connection.execute(update(table).where(batch).values(looked_at=now))
