"""The road that is always there: INSERT with many sets of parameters, a bounded number at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import batched
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, DateTime, Integer, String, event, insert

from shared.bulk.target import BINARIES, Row, Target, TargetColumn
from shared.odbc_driver import load_pyodbc

#: Rows that are prepared, checked and written in one transaction.
ROWS: Final = 10_000
#: pyodbc makes one buffer for all rows of a call, each with room for the longest value of every column.
_BUFFER_BYTES: Final = 8 * 1024 * 1024
_ROWS_A_CALL: Final = 2_000
#: Characters of NVARCHAR that are sent in the row; longer texts are sent one by one.
_SHORT_TEXT: Final = 4000


@contextmanager
def insert_road(target: Target) -> Iterator[Callable[[list[Row]], None]]:
    """Writes chunks of prepared rows, each in a transaction of its own."""

    def write(rows: list[Row]) -> None:
        with target.database.writing() as connection:
            if target.database.server is None:
                connection.exec_driver_sql(_statement(target, connection), rows)
            else:
                _in_one_call(connection, target, rows)

    yield write


def _statement(target: Target, connection: Connection) -> str:
    statement = insert(target.table)
    columns = [planned.column.name for planned in target.columns]
    schemas = connection.get_execution_options().get("schema_translate_map")
    if schemas is None:
        return str(statement.compile(connection, column_keys=columns))
    return str(
        statement.compile(connection, column_keys=columns, schema_translate_map=schemas, render_schema_translate=True)
    )


def _in_one_call(connection: Connection, target: Target, rows: list[Row]) -> None:
    """Without sizes the driver asks the server for each column, and takes the first row's NULL for a short text."""
    statement = _statement(target, connection)
    sizes = [_size(planned, rows, place) for place, planned in enumerate(target.columns)]
    width = sum(_bytes(size) for size in sizes)

    def prepare(_connection: Connection, cursor: Any, *_others: object) -> None:  # noqa: ANN401 - pyodbc's
        cursor.fast_executemany = True
        cursor.setinputsizes(sizes)

    event.listen(connection, "before_cursor_execute", prepare)
    try:
        for part in batched(rows, max(1, min(_ROWS_A_CALL, _BUFFER_BYTES // width)), strict=False):
            connection.exec_driver_sql(statement, list(part))
    finally:
        event.remove(connection, "before_cursor_execute", prepare)


def _size(planned: TargetColumn, rows: list[Row], place: int) -> tuple[int, int, int]:
    """ODBC's type, size and digits of a column's parameter."""
    pyodbc = load_pyodbc()
    match planned.type:
        case String():
            size = planned.size
            if size is None:
                longest = max((len(row[place].encode("utf-16-le")) // 2 for row in rows if row[place]), default=1)
                size = _SHORT_TEXT if longest <= _SHORT_TEXT else 0
            return pyodbc.SQL_WVARCHAR, size, 0
        case _ if isinstance(planned.type, BINARIES):
            return pyodbc.SQL_VARBINARY, planned.size or 0, 0
        case BigInteger():
            return pyodbc.SQL_BIGINT, 19, 0
        case Integer():
            return pyodbc.SQL_INTEGER, 10, 0
        case DateTime():
            return pyodbc.SQL_TYPE_TIMESTAMP, 23, 3
    msg = f"no way to load a column of the type {type(planned.type).__name__}"
    raise NotImplementedError(msg)


def _bytes(size: tuple[int, int, int]) -> int:
    # Two bytes a character, and the length of the value beside it.
    return 2 * size[1] + 16
