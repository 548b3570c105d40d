"""BULK INSERT: the server itself reads files from the staging container, by its managed identity.

An administrator makes the external data source that names the container, with a database-scoped credential
(docs/reference/bulk-load.md). The files are what `bcp -c` writes, with separators that no text has: UTF-8, every
column of the table in its order, NULL as nothing, an empty text as the character 0, bytes as hexadecimal digits.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.config.settings import BulkMethod
from shared.database.bulk.target import Row, Target
from shared.errors import BulkLoadClosed
from shared.storage import blob_names
from shared.storage.staging import Staging

#: Rows of one file, which is loaded in one transaction.
ROWS: Final = 50_000
_FIELD, _ROW, _EMPTY = "\x1f", "\x1e", "\0"
_SEPARATORS: Final = re.compile(f"[{_FIELD}{_ROW}{_EMPTY}]")
#: What goes into the statement as text, since BULK INSERT takes no parameters there.
_FILE: Final = re.compile(r"bulk/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.txt")
_DATA_SOURCE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True, slots=True)
class BulkInsertSource:
    """Where the server finds the files.

    Attributes:
        container: where the bridge writes them.
        data_source: name of the external data source whose location is that container.
    """

    container: Staging
    data_source: str


@contextmanager
def bulk_insert_method(target: Target, source: BulkInsertSource) -> Iterator[Callable[[list[Row]], None]]:
    """Writes chunks of prepared rows, each as a file that is removed once it is loaded."""

    def write(rows: list[Row]) -> None:
        file = blob_names.bulk_insert_file()
        statement = bulk_insert_statement(target, file, source.data_source)
        try:
            with source.container.writer(file) as writer:
                writer.write(b"".join(_lines(target, rows)))
                writer.commit({"rows": str(len(rows))}, replace=True)
            with target.database.writing() as connection:
                connection.exec_driver_sql(statement)
        finally:
            source.container.remove(file)

    yield write


def bulk_insert_statement(target: Target, file: str, data_source: str) -> str:
    """The statement that loads one file.

    Raises:
        ValueError: a name is not one that the bridge makes.
    """
    if not _FILE.fullmatch(file) or not _DATA_SOURCE.fullmatch(data_source):
        raise ValueError("a name for BULK INSERT is not one of the bridge's")
    table = target.database.engine.dialect.identifier_preparer.format_table(target.table)
    checks = "CHECK_CONSTRAINTS, " if target.is_constrained else ""
    # MAXERRORS is 10 by default: a load that lost ten rows would count as successful.
    return (
        f"BULK INSERT {table} FROM '{file}' WITH (DATA_SOURCE = '{data_source}', DATAFILETYPE = 'char', "
        f"CODEPAGE = '65001', FIELDTERMINATOR = '0x1f', ROWTERMINATOR = '0x1e', {checks}KEEPNULLS, MAXERRORS = 0)"
    )


def _lines(target: Target, rows: list[Row]) -> Iterator[bytes]:
    loaded = [column.name for column in target.columns]
    positions = [loaded.index(column.name) if column.name in loaded else None for column in target.table.columns]
    for row in rows:
        fields = ["" if position is None else _field(target, row[position]) for position in positions]
        yield (_FIELD.join(fields) + _ROW).encode()


def _field(target: Target, value: object) -> str:
    match value:
        case None:
            return ""
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat(sep=" ", timespec="milliseconds")
        case str():
            if _SEPARATORS.search(value):
                raise BulkLoadClosed(
                    database=target.database.name, method=BulkMethod.BULK_INSERT, reason="a text holds a separator"
                )
            return value or _EMPTY
    return str(value)
