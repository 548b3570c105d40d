"""Where every test gets its WS_DB and RS_DB: SQLite files, or databases made for the run on a server.

On a server each worker of pytest has one pair of databases, for making one takes seconds; they are emptied before
each test that uses them, and removed at the end. Identity values go on counting.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, make_url
from sqlalchemy.exc import DBAPIError

from local.faststats.databases import create_databases
from shared.config import connection_string
from shared.config.connection_string import SqliteFile, SqlServer, parse_connection
from shared.database.connections import Database
from shared.errors import BridgeError
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.ledger import tables
from shared.ledger.schema import Schema

#: Zone of the times in WS_DB and RS_DB.
ZONE: Final = "Europe/Berlin"

_PREFIX: Final = "bridge_test_"
#: Tells processes that tests start which server is accepted as it is.
_TRUSTED: Final = "BRIDGE_TEST_SERVER"
#: One run at a time makes or drops databases: SQL Server makes each from one model, which only one may lock.
_LOCK: Final = "@Resource = 'bridge_test', @LockOwner = 'Session'"
_LOCK_MILLISECONDS: Final = 600_000


class ServerUnfit(Exception):
    """The server of `--database-url` cannot be used; says why and what to do."""


class ConnectionString(str):
    """A connection string that no traceback shows: it can hold a password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<connection string>"


@dataclass(frozen=True, slots=True)
class Databases:
    """A WS_DB and an RS_DB with their tables, the bridge's among them, and without a row."""

    ws: ConnectionString
    rs: ConnectionString

    @contextmanager
    def opened(self) -> Iterator[tuple[Database, Database]]:
        """Both, open for the length of the block."""
        with closing(Database(self.ws, "WS_DB")) as ws_database, closing(Database(self.rs, "RS_DB")) as rs_database:
            yield ws_database, rs_database


def create_tables(ws_database: Database, rs_database: Database) -> None:
    """Create the reference tables of FastStats and the bridge's own."""
    create_databases(ws_database, rs_database, zone=ZONE)
    Schema(rs_database).migrate()


def empty(ws_database: Database, rs_database: Database) -> None:
    """Delete every row, of tables that refer to others first."""
    for database, every in (
        (ws_database, (WsDbSchema(ZONE).metadata,)),
        (rs_database, (tables.metadata, RsDbSchema(ZONE).metadata)),
    ):
        with database.writing() as connection:
            for metadata in every:
                for table in reversed(metadata.sorted_tables):
                    if table is not tables.migration:
                        connection.execute(delete(table))


# SQLite


def sqlite_files(folder: Path) -> Databases:
    """New SQLite files in this folder."""
    made = _files_in(folder)
    with made.opened() as (ws_database, rs_database):
        create_tables(ws_database, rs_database)
    return made


def copied(files: Databases, folder: Path) -> Databases:
    """Copies of SQLite files that nobody has open."""
    made = _files_in(folder)
    for source, target in ((files.ws, made.ws), (files.rs, made.rs)):
        shutil.copy(source.removeprefix("sqlite:///"), target.removeprefix("sqlite:///"))
    return made


def _files_in(folder: Path) -> Databases:
    return Databases(*(ConnectionString(f"sqlite:///{folder / name}.sqlite") for name in ("WS_Test", "RS_Test")))


# A server


class ServerDatabases:
    """The databases that one worker has on the server.

    Args:
        url: how a connection setting names a database; its database is where we may log in, such as `master`.
        server: the same, open.
    """

    def __init__(self, url: str, server: Database) -> None:
        self._url = url
        self._server = server
        self._name = f"{_PREFIX}{uuid.uuid4().hex[:8]}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
        self._made: list[str] = []
        self._close = ExitStack()

    def set_up(self) -> None:
        """Make the pair that the tests share one after the other.

        Raises:
            ServerUnfit: the server does not let us.
        """
        # WS_DB as an installation of FastStats has it, RS_DB as Azure SQL makes it.
        self._pair = Databases(self._make("ws", snapshots=False), self._make("rs", snapshots=True))
        self._open = self._close.enter_context(self._pair.opened())
        create_tables(*self._open)

    def emptied(self) -> Databases:
        """WS_DB and RS_DB, with their tables and without a row."""
        empty(*self._open)
        return self._pair

    def bare(self) -> ConnectionString:
        """A new database without tables."""
        return self._make(f"bare{len(self._made)}", snapshots=True)

    def drop(self) -> None:
        """Drop every database that was made."""
        self._close.close()
        with _alone(self._server) as connection:
            for name in self._made:
                _drop(connection, name)

    def _make(self, what: str, *, snapshots: bool) -> ConnectionString:
        """Make a database; with `snapshots` who reads in it does not wait for who writes."""
        name = f"{self._name}_{what}"
        with _alone(self._server) as connection:
            quoted = _quoted(connection, name)
            self._made.append(name)
            try:
                connection.exec_driver_sql(f"CREATE DATABASE {quoted}")
            except (DBAPIError, BridgeError) as error:
                reason = error.orig if isinstance(error, DBAPIError) else error
                raise ServerUnfit(
                    f"--database-url: the server does not make the databases for the tests ({reason}). The login must "
                    "be allowed to make databases (server role dbcreator). Babelfish must be set up with "
                    "babelfishpg_tsql.migration_mode = 'multi-db': with 'single-db' it takes one database only."
                ) from None
            if snapshots and _is_installed(connection):
                connection.exec_driver_sql(f"ALTER DATABASE {quoted} SET READ_COMMITTED_SNAPSHOT ON")
        return _beside(self._url, name)


