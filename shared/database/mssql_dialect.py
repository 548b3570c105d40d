"""SQLAlchemy's dialect for SQL Server by pyodbc, except that NULLs are written into statements and never bound.

For a bound None the driver asks the server which type it has (`sp_describe_undeclared_parameters`): one round trip for
each, and an error where the server cannot deduce the type, which pyodbc ignores. Under XACT_ABORT that error rolls the
transaction back: what was written before would be lost, and what is written afterwards kept.
"""

import re
from collections.abc import Sequence
from itertools import compress, groupby
from typing import Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

#: Its name in URLs.
DIALECT: Final = "mssql+bridge"
#: The execution option with ODBC's type, size and digits of each parameter. With it many rows, NULLs included, are sent
#: in one call of the driver, which describes the whole statement once.
INPUT_SIZES: Final = "bridge_input_sizes"
#: The placeholder of a parameter, or what may hold a question mark that is not one: texts, names, comments.
_TOKEN: Final = re.compile(r"\?|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[(?:[^\]]|\]\])*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)


class SqlServerDialect(MSDialect_pyodbc):
    """Binds values other than NULL; rows with NULLs in the same positions are sent together."""

    supports_statement_cache = True

    def do_set_input_sizes(
        self, cursor: DBAPICursor, list_of_tuples: Sequence[tuple[str, Any, Any]], context: ExecutionContext
    ) -> None:
        """Keep the types of the parameters until it is known which of them are bound."""
        del cursor
        context.input_types = [  # type: ignore[attr-defined] # ours
            kind if isinstance(kind, tuple) else (kind, None, None) for _, kind, _ in list_of_tuples
        ]

    def do_execute(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[object],  # type: ignore[override] # the driver takes no others
        context: ExecutionContext | None = None,
    ) -> None:
        """Execute a statement once."""
        self._execute(cursor, statement, [parameters], context)

    def do_executemany(
        self,
        cursor: DBAPICursor,
        statement: str,
        parameters: Sequence[Sequence[object]],  # type: ignore[override] # the driver takes no others
        context: ExecutionContext | None = None,
    ) -> None:
        """Execute a statement for many rows."""
        sizes = None if context is None else context.execution_options.get(INPUT_SIZES)
        if sizes is not None:
            cursor.fast_executemany = True  # type: ignore[attr-defined] # pyodbc's
            cursor.setinputsizes(sizes)
            cursor.executemany(statement, parameters)
            return
        for _, run in groupby(parameters, key=_bound):
            self._execute(cursor, statement, list(run), context)

    def _execute(
        self,
        cursor: DBAPICursor,
        statement: str,
        rows: Sequence[Sequence[object]],
        context: ExecutionContext | None,
    ) -> None:
        """Execute a statement for rows that have None in the same positions."""
        bound = _bound(rows[0])
        types = getattr(context, "input_types", None)
        if types is not None and len(types) == len(bound):
            cursor.setinputsizes(list(compress(types, bound)))
        text = with_nulls(statement, bound)
        values = [list(compress(row, bound)) for row in rows]
        if len(values) > 1 and values[0]:
            cursor.executemany(text, values)
            return
        for row in values:
            cursor.execute(text, row)


registry.register("mssql.bridge", __name__, SqlServerDialect.__name__)


def with_nulls(statement: str, bound: Sequence[bool]) -> str:
    """The statement with NULL in place of the parameters that are not bound."""
    if all(bound):
        return statement
    binds = iter(bound)
    return _TOKEN.sub(lambda token: "NULL" if token[0] == "?" and not next(binds) else token[0], statement)


def _bound(row: Sequence[object]) -> tuple[bool, ...]:
    return tuple(value is not None for value in row)
