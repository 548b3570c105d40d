"""Bulk copy by mssql-python: the way of TDS to load rows (INSERT BULK), on connections of its own.

Behaviour of mssql-python 1.16 that shaped this module:

- An error of the iterator that yields the rows ends the copy silently. So rows are passed as lists.
- `rows_copied` is the number of rows sent, whatever the server answers. So `BulkLoad` counts the rows in the table.
- While rows are sent, no other thread of the process runs, not even a heartbeat. So a call is short: few rows and a
  time limit. `bulkcopy_arrow` releases the other threads, but needs pyarrow, which is 166 MB.
- Errors of the server carry their number in their text, which can quote a value of a row.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from typing import Any, Final

from shared.config.connection_string import EntraLogin
from shared.config.settings import BulkMethod
from shared.database.bulk.target import Row, Target
from shared.database.mssql_errors import PASSING, map_numbers
from shared.errors import BridgeError, BulkLoadClosed, BulkLoadIncomplete, DatabaseUnavailable

#: Rows of one call.
ROWS: Final = 10_000
#: Time limit of a call. The driver then asks the server to stop and waits as long again: together well below a lease.
_SECONDS: Final = 20
_NUMBER: Final = re.compile(r"(?:Failed to [a-z ]+: )?Sql Error: ([0-9]{1,6}):")


@contextmanager
def bulk_copy_method(target: Target) -> Iterator[Callable[[list[Row]], None]]:
    """Writes chunks of prepared rows, each of them completely or not at all.

    Raises:
        BulkLoadClosed: mssql-python is not installed, or the server does not accept bulk copy.
    """
    with closing(_connection(target)) as connection:
        name = target.database.engine.dialect.identifier_preparer.format_table(target.table)
        columns = [column.name for column in target.columns]

        def write(rows: list[Row]) -> None:
            with _mapped_errors(target):
                copied = connection.cursor().bulkcopy(
                    name,
                    rows,
                    batch_size=len(rows),
                    timeout=_SECONDS,
                    column_mappings=columns,
                    keep_nulls=True,
                    check_constraints=target.is_constrained,
                )["rows_copied"]
            if copied != len(rows):
                raise BulkLoadIncomplete(
                    database=target.database.name,
                    table=target.table.name,
                    method=BulkMethod.BULK_COPY,
                    given=len(rows),
                    arrived=copied,
                )

        yield write


def _connection(target: Target) -> Any:  # noqa: ANN401 - of a package that not every machine has
    server = target.database.server
    if server is None:
        raise ValueError("SQLite has no bulk copy")
    try:
        mssql_python: Any = import_module("mssql_python")
        import_module("mssql_py_core")
    except (ImportError, OSError) as error:
        reason = f"{type(error).__name__} of mssql-python"
        raise BulkLoadClosed(database=target.database.name, method=BulkMethod.BULK_COPY, reason=reason) from None
    # No connection outlives its load, nor its token.
    mssql_python.pooling(enabled=False)
    credential = target.database.tokens.credential(server.login) if isinstance(server.login, EntraLogin) else None
    with _mapped_errors(target):
        connection = mssql_python.connect(
            server.mssql_python_string(), timeout=server.connect_seconds, token_provider=credential
        )
        # Also the limit for the connections that the calls open.
        connection.timeout = server.connect_seconds
    return connection


@contextmanager
def _mapped_errors(target: Target) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # The core is written in Rust, where what should never happen is a panic: it comes as a BaseException.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise _map_error(error, target) from None


def _map_error(error: BaseException, target: Target) -> BridgeError:
    name = target.database.name
    match = _NUMBER.match(str(error))
    if match is None:
        if isinstance(error, RuntimeError) or type(error).__name__ == "OperationalError":
            return DatabaseUnavailable(database=name, reason=f"bulk copy: {type(error).__name__}")
        return BulkLoadClosed(database=name, method=BulkMethod.BULK_COPY, reason=type(error).__name__)
    number = int(match[1])
    if number in PASSING:
        return DatabaseUnavailable(database=name, reason=f"bulk copy: error {number}", number=number)
    return map_numbers([number], database=name) or BulkLoadClosed(
        database=name, method=BulkMethod.BULK_COPY, reason=f"error {number}"
    )
