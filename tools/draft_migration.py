"""Drafts the next migration: what `shared/ledger/tables/` has and the existing migrations do not create.

    python -m tools.draft_migration "unmatched responses"

It drafts new tables, columns and indexes for both databases. Other changes must be written by hand
(docs/how-to/migrate.md).
"""

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Column, Dialect, Inspector, MetaData, Table, inspect
from sqlalchemy.dialects import mssql, sqlite
from sqlalchemy.schema import BLANK_SCHEMA, CreateColumn, CreateIndex, CreateTable
from sqlalchemy.sql import ClauseElement

from shared.database.connections import Database
from shared.ledger import migrations
from shared.ledger.schema import Schema
from shared.ledger.tables import metadata

FOLDER = Path(migrations.__file__).parent
DIALECTS: dict[str, Dialect] = {
    # Otherwise SQLAlchemy uses TEXT and NTEXT of old servers.
    "mssql": mssql.dialect(deprecate_large_types=True),  # type: ignore[no-untyped-call]  # SQLAlchemy's
    "sqlite": sqlite.dialect(),
}


def main() -> None:
    """Write the files, or report that there is nothing to write."""
    if len(sys.argv) != 2 or not (name := "_".join(re.findall(r"[a-z0-9]+", sys.argv[1].lower()))):  # noqa: PLR2004
        sys.exit(__doc__)
    number = len(migrations.known_migrations("sqlite")) + 1
    for kind, statements in draft().items():
        if not statements:
            sys.exit("Nothing to do: the migrations create everything in tables/.")
        path = FOLDER / f"{number:04}_{name}.{kind}.sql"
        path.write_text("\nGO\n\n".join(statements) + "\n", encoding="utf-8", newline="\n")
        print(f"Wrote {path}")


def draft() -> dict[str, list[str]]:
    """The statements of the next migration, by database."""
    with (
        TemporaryDirectory() as folder,
        closing(Database(f"sqlite:///{folder}/migrated.sqlite", "RS_DB")) as database,
    ):
        Schema(database).migrate()
        existing = inspect(database.engine)
        return {kind: list(_statements(existing, kind)) for kind in DIALECTS}


def _statements(existing: Inspector, kind: str) -> Iterator[str]:
    if kind == "mssql" and not existing.get_table_names():
        yield "IF SCHEMA_ID('bridge') IS NULL EXEC('CREATE SCHEMA bridge')"
    for table in tables_of(kind).sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        if not existing.has_table(table.name):
            yield ddl(CreateTable(table), kind)
        else:
            columns = {str(column["name"]) for column in existing.get_columns(table.name)}
            for column in table.columns:
                if column.name not in columns:
                    yield _addition(table, column, kind)
            known = {str(index["name"]) for index in existing.get_indexes(table.name)}
            indexes = [index for index in indexes if index.name not in known]
        yield from (ddl(CreateIndex(index), kind) for index in indexes)


def _addition(table: Table, column: Column[object], kind: str) -> str:
    if column.foreign_keys or column.unique or not (column.nullable or column.server_default):
        sys.exit(
            f"Write {table.name}.{column.name} by hand: a drafted column is nullable or has a server_default, "
            "and is neither unique nor a foreign key."
        )
    definition = ddl(CreateColumn(column), kind)
    if kind == "mssql":
        # Otherwise the server makes up a name.
        definition = definition.replace(" DEFAULT ", f" CONSTRAINT df_{table.name}_{column.name} DEFAULT ", 1)
        return f"ALTER TABLE {table.schema}.{table.name} ADD {definition}"
    return f"ALTER TABLE {table.name} ADD COLUMN {definition}"


def tables_of(kind: str) -> MetaData:
    """The tables as they are in a database: SQLite has no schemas."""
    if kind == "mssql":
        return metadata
    plain = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(
            plain,
            schema=None,  # type: ignore[arg-type]  # the type of the parameter excludes None
            referred_schema_fn=lambda *_: BLANK_SCHEMA,  # type: ignore[arg-type]  # likewise
        )
    return plain


def ddl(element: ClauseElement, kind: str) -> str:
    """A statement of a migration, compiled for a database."""
    text = str(element.compile(dialect=DIALECTS[kind])).strip()
    return "\n".join(line.rstrip().replace("\t", "    ") for line in text.splitlines())


if __name__ == "__main__":
    main()