@contextmanager
def on_server(url: str) -> Iterator[ServerDatabases]:
    """Databases on the server, for the length of the block.

    Databases that runs left behind because they crashed are removed first, a day after they were made.

    Raises:
        ServerUnfit: the URL names no server, the server does not answer, or it does not let us make databases.
    """
    try:
        parsed = trusted(url)
    except ValueError as error:
        raise ServerUnfit(f"--database-url: {error}") from None
    if isinstance(parsed, SqliteFile):
        raise ServerUnfit("--database-url names a SQL Server; without it the tests use SQLite files of their own")
    try:
        with closing(Database(url, "named by --database-url")) as server:
            with _alone(server) as connection:
                _drop_what_was_left_behind(connection)
            databases = ServerDatabases(url, server)
            try:
                databases.set_up()
                yield databases
            finally:
                databases.drop()
    except BridgeError as error:
        raise ServerUnfit(f"--database-url: {error}") from None


def trusted(url: str) -> SqlServer | SqliteFile:
    """Read the connection, and accept its server as it is from now on, here and in processes that are started.

    The bridge speaks unencrypted, or to a server whose certificate nobody trusts, on the same machine only. A server
    for tests may stand elsewhere.

    Raises:
        ValueError: the connection cannot be read.
    """
    accepts = connection_string.is_loopback
    connection_string.is_loopback = lambda host: host != ""
    try:
        parsed = parse_connection(url)
    finally:
        connection_string.is_loopback = accepts
    if isinstance(parsed, SqlServer):
        os.environ[_TRUSTED] = parsed.host
        _trust(parsed.host)
    return parsed


def _trust(server: str) -> None:
    accepts = connection_string.is_loopback
    connection_string.is_loopback = lambda host: host == server or accepts(host)


def _beside(url: str, database: str) -> ConnectionString:
    """The connection string of another database of the same server."""
    if "://" in url:
        return ConnectionString(make_url(url).set(database=database).render_as_string(hide_password=False))
    return ConnectionString(f"{url};Database={database}")  # the last of equals wins


def _drop_what_was_left_behind(connection: Connection) -> None:
    """Drop the databases of runs that crashed more than a day ago."""
    old = connection.exec_driver_sql(
        f"SELECT name FROM sys.databases WHERE LEFT(name, {len(_PREFIX)}) = '{_PREFIX}' "  # noqa: S608 - our own prefix
        "AND create_date < DATEADD(day, -1, GETDATE())"
    ).all()
    for (name,) in old:
        _drop(connection, name)


@contextmanager
def _alone(server: Database) -> Iterator[Connection]:
    """A connection without transactions, while no other run makes or drops databases."""
    with server.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(
            f"EXEC sp_getapplock {_LOCK}, @LockMode = 'Exclusive', @LockTimeout = {_LOCK_MILLISECONDS}"
        )
        try:
            yield connection
        finally:
            connection.exec_driver_sql(f"EXEC sp_releaseapplock {_LOCK}")


def _drop(connection: Connection, name: str) -> None:
    quoted = _quoted(connection, name)
    if _is_installed(connection):
        # A process that a test killed may still be connected, for all that the server knows.
        connection.exec_driver_sql(
            f"IF DB_ID('{name}') IS NOT NULL ALTER DATABASE {quoted} SET SINGLE_USER WITH ROLLBACK IMMEDIATE"
        )
    connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {quoted}")


def _is_installed(connection: Connection) -> bool:
    """Whether it is SQL Server on a machine: neither Azure SQL nor Babelfish."""
    return str(connection.exec_driver_sql("SELECT @@VERSION").scalar_one()).startswith("Microsoft SQL Server")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


if _TRUSTED in os.environ:
    _trust(os.environ[_TRUSTED])
