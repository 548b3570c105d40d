"""Leases: one live owner for a broadcast, a response file or a list (rule 3).

A step holds its lease with a heartbeat; when its process dies, the lease runs out and somebody else
goes on. A list is leased to a broadcast without an end, and released when the broadcast ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import LeaseLost, TransientError
from shared.ledger.tables import lease as table

#: Heartbeats in the life of a lease: two may fail before it runs out.
_BEATS = 3


class HeldLease:
    """A lease while it is held.

    Args:
        name: its name.
        owner: who holds it.
        expires_at: when it runs out, unless it is renewed.
        clock: the clock.
    """

    def __init__(self, name: str, owner: str, expires_at: datetime, clock: Clock) -> None:
        self._name = name
        self.owner = owner
        self._expires_at = expires_at
        self._clock = clock
        self.lost = threading.Event()

    def renewed(self, expires_at: datetime) -> None:
        """It was renewed until then."""
        self._expires_at = expires_at

    def check(self) -> None:
        """Make sure that it is still held: to be called before every effect.

        Raises:
            LeaseLost: it was not renewed in time.
        """
        # By the clock too: a heartbeat that hangs, or a machine that slept, sets no flag.
        if self._clock.now() >= self._expires_at:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost(lease=self._name)

    def confirm(self, connection: Connection) -> None:
        """Make sure that nobody else has it before the caller's transaction ends: the last that a long one does.

        Such a transaction can outlive the lease, for on SQLite no heartbeat is written while it writes. What counts is
        whether somebody took the lease meanwhile. From here on nobody can: its row is locked.

        Raises:
            LeaseLost: somebody took it; roll back.
        """
        mine = (table.c.name == self._name, table.c.owner == self.owner)
        if connection.execute(update(table).where(*mine).values(owner=self.owner)).rowcount == 0:
            self.lost.set()
            raise LeaseLost(lease=self._name)


class Leases:
    """The leases of the ledger.

    Args:
        database: where they are kept.
        seconds: how long a lease lives without a heartbeat.
        clock: the clock; instances share it closely enough, for a lease lives many seconds.
    """

    def __init__(self, database: Database, *, seconds: float, clock: Clock) -> None:
        self._database = database
        self._life = timedelta(seconds=seconds)
        self._clock = clock

    @contextmanager
    def held(self, name: str, owner: str) -> Iterator[HeldLease | None]:
        """Hold a lease for the length of the block, with a heartbeat; None when somebody else holds it."""
        expires_at = self._clock.now() + self._life
        if not self._take(name, owner, expires_at):
            yield None
            return
        held, stop = HeldLease(name, owner, expires_at, self._clock), threading.Event()
        beat = threading.Thread(
            target=self._beat, args=(name, owner, held, stop), name=f"heartbeat {name}", daemon=True
        )
        beat.start()
        try:
            yield held
        finally:
            stop.set()
            beat.join()
            self._release(name, owner)

    def take_until_released(self, name: str, owner: str) -> bool:
        """Take a lease that has no end; true as well when the owner has it already."""
        return self._take(name, owner, None)

    def owner(self, name: str) -> str | None:
        """Who holds a lease now."""
        alive = or_(table.c.expires_at.is_(None), table.c.expires_at > self._clock.now())
        with self._database.reading() as connection:
            return connection.scalar(select(table.c.owner).where(table.c.name == name, alive))

    @retry_transaction
    def _take(self, name: str, owner: str, expires_at: datetime | None) -> bool:
        free = or_(table.c.owner == owner, table.c.expires_at <= self._clock.now())
        try:
            with self._database.writing() as connection:
                taken = connection.execute(
                    update(table).where(table.c.name == name, free).values(owner=owner, expires_at=expires_at)
                )
                if taken.rowcount == 0:
                    connection.execute(insert(table).values(name=name, owner=owner, expires_at=expires_at))
        except IntegrityError:
            return False  # somebody else has it
        return True

    @retry_transaction
    def _release(self, name: str, owner: str) -> None:
        with self._database.writing() as connection:
            release(connection, name, owner)

    def _beat(self, name: str, owner: str, held: HeldLease, stop: threading.Event) -> None:
        while not stop.wait(self._life.total_seconds() / _BEATS):
            expires_at = self._clock.now() + self._life  # before the write, which can take long
            try:
                with self._database.writing() as connection:
                    renewed = connection.execute(
                        update(table).where(table.c.name == name, table.c.owner == owner).values(expires_at=expires_at)
                    )
            except TransientError:
                continue  # the next beat may get through; past its end `check` calls it lost
            if renewed.rowcount == 0:
                held.lost.set()
                return
            held.renewed(expires_at)


def release(connection: Connection, name: str, owner: str) -> None:
    """Give a lease back, within the caller's transaction."""
    connection.execute(delete(table).where(table.c.name == name, table.c.owner == owner))


def release_all(connection: Connection, owner: str) -> None:
    """Give back every lease of an owner, within the caller's transaction."""
    connection.execute(delete(table).where(table.c.owner == owner))
