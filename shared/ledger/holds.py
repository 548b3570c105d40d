"""Holds: while one is in force, nothing new is started, released or exported; what runs is finished.

A person places a hold, or the bridge itself when it must not go on by itself. The record keeps the lifted ones.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import Held
from shared.ledger.tables import hold as table
from shared.telemetry import log

#: Code of the holds that people place; those of the bridge have the code of the error that is their reason.
BY_PERSON: Final = Held.code
_REASON_LENGTH: Final = 2000
_BY_LENGTH: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold."""

    id: int
    code: str
    #: In the words of who placed it; nothing of a recipient.
    reason: str
    placed_by: str
    placed_at: datetime
    #: None while it is in force.
    lifted_by: str | None
    lifted_at: datetime | None


class Holds:
    """The holds of the ledger: at most one of each code is in force."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def in_force(self) -> list[Hold]:
        """The holds in force, oldest first."""
        with self._database.reading() as connection:
            return _in_force(connection)

    def newest(self, limit: int) -> list[Hold]:
        """The newest holds, in force or lifted, newest first."""
        with self._database.reading() as connection:
            return [
                _from_row(row) for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit))
            ]

    def check(self) -> None:
        """Make sure that nothing is held.

        Raises:
            Held: a hold is in force.
        """
        with self._database.reading() as connection:
            confirm_none(connection)

    def add(self, reason: str, *, by: str, code: str = BY_PERSON) -> Hold:
        """Place a hold. One of this code that is in force already stays as it is, and is returned."""
        hold, new = self._add(" ".join(reason.split())[:_REASON_LENGTH], by[:_BY_LENGTH], code)
        if new:
            extra = {"action": "hold", "code": hold.code}
            log.warning("Everything is held by %s: %s", hold.placed_by, hold.reason, extra=extra)
        return hold

    def lift(self, *, by: str, code: str = BY_PERSON) -> list[Hold]:
        """Lift the hold of this code; returns what was lifted."""
        lifted = self._lift(by[:_BY_LENGTH], code)
        for hold in lifted:
            extra = {"action": "hold-lifted", "code": hold.code}
            log.warning("The hold of %s is lifted by %s: %s", hold.placed_by, by, hold.reason, extra=extra)
        return lifted

    @retry_transaction
    def _add(self, reason: str, by: str, code: str) -> tuple[Hold, bool]:
        values = {"code": code, "reason": reason, "placed_by": by, "placed_at": self._clock.now()}
        with self._database.writing() as connection:
            for hold in _in_force(connection):
                if hold.code == code:
                    return hold, False
            return _from_row(connection.execute(insert(table).values(values).returning(*table.c)).one()), True

    @retry_transaction
    def _lift(self, by: str, code: str) -> list[Hold]:
        lifted = (
            update(table)
            .where(table.c.lifted_at.is_(None), table.c.code == code)
            .values(lifted_by=by, lifted_at=self._clock.now())
            .returning(*table.c)
        )
        with self._database.writing() as connection:
            return [_from_row(row) for row in connection.execute(lifted)]


def confirm_none(connection: Connection) -> None:
    """Make sure, in the transaction that writes what is about to be done, that nothing is held.

    Raises:
        Held: a hold is in force; roll back.
    """
    for hold in _in_force(connection):
        raise Held(by=hold.placed_by, since=f"{hold.placed_at:%Y-%m-%d %H:%M} UTC", reason=hold.reason)


def _in_force(connection: Connection) -> list[Hold]:
    query = select(table).where(table.c.lifted_at.is_(None)).order_by(table.c.id)
    return [_from_row(row) for row in connection.execute(query)]


def _from_row(row: Row[Any]) -> Hold:
    return Hold(**row._asdict())
