"""The method that works everywhere: INSERT with many sets of parameters, a bounded number at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import batched
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, DateTime, Integer, String, insert

from shared.database.bulk.target import BINARIES, Row, Target, TargetColumn
from shared.database.connections import retry_transaction
from shared.database.mssql_dialect import INPUT_SIZES
from shared.database.odbc_driver import load_pyodbc

#: Rows that are prepared and checked together.
ROWS: Final = 10_000
#: pyodbc makes one buffer for all rows of a call, sized for the longest value of every column.
_BUFFER_BYTES: Final = 8 * 1024 * 1024
_MAX_ROWS_PER_CALL: Final = 2_000
#: Characters of NVARCHAR that are sent within the row; longer texts are sent one by one.
_SHORT_TEXT: Final = 4000


@contextmanager
def insert_method(target: Target) -> Iterator[Callable[[list[Row]], None]]:
    """Writes chunks of prepared rows, each call of the driver in a transaction of its own.

    Only one call to a transaction: before each call the driver asks the server about the parameters, and an error in
    that silently rolls back what was written before.
    """

    def write(rows: list[Row]) -> None:
        sizes = None if target.database.server is None else [_size(*column) for column in _columns(target, rows)]
        for chunk in batched(rows, _rows_per_call(sizes), strict=False):
            _insert(target, list(chunk), sizes)

    yield write


@retry_transaction
def _insert(target: Target, rows: list[Row], sizes: list[tuple[int, int, int]] | None) -> None:
    with target.database.writing() as connection:
        connection.execution_options(**{INPUT_SIZES: sizes}).exec_driver_sql(_statement(target, connection), rows)


def _statement(target: Target, connection: Connection) -> str:
    statement = insert(target.table)
    columns = [column.name for column in target.columns]
    schemas = connection.get_execution_options().get("schema_translate_map")
    if schemas is None:
        return str(statement.compile(connection, column_keys=columns))
    return str(
        statement.compile(connection, column_keys=columns, schema_translate_map=schemas, render_schema_translate=True)
    )


def _rows_per_call(sizes: list[tuple[int, int, int]] | None) -> int:
    if sizes is None:
        return ROWS
    # Two bytes a character, and the length of the value beside it.
    width = sum(2 * size + 16 for _, size, _ in sizes)
    return max(1, min(_MAX_ROWS_PER_CALL, _BUFFER_BYTES // width))


def _columns(target: Target, rows: list[Row]) -> Iterator[tuple[TargetColumn, list[Any]]]:
    for position, column in enumerate(target.columns):
        yield column, [row[position] for row in rows] if column.size is None else []


def _size(column: TargetColumn, values: list[Any]) -> tuple[int, int, int]:
    """ODBC's type, size and digits of a column's parameter; `values` are needed for a text without a maximum length."""
    pyodbc = load_pyodbc()
    match column.type:
        case String():
            size = column.size
            if size is None:
                longest = max((len(value.encode("utf-16-le")) // 2 for value in values if value), default=1)
                size = _SHORT_TEXT if longest <= _SHORT_TEXT else 0
            return pyodbc.SQL_WVARCHAR, size, 0
        case _ if isinstance(column.type, BINARIES):
            return pyodbc.SQL_VARBINARY, column.size or 0, 0
        case BigInteger():
            return pyodbc.SQL_BIGINT, 19, 0
        case Integer():
            return pyodbc.SQL_INTEGER, 10, 0
        case DateTime():
            return pyodbc.SQL_TYPE_TIMESTAMP, 23, 3
    raise NotImplementedError(f"cannot load a column of the type {type(column.type).__name__}")
