"""The databases of a demo: empty ones of any kind, in which it makes and removes its own tables only.

The first table that it makes is its mark. A database that has tables and no mark is somebody's, and so is one that has
other tables besides. Both are refused, and nothing in them is touched.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, make_url, text
from sqlalchemy.schema import DropSchema

from local.demo.folder import ZONE
from shared.config.connection_string import SqliteFile, parse_connection
from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.ledger import tables as ledger

#: Made before every other table, and removed after them.
_MARK: Final = Table("BroadcastBridgeDemo", MetaData(), Column("Id", Integer, primary_key=True, autoincrement=False))
#: Every table that a demo can make, those first that others refer to.
_OWN: Final = (_MARK.metadata, WsDbSchema(ZONE).metadata, RsDbSchema(ZONE).metadata, ledger.metadata)
_SQLITE: Final = "SELECT '', name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
#: In Azure SQL the schema `sys` has a view that is listed too.
_SERVER: Final = "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA <> 'sys'"
#: Tables that a message names.
_MOST: Final = 3


class DatabaseInUseError(Exception):
    """A database holds tables that are not the demo's."""


def absolute(connection: str) -> str:
    """The connection string as it means the same in every folder.

    Raises:
        ValueError: it names no database; the message shows no value.
    """
    parsed = parse_connection(connection)
    if not isinstance(parsed, SqliteFile):
        return connection
    url = make_url(parsed.url)
    return url.set(database=str(Path(url.database or "").resolve())).render_as_string(hide_password=False)


def claim(connections: Mapping[str, str]) -> None:
    """Empty the databases of an earlier demo's tables, and mark them.

    Args:
        connections: connection strings by the names of the databases.

    Raises:
        DatabaseInUseError: one of them holds other tables; nothing was changed in any.
        BridgeError: one of them cannot be used.
    """
    for name, connection in connections.items():
        _check(name, connection)
    for name, connection in connections.items():
        _remove(name, connection)
        with _writing(name, connection) as open_one:
            _MARK.create(open_one, checkfirst=True)


def remove(connections: Mapping[str, str]) -> None:
    """Remove the demo's tables; arguments and errors are those of `claim`."""
    for name, connection in connections.items():
        _check(name, connection)
    for name, connection in connections.items():
        _remove(name, connection)


def keep(file: Path, connections: Mapping[str, str]) -> None:
    """Keep connection strings, which can hold passwords, in a file for this user alone."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict(connections)))


def kept(file: Path) -> dict[str, str]:
    """What `keep` wrote; empty if the demo has databases of its own."""
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _check(name: str, connection: str) -> None:
    own = {table.name.casefold() for metadata in _OWN for table in metadata.tables.values()}
    with closing(Database(connection, name)) as database, database.reading() as open_one:
        found = _tables(open_one)
    others = sorted(table for table in found if table.rpartition(".")[2].casefold() not in own)
    is_marked = any(table.rpartition(".")[2] == _MARK.name for table in found)
    if others or (found and not is_marked):
        named = ", ".join((others or sorted(found))[:_MOST])
        number = len(others or found)
        msg = f"{name} holds {number} tables or views that are not the demo's ({named}): name a database that is empty"
        raise DatabaseInUseError(msg)


def _tables(connection: Connection) -> list[str]:
    query = _SERVER if connection.dialect.name == "mssql" else _SQLITE
    return [f"{schema}.{table}" if schema else table for schema, table in connection.execute(text(query)).all()]


def _remove(name: str, connection: str) -> None:
    with _writing(name, connection) as open_one:
        for metadata in reversed(_OWN):
            metadata.drop_all(open_one)
        if open_one.dialect.name == "mssql":
            open_one.execute(DropSchema("bridge", if_exists=True))


@contextmanager
def _writing(name: str, connection: str) -> Iterator[Connection]:
    with closing(Database(connection, name)) as database, database.writing() as open_one:
        yield open_one
