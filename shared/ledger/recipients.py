"""The recipients of a broadcast: Communication Key and URN of every uploaded row, hashed.

They match a response to its broadcast if it carries neither the broadcast's key nor a known mailing id.
"""

from hashlib import blake2b
from typing import Final

from sqlalchemy import and_, delete, func, or_, select

from shared.broadcast import State
from shared.database.bulk.load import BulkLoad, Loading
from shared.database.connections import Database
from shared.ledger.tables import broadcast
from shared.ledger.tables import recipient as table

#: Lines whose rows one statement removes.
_LINES: Final = 10_000
#: Broadcasts whose recipients one sweep removes.
_BROADCASTS: Final = 100


def key_hash(key: str) -> bytes | None:
    """Sixteen bytes for a Communication Key or a URN, regardless of case and surrounding spaces; None if empty."""
    plain = key.strip().casefold()
    return blake2b(plain.encode(), digest_size=16).digest() if plain else None


def remembering(bulk: BulkLoad, broadcast_id: int) -> Loading:
    """A context manager that replaces the recipients of a broadcast.

    Its `add` takes the rows of `row`. After an error no recipient remains.
    """
    remove(bulk.database, broadcast_id)
    return bulk.loading(table, ("line", "communication_key_hash", "urn_hash"), stamp=("broadcast_id", broadcast_id))


def row(line: int, communication_key: str, urn: str) -> tuple[int, bytes | None, bytes | None]:
    """A recipient: the line of the delivery file, and the keys in it."""
    return line, key_hash(communication_key), key_hash(urn)


def remove(database: Database, broadcast_id: int) -> int:
    """Remove the recipients of a broadcast, some thousand a transaction; returns the span of their lines."""
    its_rows = table.c.broadcast_id == broadcast_id
    with database.reading() as connection:
        first, last = connection.execute(select(func.min(table.c.line), func.max(table.c.line)).where(its_rows)).one()
    if first is None:
        return 0
    for start in range(first, last + 1, _LINES):
        with database.writing() as connection:
            connection.execute(delete(table).where(its_rows, table.c.line >= start, table.c.line < start + _LINES))
    return int(last - first + 1)


def forget_never_uploaded(database: Database) -> None:
    """Remove the recipients of broadcasts that ended before their upload and cannot resume with their staged list.

    A broadcast that failed later keeps them: a retry resumes with the staged list. No response matches a broadcast that
    was not uploaded.
    """
    over = or_(
        broadcast.c.state == State.CANCELLED,
        and_(broadcast.c.state == State.FAILED, broadcast.c.ended_in == State.CLAIMED),
    )
    listed = select(table.c.line).where(table.c.broadcast_id == broadcast.c.id).exists()
    query = (
        select(broadcast.c.id)
        .where(over, broadcast.c.rs_broadcast_id.is_(None), listed)
        .order_by(broadcast.c.id)
        .limit(_BROADCASTS)
    )
    with database.reading() as connection:
        ids = connection.scalars(query).all()
    for broadcast_id in ids:
        remove(database, broadcast_id)
