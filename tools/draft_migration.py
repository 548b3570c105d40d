"""Writes the next migration from what `shared/ledger/tables.py` has more than the migrations before it.

    python -m tools.draft_migration "unmatched responses"

It drafts new tables, new columns and new indexes for both databases; anything else is for whoever adds the migration to
write by hand (docs/migrations.md).
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
    # Otherwise SQLAlchemy would write the TEXT and NTEXT of old servers.
    "mssql": mssql.dialect(deprecate_large_types=True),  # type: ignore[no-untyped-call]  # theirs
    "sqlite": sqlite.dialect(),
}


def main() -> None:
    """Write the files, or say that there is nothing to write."""
    if len(sys.argv) != 2 or not (name := "_".join(re.findall(r"[a-z0-9]+", sys.argv[1].lower()))):  # noqa: PLR2004
        sys.exit(__doc__)
    number = len(migrations.known_migrations("sqlite")) + 1
    for kind, statements in drafted().items():
        if not statements:
            sys.exit("The migrations make everything that tables.py has.")
        path = FOLDER / f"{number:04}_{name}.{kind}.sql"
        path.write_text("\nGO\n\n".join(statements) + "\n", encoding="utf-8", newline="\n")
        print(f"Written: {path}")


def drafted() -> dict[str, list[str]]:
    """The statements of the next migration, by database."""
    with (
        TemporaryDirectory() as folder,
        closing(Database(f"sqlite:///{folder}/migrated.sqlite", "RS_DB")) as database,
    ):
        Schema(database).migrate()
        there = inspect(database.engine)
        return {kind: list(_statements(there, kind)) for kind in DIALECTS}


def _statements(there: Inspector, kind: str) -> Iterator[str]:
    if kind == "mssql" and not there.get_table_names():
        yield "IF SCHEMA_ID('bridge') IS NULL EXEC('CREATE SCHEMA bridge')"
    for table in tables_of(kind).sorted_tables:
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        if not there.has_table(table.name):
            yield ddl(CreateTable(table), kind)
        else:
            columns = {str(column["name"]) for column in there.get_columns(table.name)}
            for column in table.columns:
                if column.name not in columns:
                    yield _addition(table, column, kind)
            made = {str(index["name"]) for index in there.get_indexes(table.name)}
            indexes = [index for index in indexes if index.name not in made]
        yield from (ddl(CreateIndex(index), kind) for index in indexes)


def _addition(table: Table, column: Column[object], kind: str) -> str:
    if column.foreign_keys or column.unique or not (column.nullable or column.server_default):
        sys.exit(
            f"Write {table.name}.{column.name} by hand: what is drafted may be null or has a server_default, "
            "and is neither unique nor a foreign key."
        )
    written = ddl(CreateColumn(column), kind)
    if kind == "mssql":
        # The server would make up a name.
        written = written.replace(" DEFAULT ", f" CONSTRAINT df_{table.name}_{column.name} DEFAULT ", 1)
        return f"ALTER TABLE {table.schema}.{table.name} ADD {written}"
    return f"ALTER TABLE {table.name} ADD COLUMN {written}"


def tables_of(kind: str) -> MetaData:
    """The tables as a database has them: SQLite has no schemas."""
    if kind == "mssql":
        return metadata
    plain = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(
            plain,
            schema=None,  # type: ignore[arg-type]  # theirs say that no schema is none of the values
            referred_schema_fn=lambda *_: BLANK_SCHEMA,  # type: ignore[arg-type]  # likewise
        )
    return plain


def ddl(element: ClauseElement, kind: str) -> str:
    """One statement of a migration, as SQLAlchemy writes it for this database."""
    text = str(element.compile(dialect=DIALECTS[kind])).strip()
    return "\n".join(line.rstrip().replace("\t", "    ") for line in text.splitlines())


if __name__ == "__main__":
    main()
