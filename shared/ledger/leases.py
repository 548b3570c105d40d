"""Leases: one live owner for a broadcast, a response file or a list (rule 3).

A step holds its lease with a heartbeat; when its process dies, the lease expires and another process
continues. A list is leased to a broadcast without expiry, and released when the broadcast ends.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import LeaseLost, TransientError
from shared.ledger.tables import lease as table

_BROADCAST: Final = "broadcast:"
_RESPONSE_FILE: Final = "response-file:"
#: Heartbeats in the life of a lease: two may fail before it runs out.
_BEATS = 3


class LeaseName(str):
    """Name of a lease, made by what the lease is for. The database keeps it: it does not change."""

    __slots__ = ()

    @classmethod
    def for_broadcast(cls, key: str) -> Self:
        """For a step that works on a broadcast."""
        return cls(_BROADCAST + key)

    @classmethod
    def for_response_file(cls, name: str) -> Self:
        """For gathering, loading and archiving files of this name."""
        return cls(_RESPONSE_FILE + name)

    @classmethod
    def for_list(cls, list_id: int | None) -> Self:
        """For the broadcast whose recipients the list holds."""
        return cls(f"list:{list_id}")

    @classmethod
    def for_closed_loop(cls) -> Self:
        """For the broadcast whose copy the closed-loop service makes."""
        return cls("closed loop")

    @classmethod
    def for_test_send(cls, request_id: UUID) -> Self:
        """For the test send with this GUID, while it is under way."""
        return cls(f"test-send:{request_id}")

    @classmethod
    def for_chore(cls, chore: str) -> Self:
        """For what only one process does at a time."""
        return cls(chore)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lease."""

    #: The key of a broadcast, or the name of an invocation.
    owner: str
    #: None where it was acquired by code from before migration 7.
    since: datetime | None


