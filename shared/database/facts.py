"""What can be read of a database as a whole, and of the tables in it, and what it means for the bridge."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table, column, func, inspect, select, table
from sqlalchemy.exc import DBAPIError

from shared.database import sqlite_objects
from shared.errors import BridgeError

_MIB: Final = 1024 * 1024
#: The oldest level at which SQL Server knows everything that the bridge sends.
_OLDEST_LEVEL: Final = 110


def _system(name: str, *columns: str, schema: str = "sys") -> Any:  # noqa: ANN401 - a table without a type
    return table(name, *map(column, columns), schema=schema)


_DATABASES: Final = _system(
    "databases",
    *("name", "is_read_committed_snapshot_on", "compatibility_level", "collation_name", "log_reuse_wait_desc"),
)
_LOG: Final = _system("dm_db_log_space_usage", "total_log_size_in_bytes", "used_log_space_in_bytes")
_OBJECTS: Final = _system("all_objects", "object_id", "type")
_TRIGGERS: Final = _system("triggers", "name", "parent_id", "is_disabled", "is_instead_of_trigger")
_COMPUTED: Final = _system("computed_columns", "object_id", "name")
_COLUMNS: Final = _system("COLUMNS", "TABLE_SCHEMA", "COLLATION_NAME", schema="INFORMATION_SCHEMA")
#: What an object is that is no table.
_KINDS: Final = {"V": "a view", "SN": "a synonym"}


@dataclass(frozen=True, slots=True)
class Fact:
    """What was read, and what it means."""

    text: str
    ok: bool = True


def facts_of_database(connection: Connection) -> Iterator[Fact]:
    """The database as a whole."""
    if connection.dialect.name != "mssql":
        yield Fact("SQLite: one process writes at a time and the others wait, so it is for the demo and the tests")
        return
    query = select(*list(_DATABASES.c)[1:]).where(_DATABASES.c.name == func.db_name())
    row = connection.execute(query).one_or_none()
    if row is None:
        yield Fact("sys.databases does not show it to this login")
        return
    snapshot, level, collation, log_waits = row
    yield Fact(
        "READ_COMMITTED_SNAPSHOT is on: who reads does not wait for a load"
        if snapshot
        else "READ_COMMITTED_SNAPSHOT is off: who reads rows of a load waits for its end, and the load for who reads "
        "(ALTER DATABASE … SET READ_COMMITTED_SNAPSHOT ON removes both waits)"
    )
    yield Fact(f"compatibility level {level}", ok=level >= _OLDEST_LEVEL)
    yield Fact(f"collation {collation}{_meaning(str(collation))}")
    yield from _ledger_collations(connection, str(collation))
    yield _log_space(connection, str(log_waits))


def _meaning(collation: str) -> str:
    if "_BIN" in collation or "_CS_" in collation:
        return ": upper and lower case differ, in names as well; the schema map must have them exactly"
    return ""


def _ledger_collations(connection: Connection, collation: str) -> Iterator[Fact]:
    """The bridge's own columns take the collation that the database had when they were made."""
    query = select(_COLUMNS.c.COLLATION_NAME).where(_COLUMNS.c.TABLE_SCHEMA == "bridge").distinct()
    others = sorted(str(one) for one in connection.scalars(query) if one not in {None, collation})
    if others:
        yield Fact(
            f"the bridge's tables have the collation {', '.join(others)}: rows of FastStats are not compared with them"
        )


def _log_space(connection: Connection, waits_for: str) -> Fact:
    try:
        total, used = connection.execute(select(*_LOG.c)).one()
    except (BridgeError, DBAPIError):
        return Fact("free log space is not shown to this login (VIEW DATABASE STATE)")
    free = (total - used) // _MIB
    return Fact(
        f"{free:,} of {total // _MIB:,} MiB of the log are free, without what it may grow by; it is reused after: "
        f"{waits_for}. A load of responses is one transaction, which the log keeps until its end"
    )


def facts_of_table(connection: Connection, mapped: Table, written: Collection[str]) -> Iterator[Fact]:
    """A table of FastStats: what disturbs who writes it.

    Args:
        connection: any.
        mapped: the table as the schema map names it.
        written: names of the columns that the bridge writes.
    """
    name = str(mapped.name)
    if connection.dialect.name != "mssql":
        yield from _facts_in_sqlite(connection, name, written)
        return
    this = func.object_id(connection.dialect.identifier_preparer.format_table(mapped))
    kind = str(connection.scalar(select(_OBJECTS.c.type).where(_OBJECTS.c.object_id == this)) or "").strip()
    if kind in _KINDS:
        yield Fact(f"{name} is {_KINDS[kind]}: the triggers, columns and permissions of the object behind it count")
    query = select(_TRIGGERS.c.name, _TRIGGERS.c.is_instead_of_trigger)
    its = (_TRIGGERS.c.parent_id == this, _TRIGGERS.c.is_disabled == 0)
    for trigger, instead in connection.execute(query.where(*its).order_by(_TRIGGERS.c.name)).all():
        yield _trigger(name, trigger, instead=bool(instead))
    for computed in connection.scalars(select(_COMPUTED.c.name).where(_COMPUTED.c.object_id == this)).all():
        if computed in written:
            yield _computed(name, computed)


def _facts_in_sqlite(connection: Connection, name: str, written: Collection[str]) -> Iterator[Fact]:
    is_view = name in inspect(connection).get_view_names()
    if is_view:
        yield Fact(f"{name} is a view: the columns of the table behind it count")
    for trigger in sqlite_objects.triggers(connection, name):
        yield _trigger(name, trigger, instead=is_view)
    for computed in sqlite_objects.generated_columns(connection, name):
        if computed in written:
            yield _computed(name, computed)


def _trigger(name: str, trigger: str, *, instead: bool) -> Fact:
    if instead:
        text = (
            f"{name} has the INSTEAD OF trigger {trigger}: no id of a written row is known, so nothing can be written"
        )
        return Fact(text, ok=False)
    return Fact(
        f"{name} has the trigger {trigger}: what it refuses is set aside or reported, what it writes is its own"
    )


def _computed(name: str, computed: str) -> Fact:
    return Fact(
        f"{name}.{computed} is computed, and cannot be written: map it to another column, or to nothing", ok=False
    )
