"""Connections to WS_DB and RS_DB: SQLite embedded, SQL Server and Azure SQL by ODBC.

Reading and writing are separate: a writing transaction takes SQLite's write lock at its start, so that it never fails
half-way because another process wrote first. On SQL Server it can: as the victim of a deadlock, when the server is
busy, or when the connection is lost. Then nothing of it is written, the error is transient, and a function marked with
`retry_transaction` runs again.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, exc, literal
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from shared.clock import Clock
from shared.config.connection_string import EntraLogin, SqliteFile, SqlServer, parse_connection
from shared.database.entra_token import ACCESS_TOKEN_ATTRIBUTE, EntraTokens
from shared.database.mssql_dialect import DIALECT
from shared.database.mssql_errors import keep_rule, map_error, passes_soon, sqlstate, without_text
from shared.database.odbc_driver import find_driver, load_pyodbc
from shared.database.server_time import ServerTime
from shared.database.types import UtcDateTime
from shared.errors import BridgeError, DatabaseUnavailable, SettingsInvalid

#: How long a connection waits for another connection's lock.
_BUSY_SECONDS = 60
_BUSY_PAUSE_SECONDS = 0.02
#: What a connection to SQLite keeps of the database at most: its default of 2 MiB is less than the pages of one load.
_CACHE_KIB: Final = 32 * 1024
_POOL: Final[dict[str, Any]] = {"pool_size": 8, "max_overflow": 56}
#: Azure closes a connection that is idle for 30 minutes.
_RECYCLE_SECONDS: Final = 25 * 60
#: Pauses between attempts to open a connection that SQL Server refuses for a moment. Longer pauses are up to the steps.
_PAUSES_SECONDS: Final = (0.5, 1, 2, 4)
#: Pauses after a transaction that was rolled back: short ones for deadlocks, longer ones for a busy server.
_UNDONE_PAUSES_SECONDS: Final = (0.05, 0.2, 0.8, 2)
#: Set on every connection to SQL Server: an error ends the whole transaction, never only its statement; uncommitted
#: changes of others are not visible; the wait for a lock is limited.
_SESSION: Final = (
    "SET XACT_ABORT ON",
    "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
    f"SET LOCK_TIMEOUT {_BUSY_SECONDS * 1000}",
)


def retry_transaction[**P, R](transaction: Callable[P, R]) -> Callable[P, R]:
    """Run a function that is one transaction again when a transient error has certainly rolled it back.

    Only then: after a connection that broke during the COMMIT the outcome is unknown, and the caller has to check it.
    """

    @wraps(transaction)
    def retrying(*arguments: P.args, **named: P.kwargs) -> R:
        for pause in _UNDONE_PAUSES_SECONDS:
            try:
                return transaction(*arguments, **named)
            except DatabaseUnavailable as error:
                if not error.undone:
                    raise
            _wait(pause)
        return transaction(*arguments, **named)

    return retrying


def _wait(seconds: float) -> None:
    time.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - so that two do not collide again


class Database:
    """One database and its pool of connections.

    Args:
        connection: the value of the setting; `connection_string` describes its forms.
        name: its name in messages: `WS_DB` or `RS_DB`.
        tokens: where an Entra login gets its token.

    Raises:
        SettingsInvalid: `connection` does not name a database that can be used.
        OdbcDriverMissing: it names a SQL Server, and no driver for it is installed.
    """

    def __init__(self, connection: str, name: str, tokens: EntraTokens | None = None) -> None:
        self.name = name
        try:
            parsed = parse_connection(connection)
        except ValueError as error:
            raise SettingsInvalid(reason=f"{name}: {error}") from None
        self.tokens = tokens or EntraTokens()
        #: Set by tests only: its time then counts as the server's.
        self.clock: Clock | None = None
        #: The server; None for SQLite.
        self.server: SqlServer | None = None
        match parsed:
            case SqliteFile(url=url):
                self.engine = _sqlite_engine(url)
            case SqlServer():
                self.server = parsed
                self.engine = _sql_server_engine(parsed, name, self.tokens)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection in a transaction that only reads.

        Raises:
            DatabaseUnavailable: the database did not answer.
            BridgeError: a more precise entry of the catalogue, by the error number of SQL Server.
        """
        with self._mapped_errors(), self._open() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in one writing transaction, committed at the end of the block.

        Raises:
            DatabaseUnavailable: the database did not answer; nothing was written, unless the answer to the COMMIT was
                lost: before it writes again, the caller must check what is there.
            BridgeError: a more precise entry of the catalogue, by the error number of SQL Server.
        """
        with self._mapped_errors(), self._open() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                yield connection

    def now(self, after: timedelta = timedelta()) -> ColumnElement[datetime]:
        """The server's time, or a time after it, as an expression.

        Times that processes compare with one another are written and compared by it alone: the clocks of two machines
        differ.
        """
        return ServerTime(after) if self.clock is None else literal(self.clock.now() + after, UtcDateTime())

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _open(self) -> Connection:
        """A connection; the request is repeated while SQL Server reports that it will soon accept one.

        Repeating is safe here. Later the whole transaction would have to run again, which is up to the step.
        """
        for pause in _PAUSES_SECONDS:
            try:
                return self.engine.connect()
            except BridgeError as error:
                if not passes_soon(error):
                    raise
            _wait(pause)
        return self.engine.connect()

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        # The driver's own text can quote values of a row: only the type of the error is kept.
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
            reason = type(getattr(error, "orig", None) or error).__name__
            raise DatabaseUnavailable(database=self.name, reason=reason) from None


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(url, hide_parameters=True, **_POOL)
    # SQLite has no schemas: the bridge's tables are in the same file as those of RS_DB.
    engine = engine.execution_options(schema_translate_map={"bridge": None})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _sql_server_engine(server: SqlServer, name: str, tokens: EntraTokens) -> Engine:
    pyodbc = load_pyodbc()
    odbc_string = server.odbc_string(find_driver())

    def connect() -> DBAPIConnection:
        login = server.login
        attributes = {ACCESS_TOKEN_ATTRIBUTE: tokens.access_token(login)} if isinstance(login, EntraLogin) else {}
        connection: DBAPIConnection = pyodbc.connect(
            odbc_string, timeout=server.connect_seconds, attrs_before=attributes
        )
        return connection

    def explain(context: ExceptionContext) -> BaseException | None:
        error = context.original_exception
        if context.is_pre_ping or not isinstance(error, pyodbc.Error):
            return None
        connecting = context.connection is None
        # For an execute or a fetch the statement is known; COMMIT and ROLLBACK are sent by the driver.
        committing = not connecting and context.statement is None and context.execution_context is None
        explained = map_error(error, database=name, connecting=connecting, committing=committing)
        keep_rule(error)
        # The driver's text can quote values of a row, and logging an exception logs its causes as well.
        error.args = (sqlstate(error), without_text(error))
        if explained is not None or not isinstance(context.sqlalchemy_exception, exc.DBAPIError):
            return explained
        return type(context.sqlalchemy_exception)(
            context.statement, None, error, hide_parameters=True, connection_invalidated=context.is_disconnect
        )

    engine = create_engine(
        f"{DIALECT}://",
        creator=connect,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_recycle=_RECYCLE_SECONDS,
        **_POOL,
    )
    event.listen(engine, "connect", _prepare_sql_server)
    event.listen(engine, "handle_error", explain)
    return engine


def _prepare_sql_server(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for setting in _SESSION:
        cursor.execute(setting)
    cursor.close()
    connection.commit()


def _prepare_sqlite(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN is the only one
    for pragma in (f"busy_timeout = {_BUSY_SECONDS * 1000}", "foreign_keys = ON", f"cache_size = -{_CACHE_KIB}"):
        connection.execute(f"PRAGMA {pragma}").close()
    _write_ahead(connection)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn on the write-ahead log. Here SQLite does not wait for locks by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes: Any = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