class HeldLease:
    """A lease while it is held.

    The database writes and compares when it runs out. Whoever holds it counts its life himself, from before the write
    that gave or renewed it, on a clock that counts a suspended machine's pause: he never holds it for longer than the
    database says.

    What a frozen process must not do when it wakes needs the lease at the moment at which it is done: what is written,
    in the same transaction (`writing`); what is done elsewhere, right before it (`renew`).

    Args:
        name: what it is for.
        owner: who holds it.
        database: where leases are kept.
        life: how long it lives without a heartbeat.
        clock: the clock.
    """

    def __init__(self, name: LeaseName, owner: str, *, database: Database, life: timedelta, clock: Clock) -> None:
        self.name = name
        self.owner = owner
        self.lost = threading.Event()
        self._database = database
        self._life = life
        self._clock = clock
        self._ends = self._next_end()
        #: While a transaction that renews it is under way, and a heartbeat could only wait for it.
        self.renewing = threading.Event()

    def check(self) -> None:
        """Make sure, without a request, that it has neither run out nor been lost.

        Raises:
            LeaseLost: it was not renewed in time.
        """
        # By the clock too: a heartbeat that hangs, or a machine that was suspended, sets no flag.
        if self._clock.monotonic() >= self._ends:
            self.lost.set()
        if self.lost.is_set():
            raise LeaseLost(lease=self.name)

    def confirm(self, connection: Connection) -> None:
        """Renew it as the last statement of a transaction, or make sure that the transaction is rolled back.

        A long transaction can outlive the lease, for on SQLite no heartbeat is written while it writes. What counts is
        whether somebody took the lease meanwhile. From here on nobody can: its row is locked.

        Raises:
            LeaseLost: another process took it; roll back.
        """
        its_row = (table.c.name == self.name, table.c.owner == self.owner)
        renewed = update(table).where(*its_row).values(expires_at=self._database.now(self._life))
        if connection.execute(renewed).rowcount == 0:
            self.lost.set()
            raise LeaseLost(lease=self.name)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A writing transaction that is committed only while the lease is held; this renews the lease.

        Raises:
            LeaseLost: it is not held, and nothing was written; or it ran out during the commit, which may have written.
        """
        self.check()
        ends = self._ends
        try:
            if self._database.server is None:
                self.renewing.set()  # SQLite has one writer, so that nobody can take the lease either
            with self._database.writing() as connection:
                yield connection
                self.renewing.set()
                # Its life counts from here: what the database gives it begins later.
                ends = self._next_end()
                self.confirm(connection)
        finally:
            self.renewing.clear()
        self._ends = max(self._ends, ends)
        self.check()

    @retry_transaction
    def renew(self) -> None:
        """Renew it now: to be called right before whatever changes something outside of the ledger.

        Raises:
            LeaseLost: it is not held any more.
        """
        with self.writing():
            pass

    def _next_end(self) -> float:
        return self._clock.monotonic() + self._life.total_seconds()


class Leases:
    """The leases of the ledger.

    Args:
        database: where they are kept; its clock decides when one runs out.
        seconds: how long a lease lives without a heartbeat.
        clock: by which a holder counts the life of his lease.
    """

    def __init__(self, database: Database, *, seconds: float, clock: Clock) -> None:
        self._database = database
        self._life = timedelta(seconds=seconds)
        self._clock = clock
        #: Owners in this process whose release the database did not take, by lease: they work no more.
        self._abandoned: dict[LeaseName, str] = {}

    @contextmanager
    def held(self, name: LeaseName, owner: str) -> Iterator[HeldLease | None]:
        """Hold a lease for the length of the block, with a heartbeat; None when another process holds it.

        A lease that this process could not release, because the database did not answer, is released first: what waits
        for the database goes on when it returns, not when the lease has run out.
        """
        if abandoned := self._abandoned.get(name):
            self._release(name, abandoned)
            self._abandoned.pop(name, None)
        # Its life counts from here: the write can take long.
        held = HeldLease(name, owner, database=self._database, life=self._life, clock=self._clock)
        if not self._acquire(name, owner, self._life):
            yield None
            return
        stop = threading.Event()
        beat = threading.Thread(target=self._beat, args=(held, stop), name=f"heartbeat {name}", daemon=True)
        beat.start()
        try:
            yield held
        finally:
            stop.set()
            beat.join()
            self._abandoned[name] = owner
            self._release(name, owner)
            self._abandoned.pop(name, None)

    def acquire_until_released(self, name: LeaseName, owner: str, *, holder: HeldLease | None = None) -> bool:
        """Acquire a lease that has no end; true as well if the owner has it already.

        Args:
            name: what it is for.
            owner: who is to have it.
            holder: the lease under which the caller works for the owner.

        Raises:
            LeaseLost: the caller's lease is not held; nothing was acquired.
        """
        return self._acquire(name, owner, None, holder)

    def find_owner(self, name: LeaseName) -> str | None:
        """Who holds a lease now."""
        holder = self.find_holder(name)
        return None if holder is None else holder.owner

    def find_holder(self, name: LeaseName) -> Holder | None:
        """Who holds a lease now, and since when."""
        alive = or_(table.c.expires_at.is_(None), table.c.expires_at > self._database.now())
        query = select(table.c.owner, table.c.acquired_at).where(table.c.name == name, alive)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Holder(owner=row.owner, since=row.acquired_at)

    def held_by(self, owner: str) -> dict[str, datetime | None]:
        """The leases that an owner has until they are released, by name: since when, where that is known."""
        query = select(table.c.name, table.c.acquired_at).where(table.c.owner == owner, table.c.expires_at.is_(None))
        with self._database.reading() as connection:
            return {row.name: row.acquired_at for row in connection.execute(query.order_by(table.c.name))}

    @retry_transaction
    def _acquire(self, name: LeaseName, owner: str, life: timedelta | None, holder: HeldLease | None = None) -> bool:
        try:
            with writing(self._database, holder) as connection:
                now = self._database.now()
                available = or_(table.c.owner == owner, table.c.expires_at <= now)
                acquired_at = case((table.c.owner == owner, table.c.acquired_at), else_=now)
                expires_at = None if life is None else self._database.now(life)
                taken = connection.execute(
                    update(table)
                    .where(table.c.name == name, available)
                    .values(owner=owner, expires_at=expires_at, acquired_at=acquired_at)
                )
                if taken.rowcount == 0:
                    connection.execute(
                        insert(table).values(name=name, owner=owner, expires_at=expires_at, acquired_at=now)
                    )
        except IntegrityError:
            return False  # another process has it
        return True

    @retry_transaction
    def _release(self, name: LeaseName, owner: str) -> None:
        with self._database.writing() as connection:
            release(connection, name, owner)

    def _beat(self, held: HeldLease, stop: threading.Event) -> None:
        """Renew a lease until it is released; sooner after a beat that took long, or failed."""
        pause = between = self._life.total_seconds() / _BEATS
        while not stop.wait(pause):
            if held.renewing.is_set():
                pause = between / _BEATS
                continue
            begun = time.monotonic()
            try:
                held.renew()
            except TransientError:
                # The next beat may get through; past its end `check` calls it lost.
                if held.lost.is_set():
                    return
                pause = between / _BEATS
            else:
                pause = max(between - (time.monotonic() - begun), between / _BEATS)


def writing(database: Database, lease: HeldLease | None) -> AbstractContextManager[Connection]:
    """A writing transaction; under a lease, one that is committed only while the lease is held."""
    return database.writing() if lease is None else lease.writing()


def is_broadcast_leased(key: ColumnElement[str], now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Condition of a query: a step works on the broadcast with this key. The time is the database's."""
    return _is_leased(_BROADCAST + key, now)


def is_response_file_leased(name: ColumnElement[str], now: ColumnElement[datetime]) -> ColumnElement[bool]:
    """Condition of a query: a process works on the response file with this name. The time is the database's."""
    return _is_leased(_RESPONSE_FILE + name, now)


def _is_leased(name: ColumnElement[str], now: ColumnElement[datetime]) -> ColumnElement[bool]:
    return select(table.c.name).where(table.c.name == name, table.c.expires_at > now).exists()


def release(connection: Connection, name: LeaseName, owner: str) -> None:
    """Release a lease, within the caller's transaction."""
    connection.execute(delete(table).where(table.c.name == name, table.c.owner == owner))


def release_all(connection: Connection, owner: str) -> None:
    """Release every lease of an owner, within the caller's transaction."""
    connection.execute(delete(table).where(table.c.owner == owner))
