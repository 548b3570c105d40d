"""The schema map compared with the real catalogue: one sentence for each difference, with its remedy.

Names are compared without case, as in the default collations of SQL Server. State values cannot be compared.
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
from shared.faststats.schema_map.entries import Column, Entry, Kind, Table
from shared.faststats.schema_map.names import MappedSchema, SchemaMap
from shared.telemetry import log

#: Where SQL Server looks up a table without a schema, after the default schema of the login.
_LAST_SCHEMA: Final = "dbo"
#: Largest integer by type; the first match counts, because some of the types are subclasses of others.
_LARGEST: Final[Sequence[tuple[type[types.TypeEngine[Any]], int]]] = (
    (types.Boolean, 1),
    (mssql.TINYINT, 255),
    (types.SmallInteger, 2**15 - 1),
    (types.BigInteger, 2**63 - 1),
    (types.Integer, 2**31 - 1),
)
#: The largest number that a column for ids and counts must hold.
_COUNT: Final = 2**31 - 1

_Columns = Mapping[str, ReflectedColumn]


class SchemaCheck:
    """Whether one database matches the schema map. A match is checked once, a mismatch at every use.

    Args:
        database: the database.
        schema: its tables, named as in the map.
        longest: maximum number of characters of values from the settings, by `table.column`.
    """

    def __init__(self, database: Database, schema: MappedSchema, longest: Mapping[str, int] | None = None) -> None:
        self._database = database
        self._schema = schema
        self._longest = dict(longest or {})
        self._lock = threading.Lock()
        self._matches = False

    def require(self) -> None:
        """Raise unless it matches.

        Raises:
            SchemaMapMismatch: it does not; the error lists every difference.
            DatabaseUnavailable: the database does not answer.
        """
        if self._matches:
            return
        with self._lock:
            if not self._matches:
                try:
                    differences = self.differences()
                except CatalogueUnreadable as error:
                    # The database may match all the same; if it does not, a statement will fail.
                    log.warning("%s", error, extra={"action": "schema-map", "code": error.code})
                    differences = []
                if differences:
                    raise SchemaMapMismatch(database=self._database.name, differences="; ".join(differences))
                self._matches = True

    def differences(self) -> list[str]:
        """Every difference, as a sentence without its full stop.

        Raises:
            CatalogueUnreadable: the catalogue cannot be read.
            DatabaseUnavailable: the database does not answer.
        """
        with self._database.reading() as connection:
            try:
                catalogue = _catalogue(connection, self._schema)
            except (DatabaseObjectMissing, DatabasePermissionDenied, exc.DBAPIError) as error:
                if isinstance(error, (exc.OperationalError, exc.InterfaceError)):
                    raise
                raise CatalogueUnreadable(database=self._database.name, reason=_kind(error)) from None
        database, names = self._schema.spec, self._schema.names
        differences: list[str] = []
        for table in database.tables:
            if table.key not in self._schema.tables:
                continue
            section = f"{database.key}.{table.key}"
            name = names.name(f"{section}.table")
            columns = catalogue.get(table.key)
            if columns is None:
                differences.append(f"the table {name} does not exist: {_set_name(f'{section}.table', table)}")
            else:
                differences += _Comparison(section, name, names, columns, self._longest).differences(table)
        return differences


class _Comparison:
    """One table: its specification, and its real columns."""

    def __init__(
        self, section: str, name: str, names: SchemaMap, columns: _Columns, longest: Mapping[str, int]
    ) -> None:
        self._section = section
        self._name = name
        self._names = names
        self._columns = columns
        self._longest = longest

    def differences(self, table: Table) -> Iterator[str]:
        written = set()
        for column in table.columns:
            name = self._names.name(f"{self._section}.{column.key}")
            if not name:
                continue
            written.add(name.casefold())
            real = self._columns.get(name.casefold())
            if real is None:
                yield f"{self._name} has no column {name}: {_set_name(f'{self._section}.{column.key}', column)}"
            else:
                yield from self._mismatches(table, column, real)
        if table.inserted:
            for key, real in self._columns.items():
                if key not in written and not real["nullable"] and not _has_default(real, self._columns):
                    yield (
                        f"{self._name}.{real['name']} must not be empty, but the bridge has no value for it: "
                        "add a default"
                    )

    def _mismatches(self, table: Table, column: Column, real: ReflectedColumn) -> Iterator[str]:
        qualified = f"{self._name}.{real['name']}"
        remedy = f"set {self._section}.{column.key} to another column" + (', or to ""' if column.consequence else "")
        number = self._is_number(column)
        kind = Kind.NUMBER if number else Kind.TIME if column.kind is Kind.TIME else Kind.TEXT
        if not isinstance(real["type"], _FAMILIES[kind]) or isinstance(real["type"], _MISFITS):
            if column.kind is Kind.VALUE:
                remedy = f"write {' and '.join(column.values)} as {'words in quotes' if number else 'numbers'}"
            yield f"{qualified} is {_type_name(real)}, but the bridge needs {kind.value}: {remedy}"
            return
        if column.written:
            yield from self._too_narrow(column, real, f"{qualified} is {_type_name(real)}", remedy)
        if not table.inserted:
            return
        if column.generated and not _has_default(real, self._columns):
            yield f"{qualified} is not generated by the database: add a default"
        if column.written and column.nullable and not real["nullable"]:
            yield f"{qualified} must not be empty, but the bridge sometimes leaves it empty: {remedy}"

    def _too_narrow(self, column: Column, real: ReflectedColumn, is_of_type: str, remedy: str) -> Iterator[str]:
        if column.kind is Kind.TIME:
            return
        if self._is_number(column):
            largest, needed = _largest(real["type"]), _COUNT
            if column.values:
                needed = max(abs(int(self._names.value(key))) for key in column.values)
            if largest < needed:
                yield f"{is_of_type}, but the bridge writes numbers up to {needed}: {remedy}"
            return
        length = getattr(real["type"], "length", None)
        needed_length = self._longest.get(f"{self._section.partition('.')[2]}.{column.key}", column.length)
        if column.values:
            needed_length = max(len(str(self._names.value(key))) for key in column.values)
        if length is not None and (needed_length is None or length < needed_length):
            up_to = "of any length" if needed_length is None else f"of up to {needed_length} characters"
            yield f"{is_of_type}, but the bridge writes text {up_to}: {remedy}"

    def _is_number(self, column: Column) -> bool:
        if column.kind is Kind.VALUE:
            return isinstance(self._names.value(column.values[0]), int)
        return column.kind is Kind.NUMBER


def _set_name(key: str, entry: Entry) -> str:
    """The remedy for a name that does not exist."""
    return f"set {key} to its real name" + (', or to ""' if entry.consequence else "")


_FAMILIES: Final[Mapping[Kind, tuple[type[types.TypeEngine[Any]], ...]]] = {
    Kind.NUMBER: (types.Integer, types.Numeric, types.Boolean),
    Kind.TEXT: (types.String,),
    Kind.TIME: (types.DateTime,),
}
#: Members of a family that do not fit: an offset would be invented, and the server sets a row version.
_MISFITS: Final = (mssql.DATETIMEOFFSET, mssql.TIMESTAMP, types.Uuid)


def _catalogue(connection: Connection, schema: MappedSchema) -> dict[str, _Columns]:
    """The columns of each table, by the key of the table and their case-folded names; missing tables are left out."""
    names = {key: str(table.name) for key, table in schema.tables.items()}
    inspector: Inspector = inspect(connection)
    mapped = schema.names.name(f"{schema.spec.key}.schema") or None
    tables = _columns_by_table(inspector, mapped, names.values())
    if mapped is None and connection.dialect.name == "mssql" and inspector.default_schema_name != _LAST_SCHEMA:
        tables = _columns_by_table(inspector, _LAST_SCHEMA, names.values()) | tables
    return {key: tables[name.casefold()] for key, name in names.items() if name.casefold() in tables}


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


def _has_default(real: ReflectedColumn, columns: _Columns) -> bool:
    """Whether the database supplies a value when a new row has none."""
    if real.get("default") is not None or real.get("identity") is not None or real.get("computed") is not None:
        return True
    if isinstance(real["type"], mssql.TIMESTAMP):
        return True
    # SQLite generates the value of an INTEGER PRIMARY KEY.
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
