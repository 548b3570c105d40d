"""The time of the server, as each database is asked for it."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import sqlite

from shared.database.mssql_dialect import SqlServerDialect
from shared.database.server_time import ServerTime


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (SqlServerDialect(), "DATEADD(millisecond, 90500, SYSUTCDATETIME())"),  # type: ignore[no-untyped-call]
        (sqlite.dialect(), "strftime('%Y-%m-%d %H:%M:%f000', 'now', (90500 / 1000.0) || ' seconds')"),
    ],
    ids=["SQL Server", "SQLite"],
)
def test_the_server_itself_is_asked_for_its_time(dialect: object, expected: str) -> None:
    query = select(ServerTime(timedelta(seconds=90.5)))
    assert expected in str(query.compile(dialect=dialect))  # type: ignore[arg-type]
