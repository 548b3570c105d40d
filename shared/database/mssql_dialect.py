"""SQLAlchemy's dialect for SQL Server by pyodbc, except that NULLs are written into statements and never bound.

For a bound None the driver asks the server which type it has (`sp_describe_undeclared_parameters`): one round trip for
each, and an error where the server cannot deduce the type, which pyodbc ignores. Under XACT_ABORT that error rolls the
transaction back: what was written before would be lost, and what is written afterwards kept.

What a statement returns of a table that is not the bridge's own goes through a table variable: SQL Server refuses
`OUTPUT` without `INTO` on a table with triggers (error 334). Counts and results of the triggers come first, and are
passed over.
"""

import re
from collections.abc import Sequence
from itertools import compress, groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Insert, Update
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mssql.base import MSSQLCompiler
from sqlalchemy.dialects.mssql.pyodbc import MSDialect_pyodbc
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

#: Its name in URLs.
DIALECT: Final = "mssql+bridge"
#: The execution option with ODBC's type, size and digits of each parameter. With it many rows, NULLs included, are sent
#: in one call of the driver, which describes the whole statement once.
INPUT_SIZES: Final = "bridge_input_sizes"
#: The placeholder of a parameter, or what may hold a question mark that is not one: texts, names, comments.
_TOKEN: Final = re.compile(r"\?|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\[(?:[^\]]|\]\])*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)


#: The schema of the bridge's own tables, on which nobody makes triggers.
_OWN_SCHEMA: Final = "bridge"
#: The table variable, and how its columns are called in the last result of the batch.
_OUTPUT: Final = "@bridge_output"
_RESULT: Final = "bridge_output_"


class _Compiler(MSSQLCompiler):
    """`OUTPUT … INTO` a table variable for tables that are not the bridge's own, and a result read from it."""

    def returning_clause(self, stmt: Any, returning_cols: Any, **how: Any) -> str:  # noqa: ANN401 - theirs
        clause = super().returning_clause(stmt, returning_cols, **how)  # type: ignore[no-untyped-call]  # theirs
        return f"{clause} INTO {_OUTPUT}" if _is_theirs(stmt) else clause

    def visit_insert(self, insert_stmt: Insert, *arguments: Any, **how: Any) -> str:  # noqa: ANN401 - theirs
        text = super().visit_insert(insert_stmt, *arguments, **how)  # type: ignore[no-untyped-call]  # theirs
        return self._with_output(insert_stmt, text)

    def visit_update(self, update_stmt: Update, *arguments: Any, **how: Any) -> str:  # noqa: ANN401 - theirs
        return self._with_output(update_stmt, super().visit_update(update_stmt, *arguments, **how))

    def _with_output(self, statement: Any, text: str) -> str:  # noqa: ANN401 - theirs
        columns: Sequence[ColumnElement[Any]] = self.effective_returning or ()
        if not columns or not _is_theirs(statement):
            return text
        names = [f"{_RESULT}{number}" for number in range(len(columns))]
        types = [self.dialect.type_compiler_instance.process(column.type) for column in columns]
        declared = ", ".join(f"{name} {kind}" for name, kind in zip(names, types, strict=True))
        result = f"SELECT {', '.join(names)} FROM {_OUTPUT}"  # noqa: S608 - names of ours
        return f"DECLARE {_OUTPUT} TABLE ({declared}); {text}; {result}"


def _is_theirs(statement: Any) -> bool:  # noqa: ANN401 - theirs
    return getattr(statement.table, "schema", None) != _OWN_SCHEMA


class SqlServerDialect(MSDialect_pyodbc):
    """Binds values other than NULL; rows with NULLs in the same positions are sent together."""

    supports_statement_cache = True
    statement_compiler = _Compiler

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
            if _OUTPUT in text:
                _go_to_output(cursor)


def _go_to_output(cursor: DBAPICursor) -> None:
    """Pass over what triggers count and select, to the result of the table variable."""
    while not (cursor.description and str(cursor.description[0][0]).startswith(_RESULT)):
        if not cursor.nextset():
            return


registry.register("mssql.bridge", __name__, SqlServerDialect.__name__)


def with_nulls(statement: str, bound: Sequence[bool]) -> str:
    """The statement with NULL in place of the parameters that are not bound."""
    if all(bound):
        return statement
    binds = iter(bound)
    return _TOKEN.sub(lambda token: "NULL" if token[0] == "?" and not next(binds) else token[0], statement)


def _bound(row: Sequence[object]) -> tuple[bool, ...]:
    return tuple(value is not None for value in row)
