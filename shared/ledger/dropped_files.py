"""Dropped delivery files: which ones are known, by their key or by their bytes (rule 10).

A file that has not changed is known by its key, and is not read again. Under another key, because it was touched,
renamed, copied or written again, it is read: with the bytes of a known file it is the same file, and its new key is
added.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.broadcast import RESTING, Broadcast, Intake
from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.ledger.tables import broadcast, dropped_file


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFile:
    """A dropped file that is known by its key alone, for the version before took it in."""

    broadcast_id: int
    key: str
    name: str


class DroppedFiles:
    """The dropped files of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def known(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys, some hundred at most, that the ledger has."""
        with self._database.reading() as connection:
            return {
                key
                for table in (broadcast, dropped_file)
                for key in connection.scalars(select(table.c.key).where(table.c.key.in_(keys)))
            }

    def find(self, channel: str, digest: bytes) -> str | None:
        """Key of the newest broadcast whose file was dropped for this channel and has these bytes."""
        same = and_(_dropped_for(channel), broadcast.c.content_digest == digest)
        newest = select(func.max(broadcast.c.id)).where(same).scalar_subquery()
        with self._database.reading() as connection:
            return connection.scalar(select(broadcast.c.key).where(broadcast.c.id == newest))

    @retry_transaction
    def add(self, key: str, same_as: Broadcast) -> bool:
        """Add another key of the file of a broadcast; whether it is new."""
        row = insert(dropped_file).values(key=key, broadcast_id=same_as.id, seen_at=self._clock.now())
        try:
            with self._database.writing() as connection:
                connection.execute(row)
        except IntegrityError:
            return False  # another poller added it
        return True

    def unread(self, channel: str) -> list[UnreadFile]:
        """The files of this channel that are known by their key alone, newest first. Their broadcasts are at rest."""
        query = (
            select(broadcast.c.id.label("broadcast_id"), broadcast.c.key, broadcast.c.delivery_file.label("name"))
            .where(_dropped_for(channel), broadcast.c.content_digest.is_(None), broadcast.c.state.in_(RESTING))
            .order_by(broadcast.c.id.desc())
        )
        with self._database.reading() as connection:
            return [UnreadFile(**row._asdict()) for row in connection.execute(query)]

    @retry_transaction
    def set_digest(self, file: UnreadFile, digest: bytes) -> None:
        """Keep the digest of an unread file. It changes nothing else, so the version of its broadcast stays."""
        its_row = (broadcast.c.id == file.broadcast_id, broadcast.c.content_digest.is_(None))
        with self._database.writing() as connection:
            connection.execute(update(broadcast).where(*its_row).values(content_digest=digest))


def _dropped_for(channel: str) -> ColumnElement[bool]:
    return and_(broadcast.c.source == Intake.FILE, broadcast.c.channel == channel)
