"""What the catalogue of a database says of a table besides its columns: triggers, foreign keys."""

from typing import Final

from sqlalchemy import Connection, Table, column, func, inspect, select, table

from shared.database import sqlite_objects

_TRIGGERS: Final = table("triggers", column("name"), column("parent_id"), column("is_disabled"), schema="sys")


def triggers(connection: Connection, table: Table) -> list[str]:
    """Names of the enabled triggers of a table."""
    if connection.dialect.name != "mssql":
        return sqlite_objects.triggers(connection, str(table.name))
    # NULL for what is not there, or not shown.
    parent = func.object_id(connection.dialect.identifier_preparer.format_table(table))
    enabled = (_TRIGGERS.c.parent_id == parent, _TRIGGERS.c.is_disabled == 0)
    return list(connection.scalars(select(_TRIGGERS.c.name).where(*enabled).order_by(_TRIGGERS.c.name)))


def foreign_keys(connection: Connection, table: Table) -> list[str]:
    """The foreign keys of a table: their names, or else their columns."""
    return [
        str(key["name"] or f"{', '.join(key['constrained_columns'])} to {key['referred_table']}")
        for key in inspect(connection).get_foreign_keys(str(table.name), schema=table.schema)
    ]
