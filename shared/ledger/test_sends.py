"""Test sends that were asked for with a GUID: none is tried twice, and a repeat gets the first result for a day."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.ledger.tables import test_send as table

#: How long a result is kept. The tries of one click are over within minutes.
KEPT: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMails:
    """The result of a test send."""

    __test__ = False  # for pytest, which takes the name for a test class

    #: Id of the test mailing.
    mailing_id: int
    #: Numbers of recipients.
    valid: int
    without_address: int
    blocklisted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSend:
    """A test send that was tried."""

    channel: str
    message_name: str
    #: None: whether it was sent is not known.
    result: TestMails | None


class TestSends:
    """The test sends of the ledger."""

    __test__ = False

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, request_id: UUID) -> TriedSend | None:
        """The test send of this GUID, if it was tried within the last day."""
        tried = (table.c.request_id == str(request_id), table.c.tried_at > self._clock.now() - KEPT)
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(*tried)).one_or_none()
        return None if row is None else _from_row(row)

    @retry_transaction
    def begin(self, request_id: UUID, *, channel: str, message_name: str) -> bool:
        """Record a try before it is made; results that are older than a day are removed.

        Returns:
            Whether it may be made: false when it was recorded before.
        """
        now = self._clock.now()
        try:
            with self._database.writing() as connection:
                connection.execute(delete(table).where(table.c.tried_at <= now - KEPT))
                connection.execute(
                    insert(table).values(
                        request_id=str(request_id), channel=channel, message_name=message_name, tried_at=now
                    )
                )
        except IntegrityError:
            return False
        return True

    @retry_transaction
    def forget(self, request_id: UUID) -> None:
        """Withdraw a try that certainly sent nothing."""
        with self._database.writing() as connection:
            connection.execute(delete(table).where(table.c.request_id == str(request_id)))

    @retry_transaction
    def finish(self, request_id: UUID, result: TestMails) -> None:
        """Record the result."""
        with self._database.writing() as connection:
            connection.execute(
                update(table)
                .where(table.c.request_id == str(request_id))
                .values(
                    mailing_id=result.mailing_id,
                    valid=result.valid,
                    without_address=result.without_address,
                    blocklisted=result.blocklisted,
                )
            )


def _from_row(row: Row[Any]) -> TriedSend:
    values = row._asdict()
    counts = {name: values[name] for name in ("mailing_id", "valid", "without_address", "blocklisted")}
    result = None if counts["mailing_id"] is None else TestMails(**counts)
    return TriedSend(channel=row.channel, message_name=row.message_name, result=result)
