"""To whom the list of a broadcast goes: Communication Key and URN of every uploaded row, hashed.

A response that carries neither the broadcast's key nor a known mailing id finds its broadcast by them.
"""

from hashlib import blake2b
from typing import Final

from sqlalchemy import and_, delete, func, or_, select

from shared.broadcast import State
from shared.database.bulk.load import BulkLoad, Loading
from shared.database.connections import Database
from shared.ledger.tables import broadcast
from shared.ledger.tables import recipient as table

#: Lines whose rows are removed by one statement.
_REMOVED: Final = 10_000
#: Broadcasts whose recipients one sweep forgets.
_FORGOTTEN: Final = 100


def key_hash(key: str) -> bytes | None:
    """Sixteen bytes for a Communication Key or a URN, whatever its case and the spaces around it; None for none."""
    plain = key.strip().casefold()
    return blake2b(plain.encode(), digest_size=16).digest() if plain else None


def remembering(bulk: BulkLoad, broadcast_id: int) -> Loading:
    """Takes the recipients of a broadcast, in place of those that it had; a context manager.

    Its `add` takes what `row` makes. Leaving it with an error leaves none.
    """
    remove(bulk.database, broadcast_id)
    return bulk.loading(table, ("line", "communication_key_hash", "urn_hash"), stamp=("broadcast_id", broadcast_id))


def row(line: int, communication_key: str, urn: str) -> tuple[int, bytes | None, bytes | None]:
    """A recipient: the line of the delivery file, and the keys in it."""
    return line, key_hash(communication_key), key_hash(urn)


def remove(database: Database, broadcast_id: int) -> int:
    """Remove the recipients of a broadcast, some thousand a transaction; returns how many lines were gone over."""
    mine = table.c.broadcast_id == broadcast_id
    with database.reading() as connection:
        first, last = connection.execute(select(func.min(table.c.line), func.max(table.c.line)).where(mine)).one()
    if first is None:
        return 0
    for start in range(first, last + 1, _REMOVED):
        with database.writing() as connection:
            connection.execute(delete(table).where(mine, table.c.line >= start, table.c.line < start + _REMOVED))
    return int(last - first + 1)


def forget_never_uploaded(database: Database) -> None:
    """Remove the recipients of broadcasts that ended before their upload and cannot go on with their staged list.

    One that failed later keeps them: a retry goes on with the list that is staged already. Nobody is matched with a
    broadcast that was not uploaded.
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
        .limit(_FORGOTTEN)
    )
    with database.reading() as connection:
        ids = connection.scalars(query).all()
    for broadcast_id in ids:
        remove(database, broadcast_id)
