"""Rules of tables in SQLite: what its catalogue says of them, and what its errors say."""

import re
import sqlite3
from collections.abc import Collection
from typing import Final

from sqlalchemy import Connection
from sqlalchemy import text as sql

from shared.database.mssql_errors import BrokenRule

_TRIGGERS: Final = sql(
    "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name COLLATE NOCASE ORDER BY name"
)
_INDEXES: Final = sql('SELECT name FROM pragma_index_list(:name) WHERE "unique" = 1')
_COLUMNS: Final = sql("SELECT name FROM pragma_index_info(:name)")
_GENERATED: Final = sql("SELECT name FROM pragma_table_xinfo(:name) WHERE hidden IN (2, 3)")
#: What an error is about, by its name, and where its text has the name of the rule.
_RULES: Final = {
    "SQLITE_CONSTRAINT_CHECK": ("CHECK constraint", re.compile(r"constraint failed: (.+)", re.DOTALL)),
    "SQLITE_CONSTRAINT_NOTNULL": ("NOT NULL column", re.compile(r"constraint failed: (\S+)\Z")),
    "SQLITE_CONSTRAINT_UNIQUE": ("unique index on", re.compile(r"constraint failed: (.+)\Z")),
    "SQLITE_CONSTRAINT_PRIMARYKEY": ("primary key on", re.compile(r"constraint failed: (.+)\Z")),
    "SQLITE_CONSTRAINT_DATATYPE": ("type of the column", re.compile(r" column (\S+)\Z")),
}
#: What is looked up by its table: the text of a trigger is its own, and can say anything.
_UNNAMED: Final = {"SQLITE_CONSTRAINT_TRIGGER": "trigger", "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign key"}
#: A value that an expression, a trigger or a type does not take.
_FAILED: Final = frozenset({"SQLITE_ERROR", "SQLITE_MISMATCH", "SQLITE_TOOBIG"})


def triggers(connection: Connection, table: str) -> list[str]:
    """Names of the triggers of a table."""
    return list(connection.scalars(_TRIGGERS, {"name": table}))


def unique_index(connection: Connection, table: str, columns: Collection[str]) -> str | None:
    """Name of the unique index of a table over these columns."""
    for name in connection.scalars(_INDEXES, {"name": table}).all():
        if set(connection.scalars(_COLUMNS, {"name": name})) == set(columns):
            return str(name)
    return None


def generated_columns(connection: Connection, table: str) -> list[str]:
    """Names of the columns of a table that are computed."""
    return list(connection.scalars(_GENERATED, {"name": table}))


def broken_rule(error: sqlite3.Error) -> BrokenRule | None:
    """The rule of a table that an error says was broken, if it says so. Of its text only a name is kept."""
    code, text = str(getattr(error, "sqlite_errorname", "")), str(error)
    # Of a table that a statement names itself no schema is said; of one that a trigger names, it is.
    is_missing = code == "SQLITE_ERROR" and text.startswith("no such table: ")
    is_missing = is_missing and not text.startswith("no such table: main.")
    if not (code in _FAILED or code.startswith("SQLITE_CONSTRAINT")) or is_missing:
        return None
    if code in _UNNAMED:
        return BrokenRule(_UNNAMED[code])
    kind, pattern = _RULES.get(code, ("constraint", re.compile(r"\Z\A")))
    match = pattern.search(text)
    if match is None:
        return BrokenRule("expression, trigger or type" if code in _FAILED else kind)
    name = " ".join(match[1].split())
    columns = tuple(column.rpartition(".")[2] for column in name.split(", "))
    return BrokenRule(
        f"{kind} {name}",
        column=columns[0] if code == "SQLITE_CONSTRAINT_NOTNULL" else "",
        unique=columns if code == "SQLITE_CONSTRAINT_UNIQUE" else (),
    )
