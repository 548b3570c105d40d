"""The schema map compared with the real catalogue: one sentence for each difference, with its remedy.

Names are compared as SQL Server does in its usual collations: case does not count. State values cannot be compared.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, exc, inspect, types
from sqlalchemy.dialects import mssql
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.engine.reflection import Inspector, ObjectKind, ObjectScope

from shared.database.connections import Database
from shared.errors import (
    BridgeError,
    CatalogueUnreadable,
    DatabaseObjectMissing,
    DatabasePermissionDenied,
    SchemaMapMismatch,
)
from shared.faststats.schema_map.entries import Column, Kind, Table
from shared.faststats.schema_map.names import MappedSchema, SchemaMap
from shared.telemetry import log

#: Where SQL Server looks for a table that has no schema, after the login's own.
_LAST_SCHEMA: Final = "dbo"
#: Largest whole number by type; the first that fits counts, for they are subclasses of each other.
_LARGEST: Final[Sequence[tuple[type[types.TypeEngine[Any]], int]]] = (
    (types.Boolean, 1),
    (mssql.TINYINT, 255),
    (types.SmallInteger, 2**15 - 1),
    (types.BigInteger, 2**63 - 1),
    (types.Integer, 2**31 - 1),
)
#: Numbers that the bridge writes are ids and counts, which need not fit into less.
_COUNT: Final = 2**31 - 1

_Columns = Mapping[str, ReflectedColumn]


class SchemaCheck:
    """Whether one database is as the schema map says. It is looked at once; while it is not, at every use.

    Args:
        database: the database.
        schema: its tables under the names of the map.
        longest: characters of what the settings let the bridge write, by `table.column`.
    """

    def __init__(self, database: Database, schema: MappedSchema, longest: Mapping[str, int] | None = None) -> None:
        self._database = database
        self._schema = schema
        self._longest = dict(longest or {})
        self._lock = threading.Lock()
        self._fits = False

    def require(self) -> None:
        """Go on only if it is.

        Raises:
            SchemaMapMismatch: with every difference.
            DatabaseUnavailable: the database did not answer.
        """
        if self._fits:
            return
        with self._lock:
            if not self._fits:
                try:
                    found = self.differences()
                except CatalogueUnreadable as error:
                    # What cannot be compared may fit all the same; if it does not, the server says so.
                    log.warning("%s", error, extra={"action": "schema-map", "code": error.code})
                    found = []
                if found:
                    raise SchemaMapMismatch(database=self._database.name, differences="; ".join(found))
                self._fits = True

    def differences(self) -> list[str]:
        """Every difference, in one sentence each, without its full stop.

        Raises:
            CatalogueUnreadable: the database does not tell.
            DatabaseUnavailable: it did not answer.
        """
        with self._database.reading() as connection:
            try:
                catalogue = _catalogue(connection, self._schema)
            except (DatabaseObjectMissing, DatabasePermissionDenied, exc.DBAPIError) as error:
                if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
                    raise
                raise CatalogueUnreadable(database=self._database.name, reason=_kind(error)) from None
        database, names = self._schema.spec, self._schema.names
        found: list[str] = []
        for table in database.tables:
            if table.key not in self._schema.tables:
                continue
            section = f"{database.key}.{table.key}"
            name = names.name(f"{section}.table")
            columns = catalogue.get(table.key)
            if columns is None:
                also = ', or leave it out with ""' if table.consequence else ""
                found.append(f"there is no table {name}: name the right one as {section}.table{also}")
            else:
                found += _Comparison(section, name, names, columns, self._longest).differences(table)
        return found


class _Comparison:
    """One table: what is needed of it, and the columns that it has."""

    def __init__(
        self, section: str, name: str, names: SchemaMap, columns: _Columns, longest: Mapping[str, int]
    ) -> None:
        self._section = section
        self._name = name
        self._names = names
        self._columns = columns
        self._longest = longest

    def differences(self, table: Table) -> Iterator[str]:
        filled = set()
        for column in table.columns:
            name = self._names.name(f"{self._section}.{column.key}")
            if not name:
                continue
            filled.add(name.casefold())
            real = self._columns.get(name.casefold())
            if real is None:
                yield (
                    f"{self._name} has no column {name}: name the right one as {self._section}.{column.key}"
                    + (', or leave it out with ""' if column.consequence else "")
                )
            else:
                yield from self._unfit(table, column, real)
        if table.inserted:
            for key, real in self._columns.items():
                if key not in filled and not real["nullable"] and not _fills_itself(real, self._columns):
                    yield (
                        f"{self._name}.{real['name']} must not be empty, and the bridge has nothing for it: "
                        "give it a default"
                    )

    def _unfit(self, table: Table, column: Column, real: ReflectedColumn) -> Iterator[str]:
        where = f"{self._name}.{real['name']}"
        remedy = f"name another as {self._section}.{column.key}" + (
            ', or leave it out with ""' if column.consequence else ""
        )
        number = self._is_number(column)
        kind = Kind.NUMBER if number else Kind.TIME if column.kind is Kind.TIME else Kind.TEXT
        if not isinstance(real["type"], _FAMILIES[kind]) or isinstance(real["type"], _MISFITS):
            if column.kind is Kind.VALUE:
                remedy = f"write {' and '.join(column.values)} as {'words in quotes' if number else 'numbers'}"
            yield f"{where} is {_type_name(real)}, and the bridge needs {kind.value}: {remedy}"
            return
        if column.written:
            yield from self._too_narrow(column, real, f"{where} is {_type_name(real)}", remedy)
        if not table.inserted:
            return
        if column.generated and not _fills_itself(real, self._columns):
            yield f"{where} gets no value by itself: give it a default"
        if column.written and column.nullable and not real["nullable"]:
            yield f"{where} must not be empty, and the bridge leaves it empty at times: {remedy}"

    def _too_narrow(self, column: Column, real: ReflectedColumn, is_of_type: str, remedy: str) -> Iterator[str]:
        if column.kind is Kind.TIME:
            return
        if self._is_number(column):
            largest, needed = _largest(real["type"]), _COUNT
            if column.values:
                needed = max(abs(int(self._names.value(key))) for key in column.values)
            if largest < needed:
                yield f"{is_of_type}, and the bridge writes numbers up to {needed}: {remedy}"
            return
        room = getattr(real["type"], "length", None)
        needed_room = self._longest.get(f"{self._section.partition('.')[2]}.{column.key}", column.length)
        if column.values:
            needed_room = max(len(str(self._names.value(key))) for key in column.values)
        if room is not None and (needed_room is None or room < needed_room):
            up_to = "of any length" if needed_room is None else f"of up to {needed_room} characters"
            yield f"{is_of_type}, and the bridge writes text {up_to}: {remedy}"

    def _is_number(self, column: Column) -> bool:
        if column.kind is Kind.VALUE:
            return isinstance(self._names.value(column.values[0]), int)
        return column.kind is Kind.NUMBER


_FAMILIES: Final[Mapping[Kind, tuple[type[types.TypeEngine[Any]], ...]]] = {
    Kind.NUMBER: (types.Integer, types.Numeric, types.Boolean),
    Kind.TEXT: (types.String,),
    Kind.TIME: (types.DateTime,),
}
#: Their family says that they fit, and they do not: an offset would be made up, a row version counts by itself.
_MISFITS: Final = (mssql.DATETIMEOFFSET, mssql.TIMESTAMP, types.Uuid)


def _catalogue(connection: Connection, schema: MappedSchema) -> dict[str, _Columns]:
    """The columns of each table, by the key of the table and by their names without case; a missing one is left out."""
    names = {key: str(table.name) for key, table in schema.tables.items()}
    inspector: Inspector = inspect(connection)
    mapped = schema.names.name(f"{schema.spec.key}.schema") or None
    found = _columns_by_table(inspector, mapped, names.values())
    if mapped is None and connection.dialect.name == "mssql" and inspector.default_schema_name != _LAST_SCHEMA:
        found = _columns_by_table(inspector, _LAST_SCHEMA, names.values()) | found
    return {key: found[name.casefold()] for key, name in names.items() if name.casefold() in found}


def _columns_by_table(inspector: Inspector, schema: str | None, names: Any) -> dict[str, _Columns]:  # noqa: ANN401
    reflected = inspector.get_multi_columns(
        schema=schema, filter_names=list(names), kind=ObjectKind.ANY, scope=ObjectScope.ANY
    )
    return {
        table.casefold(): {column["name"].casefold(): column for column in columns}
        for (_, table), columns in reflected.items()
        if columns
    }


def _kind(error: Exception) -> str:
    return error.code if isinstance(error, BridgeError) else type(error).__name__


def _fills_itself(real: ReflectedColumn, columns: _Columns) -> bool:
    """Whether a new row gets a value there although nobody gives one."""
    if real.get("default") is not None or real.get("identity") is not None or real.get("computed") is not None:
        return True
    if isinstance(real["type"], mssql.TIMESTAMP):
        return True
    # SQLite counts the one INTEGER PRIMARY KEY of a table by itself.
    keys = [column for column in columns.values() if column.get("primary_key")]
    return keys == [real] and type(real["type"]) is types.INTEGER


def _largest(kind: types.TypeEngine[Any]) -> int:
    for family, largest in _LARGEST:
        if isinstance(kind, family):
            return largest
    precision, scale = getattr(kind, "precision", None), getattr(kind, "scale", None)
    return 2**63 - 1 if precision is None else int(10 ** (precision - (scale or 0))) - 1


def _type_name(real: ReflectedColumn) -> str:
    name = type(real["type"]).__name__.lower()
    length = getattr(real["type"], "length", None)
    return f"{name}({length})" if isinstance(length, int) else name
