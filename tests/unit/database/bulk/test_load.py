"""Bulk loads into whichever database the tests run on, read back value by value."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.config.settings import BulkMethod
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import DatabaseValueTooLong
from tests.unit.database.bulk.every_type import NAMES, every_type, metadata, rows

COUNT = 10_050
#: Not `auto`: where bulk copy does not work, this says so.
METHODS = (BulkMethod.BULK_COPY, BulkMethod.INSERT)


@pytest.fixture
def database(rs_database: Database) -> Iterator[Database]:
    """A database with the table of every type."""
    with rs_database.writing() as connection:
        metadata.create_all(connection)
    yield rs_database
    with rs_database.writing() as connection:
        metadata.drop_all(connection)


def held(database: Database, load_id: str) -> int:
    with database.reading() as connection:
        count = select(func.count()).select_from(every_type).where(every_type.c.load_id == load_id)
        return connection.execute(count).scalar_one()


@pytest.mark.parametrize("method", METHODS)
def test_every_value_of_every_type_is_read_back_as_it_was_loaded(database: Database, method: BulkMethod) -> None:
    assert BulkLoad(database, method).load(every_type, NAMES, rows(COUNT), stamp=("load_id", "one")) == COUNT
    columns = [every_type.c[name] for name in NAMES]
    with database.reading() as connection:
        found = connection.execute(select(*columns).where(every_type.c.load_id == "one")).all()
        unfilled = connection.execute(
            select(func.count()).select_from(every_type).where(every_type.c.ordinal.is_(None))
        ).scalar_one()
    line = NAMES.index("line")
    assert {row[line]: tuple(row) for row in found} == {row[line]: row for row in rows(COUNT)}
    assert unfilled == COUNT


def test_loads_side_by_side_do_not_touch_each_other(database: Database) -> None:
    bulk = BulkLoad(database)
    bulk.load(every_type, NAMES, rows(100), stamp=("load_id", "one"))

    def broken() -> Iterator[tuple[object, ...]]:
        yield from rows(COUNT)
        raise EOFError

    with pytest.raises(EOFError):
        bulk.load(every_type, NAMES, broken(), stamp=("load_id", "two"))
    assert (held(database, "one"), held(database, "two")) == (100, 0)


def test_rows_may_be_added_as_they_come_and_carry_another_stamp(database: Database) -> None:
    names = ("load_id", "key", "code")
    bulk = BulkLoad(database)
    with bulk.loading(every_type, names, stamp=("line", 7)) as loading:
        loading.add([("a", bytes(16), "x")])
        loading.add([])
        loading.add([("b", bytes(16), "y"), ("c", bytes(16), "z")])
    assert loading.arrived == 3
    with database.reading() as connection:
        found = connection.execute(select(every_type.c.load_id, every_type.c.line).order_by(every_type.c.load_id)).all()
    assert [tuple(row) for row in found] == [("a", 7), ("b", 7), ("c", 7)]


def test_a_value_too_long_fails_the_load_and_nothing_of_it_stays(database: Database) -> None:
    last = (None, 0, bytes(16), "x" * 21, None, None, None)
    with pytest.raises(DatabaseValueTooLong):
        BulkLoad(database).load(every_type, NAMES, (*rows(COUNT), last), stamp=("load_id", "one"))
    assert held(database, "one") == 0


def test_a_load_holds_few_rows_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.bulk.load._ROWS", dict.fromkeys(BulkMethod, 100))
    given = 0
    ahead = []

    def counted() -> Iterator[tuple[object, ...]]:
        nonlocal given
        for row in rows(1000):
            ahead.append(given - held(database, "one") if given % 100 == 0 else 0)
            given += 1
            yield row

    assert BulkLoad(database).load(every_type, NAMES, counted(), stamp=("load_id", "one")) == 1000
    assert max(ahead) <= 100


def test_a_load_into_sqlite_takes_no_driver_of_sql_server(tmp_path: Path) -> None:
    program = f"""
import sys
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from tests.unit.database.bulk.every_type import NAMES, every_type, metadata, rows
database = Database("sqlite:///{tmp_path / "db.sqlite"}", "RS_DB")
with database.writing() as connection:
    metadata.create_all(connection)
BulkLoad(database).load(every_type, NAMES, rows(10), stamp=("load_id", "one"))
print(*(name for name in ("pyodbc", "mssql_python", "mssql_py_core", "pyarrow") if name in sys.modules))
"""
    root = Path(__file__).parents[4]
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=root)
    assert ran.stdout.split() == []
