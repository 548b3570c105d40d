"""Connections to WS_DB and RS_DB. SQLite embedded; SQL Server is named by its URL.

Reading and writing are apart: a writing transaction takes SQLite's write lock at its start, so that
it can never fail half-way because somebody else wrote first.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, DateTime, Dialect, TypeDecorator, create_engine, event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from shared.errors import DatabaseUnavailable

#: How long a connection waits for somebody else's lock.
_BUSY_SECONDS = 60
_BUSY_PAUSE_SECONDS = 0.02


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC without zone (DATETIME2 has none)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        del dialect
        return None if value is None else _aware(value).astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        del dialect
        return None if value is None else value.replace(tzinfo=UTC)


class LocalDateTime(TypeDecorator[datetime]):
    """An aware time, kept as the local time of the database server, as FastStats keeps it."""

    impl = DateTime
    cache_ok = True

    def __init__(self, zone: str) -> None:
        super().__init__()
        self.zone = zone

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        del dialect
        return None if value is None else _aware(value).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, as UTC. A local time that exists twice is taken as the first."""
        del dialect
        return None if value is None else value.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        msg = "a time without zone is not accepted"
        raise ValueError(msg)
    return value


class Database:
    """One database and its pool of connections.

    Args:
        url: SQLAlchemy URL.
        name: what messages call it: `WS_DB` or `RS_DB`.
    """

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.engine = create_engine(url, hide_parameters=True, pool_size=8, max_overflow=56)
        if self.engine.dialect.name == "sqlite":
            # SQLite has no schemas: the bridge's tables stand beside those of RS_DB in the same file.
            self.engine = self.engine.execution_options(schema_translate_map={"bridge": None})
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that only reads.

        Raises:
            DatabaseUnavailable: the database did not answer.
        """
        with self._mapped_errors(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in one writing transaction, committed at the end of the block.

        Raises:
            DatabaseUnavailable: the database did not answer; nothing was written.
        """
        with self._mapped_errors(), self.engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        # The driver's own text can name values of a row: only its kind is kept.
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            reason = type(getattr(error, "orig", None) or error).__name__
            raise DatabaseUnavailable(database=self.name, reason=reason) from None


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN is the only one
    for pragma in (f"busy_timeout = {_BUSY_SECONDS * 1000}", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}").close()
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn on the write-ahead log. Here alone SQLite does not wait for a lock: the first connections would collide."""
    give_up = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes: Any = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
