"""What SQL Server's catalogue would say of the tables of an SQLite file, to SQLAlchemy's reflection."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

#: Columns of what the reflection asks for, in their order.
_COLUMNS: Final = (
    *("table_name", "owner", "column_name", "type_name", "base_type", "is_nullable", "max_length", "precision"),
    *("scale", "default_value", "collation_name", "computed_definition", "is_persisted", "is_identity"),
    *("seed_value", "increment_value", "comment", "column_id"),
)
_TYPES: Final = {"VARCHAR": "nvarchar", "DATETIME": "datetime2"}
#: Numbers that the database gives by itself.
_IDENTITIES: Final = frozenset({"Id", "JobID"})

#: What the doctor asks of a server.
_FACTS: Final[dict[str, list[tuple[Any, ...]]]] = {
    "FROM sys.databases": [(False, 160, "Latin1_General_BIN2", "LOG_BACKUP")],
    "FROM sys.dm_db_log_space_usage": [(512 * 1024 * 1024, 128 * 1024 * 1024)],
    "FROM sys.all_objects": [("V ",)],
    "FROM sys.computed_columns": [("Note",)],
    "FROM [INFORMATION_SCHEMA].[COLUMNS]": [(None,), ("Latin1_General_CI_AS",)],
}


def reflect(
    sqlite: sqlite3.Connection, statement: str, parameters: Sequence[Any]
) -> tuple[Sequence[str], list[tuple[Any, ...]]] | None:
    """Names of columns and rows; None for a statement that asks something else."""
    for part, rows in _FACTS.items():
        if part in statement:
            return [f"fact {number}" for number in range(len(rows[0]) if rows else 1)], list(rows)
    if "FROM sys.triggers" in statement and "is_instead_of_trigger" in statement:
        return ("name", "is_instead_of_trigger"), [("trg_theirs", False)]
    if "FROM sys.triggers" in statement:
        table = str(parameters[0]).strip("[]")
        found = sqlite.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,))
        return ("name",), found.fetchall()
    if "FROM sys.objects" not in statement and "FROM sys.columns" not in statement:
        return None
    named = {value for value in parameters if isinstance(value, str)}
    there = [name for (name,) in sqlite.execute("SELECT name FROM sqlite_master") if name in named]
    if "FROM sys.objects" in statement:
        return ("name",), [(name,) for name in there]
    return _COLUMNS, [row for table in there for row in _rows(sqlite, table)]


def _rows(sqlite: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    asked = 'SELECT cid, name, type, "notnull" FROM pragma_table_info(?)'
    return [_row(table, *column) for column in sqlite.execute(asked, (table,))]


def _row(table: str, number: int, name: str, declared: str, needed: int) -> tuple[Any, ...]:
    kind, _, length = declared.rstrip(")").partition("(")
    result = {
        "table_name": table,
        "owner": "dbo",
        "column_name": name,
        "type_name": _TYPES.get(kind, "bigint"),
        "is_nullable": not needed,
        "max_length": int(length) * 2 if length else -1,
        "is_identity": True if kind == "INTEGER" and name in _IDENTITIES else None,
        "column_id": number,
    }
    return tuple(result.get(one) for one in _COLUMNS)
