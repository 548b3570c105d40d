"""The time of the database server as an expression: what processes compare with one another, one clock writes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from shared.database.types import UtcDateTime


class ServerTime(FunctionElement[datetime]):
    """The server's time in UTC, or a time after it, to the millisecond. SQLite has that of its process's machine."""

    inherit_cache = True
    type = UtcDateTime()

    def __init__(self, after: timedelta) -> None:
        super().__init__(literal_column(str(round(after / timedelta(milliseconds=1)))))


@compiles(ServerTime, "mssql")
def _on_sql_server(element: ServerTime, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - theirs
    return f"DATEADD(millisecond, {compiler.process(element.clauses, **options)}, SYSUTCDATETIME())"


@compiles(ServerTime, "sqlite")
def _on_sqlite(element: ServerTime, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - theirs
    # With six digits of a second, as the column has them: SQLite compares texts.
    after = f"({compiler.process(element.clauses, **options)} / 1000.0) || ' seconds'"
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {after})"
