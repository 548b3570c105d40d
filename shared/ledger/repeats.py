"""Repeats: which broadcasts sent, or are about to send, the message of another one, and what the two have in common.

A broadcast counts unless it has failed or was cancelled, for then nobody was mailed. One that is under way counts from
the moment when it was compared itself: of two that arrive at once, one is compared first and goes on, and the other one
finds it.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from shared.broadcast import ENDED, Broadcast, SendMode, State
from shared.database.connections import Database
from shared.ledger.tables import broadcast as table
from shared.ledger.tables import recipient

#: Lines of a list whose Communication Keys one query compares.
_LINES: Final = 50_000

_COUNTS: Final = and_(
    table.c.state.not_in((State.FAILED, State.CANCELLED)),
    # The version before prepares broadcasts without comparing them.
    or_(table.c.compared_at.is_not(None), table.c.state.not_in((State.CLAIMED, State.STAGED))),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier broadcast of the same message."""

    key: str
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRepeats:
    """How many of the Communication Keys of a list were sent the message before."""

    keys: int
    repeated: int
    #: The earlier broadcast with the most of them.
    most: Earlier | None


def earlier(connection: Connection, broadcast: Broadcast) -> set[tuple[int, datetime | None]]:
    """The broadcasts that count at this moment: their ids, and when each was compared."""
    counting = select(table.c.id, table.c.compared_at).where(table.c.id.in_(_earlier(broadcast)))
    return {(row.id, row.compared_at) for row in connection.execute(counting)}


def find_same_file(database: Database, broadcast: Broadcast) -> Earlier | None:
    """The newest broadcast that sent the message from the same bytes."""
    if broadcast.content_digest is None:  # the version before staged it
        return None
    return _find_newest(database, broadcast, table.c.content_digest == broadcast.content_digest)


def find_unstaged(database: Database, broadcast: Broadcast) -> Earlier | None:
    """The newest broadcast that counts, but is staged only now or once more: its Communication Keys are not there."""
    return _find_newest(database, broadcast, table.c.state == State.CLAIMED)


def compare_keys(database: Database, broadcast: Broadcast, *, since: datetime, check: Callable[[], None]) -> KeyRepeats:
    """Compare the Communication Keys of its list with those that were sent the message.

    Args:
        database: the database of the ledger.
        broadcast: the broadcast; its recipients are in the ledger.
        since: broadcasts that ended before this time do not count.
        check: called after each query; one compares some ten thousand keys.
    """
    mine, theirs = recipient.alias("mine"), recipient.alias("theirs")
    its_rows = (mine.c.broadcast_id == broadcast.id, mine.c.communication_key_hash.is_not(None))
    with database.reading() as connection:
        rows_of_list = select(func.count(), func.min(mine.c.line), func.max(mine.c.line)).where(*its_rows)
        keys, first, last = connection.execute(rows_of_list).one()
    lasting = _earlier(broadcast).where(or_(table.c.state.not_in(ENDED), table.c.changed_at >= since))
    repeats = Counter[int]()
    for start in range(first, last + 1, _LINES) if keys else ():
        # Each line counts once, for the newest of its broadcasts.
        lines = (
            select(mine.c.line, func.max(theirs.c.broadcast_id).label("earlier"))
            .join(theirs, mine.c.communication_key_hash == theirs.c.communication_key_hash)
            .where(*its_rows, mine.c.line >= start, mine.c.line < start + _LINES, theirs.c.broadcast_id.in_(lasting))
            .group_by(mine.c.line)
            .subquery()
        )
        counts = select(lines.c.earlier, func.count()).group_by(lines.c.earlier)
        with database.reading() as connection:
            for earlier_id, repeated in connection.execute(counts):
                repeats[earlier_id] += repeated
        check()
    if not repeats:
        return KeyRepeats(keys=keys, repeated=0, most=None)
    with database.reading() as connection:
        return KeyRepeats(keys=keys, repeated=repeats.total(), most=_get(connection, repeats.most_common(1)[0][0]))


def _find_newest(database: Database, broadcast: Broadcast, condition: ColumnElement[bool]) -> Earlier | None:
    with database.reading() as connection:
        newest = connection.scalar(select(func.max(table.c.id)).where(table.c.id.in_(_earlier(broadcast)), condition))
        return None if newest is None else _get(connection, newest)


def _earlier(broadcast: Broadcast) -> Select[tuple[int]]:
    return select(table.c.id).where(table.c.id != broadcast.id, _same_message(broadcast), _COUNTS)


def _same_message(broadcast: Broadcast) -> ColumnElement[bool]:
    """The same message, by its name or its mailing. An upload only has none: the same list, by the same channel."""
    request = broadcast.request
    upload_only = table.c.send_mode == SendMode.UPLOAD_ONLY
    if request.send_mode is SendMode.UPLOAD_ONLY:
        return and_(upload_only, table.c.channel == request.channel, table.c.list_name == request.list_name)
    same = table.c.message_name == request.message_name
    if broadcast.source_mailing_id is not None:
        same = or_(same, table.c.source_mailing_id == broadcast.source_mailing_id)
    return and_(~upload_only, same)


def _get(connection: Connection, broadcast_id: int) -> Earlier:
    row = connection.execute(select(table.c.key, table.c.state).where(table.c.id == broadcast_id)).one()
    return Earlier(key=row.key, state=State(row.state))
