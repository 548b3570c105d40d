"""Connections: transactions, times, and errors without values."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import shared.database.connections
from shared.database.connections import Database
from shared.database.types import LocalDateTime, UtcDateTime
from shared.errors import DatabaseUnavailable
from tests.databases import Databases

ROOT = Path(__file__).parents[3]
BERLIN = ZoneInfo("Europe/Berlin")
DIALECT = sqlite_dialect.dialect()

metadata = MetaData(schema="bridge")
counter = Table(
    "counter", metadata, Column("id", Integer, primary_key=True, autoincrement=False), Column("value", Integer)
)
person = Table(
    "person",
    metadata,
    Column("email", String(100), primary_key=True),
    Column("counter_id", ForeignKey(counter.c.id)),
    Column("utc", UtcDateTime),
    Column("local", LocalDateTime("Europe/Berlin")),
)

OpenDatabase = Callable[[], Database]


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """RS_DB; of tests about SQLite a new file."""
    if request.node.get_closest_marker("sqlite"):
        return f"sqlite:///{tmp_path / 'db.sqlite'}"
    databases: Databases = request.getfixturevalue("databases")
    return databases.rs


@pytest.fixture
def open_database(url: str, opened: Callable[[str, str], Database]) -> OpenDatabase:
    return lambda: opened(url, "RS_DB")


@pytest.fixture
def database(open_database: OpenDatabase) -> Iterator[Database]:
    database = open_database()
    with database.writing() as connection:
        metadata.create_all(connection)
        connection.execute(insert(counter).values(id=1, value=0))
    yield database
    with database.writing() as connection:
        metadata.drop_all(connection)


def value(database: Database) -> int:
    with database.reading() as connection:
        return int(connection.execute(select(counter.c.value)).scalar_one())


def test_what_is_written_is_there_afterwards(database: Database, open_database: OpenDatabase) -> None:
    with database.writing() as connection:
        connection.execute(update(counter).values(value=7))
    assert value(open_database()) == 7


def test_an_exception_leaves_nothing_of_its_transaction(database: Database) -> None:
    def write_then_fail() -> None:
        with database.writing() as connection:
            connection.execute(update(counter).values(value=7))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_then_fail()
    assert value(database) == 0


def test_reading_writes_nothing_by_chance(database: Database) -> None:
    with database.reading() as connection:
        assert connection.get_execution_options().get("writes") is None


@pytest.mark.sqlite
def test_the_schema_of_the_bridge_stands_beside_the_other_tables_in_sqlite(database: Database) -> None:
    assert set(inspect(database.engine).get_table_names()) == {"counter", "person"}


@pytest.mark.sqlite
def test_a_reader_is_not_held_up_by_a_writer_and_sees_nothing_unfinished(
    database: Database, open_database: OpenDatabase
) -> None:
    with database.writing() as connection:
        connection.execute(update(counter).values(value=7))
        assert value(open_database()) == 0
    assert value(database) == 7


@pytest.mark.sqlite
def test_a_reader_sees_one_state_to_its_end(database: Database, open_database: OpenDatabase) -> None:
    with open_database().reading() as connection:
        assert connection.execute(select(counter.c.value)).scalar_one() == 0
        with database.writing() as other:
            other.execute(update(counter).values(value=7))
        assert connection.execute(select(counter.c.value)).scalar_one() == 0


@pytest.mark.sqlite
def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(
    database: Database, open_database: OpenDatabase
) -> None:
    def count_up(one: Database) -> None:
        for _ in range(25):
            with one.writing() as connection:
                before = connection.execute(select(counter.c.value)).scalar_one()
                connection.execute(update(counter).values(value=before + 1))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count_up, [open_database() for _ in range(4)] + [database] * 4))
    assert value(database) == 200


@pytest.mark.sqlite
def test_a_first_connection_waits_for_one_that_is_just_setting_the_file_up(
    url: str, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(url.removeprefix("sqlite:///"))
    other.execute("CREATE TABLE first (id INTEGER)")
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(time, "sleep", lambda _seconds: other.rollback())
    with open_database().reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    assert not other.in_transaction, "it did not have to wait"
    other.close()


@pytest.mark.sqlite
def test_the_first_connections_to_a_new_file_do_not_collide(open_database: OpenDatabase) -> None:
    start = threading.Barrier(8)

    def first(database: Database) -> None:
        start.wait()
        with database.writing() as connection:
            metadata.create_all(connection)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(first, [open_database() for _ in range(8)]))
    with open_database().reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


_FIRST_CONNECTION = """
import sys
from shared.database.connections import Database
from shared.ledger.schema import Schema
database = Database(sys.argv[1], "RS_DB")
print("ready", flush=True)
sys.stdin.readline()
Schema(database).migrate()
database.close()
"""


@pytest.mark.sqlite
def test_the_first_connections_of_several_processes_do_not_collide(url: str, open_database: OpenDatabase) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _FIRST_CONNECTION, url],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, "")] * 4
    assert "broadcast" in inspect(open_database().engine).get_table_names()


@pytest.mark.sqlite
def test_a_lock_that_lasts_too_long_is_a_passing_error_and_nothing_is_written(
    url: str, database: Database, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared.database.connections, "_BUSY_SECONDS", 0)
    impatient = open_database()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable) as caught, impatient.writing() as connection:
            connection.execute(update(counter).values(value=7))
        other.rollback()
    other.close()
    assert (caught.value.database, caught.value.reason) == ("RS_DB", "OperationalError")
    assert value(database) == 0


def test_a_database_that_is_not_there_is_a_passing_error_that_shows_no_path(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/nowhere/db.sqlite", "WS_DB")
    with pytest.raises(DatabaseUnavailable) as caught, database.reading():
        pass
    assert "WS_DB" in str(caught.value)
    assert "nowhere" not in str(caught.value)
    assert caught.value.__suppress_context__
    database.close()


@pytest.mark.sqlite
def test_a_pool_without_a_free_connection_is_a_passing_error(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted() -> Any:
        raise PoolTimeoutError

    monkeypatch.setattr(database.engine, "connect", exhausted)
    with pytest.raises(DatabaseUnavailable), database.writing():
        pass


@pytest.mark.sqlite
def test_a_failing_commit_is_a_passing_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_connection: Any) -> None:
        statement = "COMMIT"
        raise OperationalError(statement, None, sqlite3.OperationalError("disk I/O error"))

    monkeypatch.setattr(database.engine.dialect, "do_commit", fail)
    with pytest.raises(DatabaseUnavailable), database.writing() as connection:
        connection.execute(update(counter).values(value=7))
    monkeypatch.undo()
    assert value(database) == 0


def test_errors_show_no_values_of_a_row(database: Database) -> None:
    row = {"email": "ann@example.com", "counter_id": 1}
    with database.writing() as connection:
        connection.execute(insert(person).values(**row))
    with pytest.raises(IntegrityError) as caught, database.writing() as connection:
        connection.execute(insert(person).values(**row))
    assert "ann@example.com" not in str(caught.value)


def test_a_reference_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError), database.writing() as connection:
        connection.execute(insert(person).values(email="ann@example.com", counter_id=99))


def test_a_closed_database_opens_again_when_it_is_used(database: Database) -> None:
    database.close()
    assert value(database) == 0


# Times


def written_and_read(database: Database, moment: datetime) -> tuple[datetime, datetime]:
    with database.writing() as connection:
        connection.execute(person.delete())
        connection.execute(insert(person).values(email="x", utc=moment, local=moment))
    with database.reading() as connection:
        utc, local = connection.execute(select(person.c.utc, person.c.local)).one()
    assert utc.tzinfo is UTC
    assert local.tzinfo is UTC
    return utc, local


@pytest.mark.parametrize("zone", [UTC, BERLIN, timezone(timedelta(hours=-9, minutes=-30))], ids=str)
def test_a_time_comes_back_as_the_same_moment_in_utc(database: Database, zone: Any) -> None:
    moment = datetime(2026, 7, 1, 23, 59, 59, 123456, tzinfo=zone)
    on_sql_server = database.engine.dialect.name == "mssql"
    kept = moment.replace(microsecond=123000) if on_sql_server else moment
    assert written_and_read(database, moment) == (kept, kept)


def test_a_local_time_is_kept_as_the_server_of_the_database_would_write_it(database: Database) -> None:
    written_and_read(database, datetime(2026, 7, 1, 10, tzinfo=UTC))
    with database.reading() as connection:
        utc, local = connection.execute(
            select(type_coerce(person.c.utc, DateTime()), type_coerce(person.c.local, DateTime()))
        ).one()
    assert (utc, local) == (datetime(2026, 7, 1, 10), datetime(2026, 7, 1, 12))  # noqa: DTZ001 - as they are kept


def test_a_missing_time_stays_missing(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(person).values(email="x"))
    with database.reading() as connection:
        assert connection.execute(select(person.c.utc, person.c.local)).one() == (None, None)


@pytest.mark.parametrize("column", ["utc", "local"])
def test_a_time_without_zone_is_refused(database: Database, column: str) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - the point of the test
    with pytest.raises(StatementError, match="without zone"), database.writing() as connection:
        connection.execute(insert(person).values({"email": "x", column: naive}))


def local_from_database(wall: datetime) -> datetime | None:
    return LocalDateTime("Europe/Berlin").process_result_value(wall, DIALECT)


def test_a_local_time_that_exists_twice_is_taken_as_the_first() -> None:
    wall = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - as the driver gives it
    assert local_from_database(wall) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_local_time_that_does_not_exist_is_taken_as_if_the_clock_had_not_changed() -> None:
    wall = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 - as the driver gives it
    assert local_from_database(wall) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@given(moment=st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_moment_survives_utc_and_all_but_a_repeated_hour_survive_local_time(moment: datetime) -> None:
    utc = UtcDateTime()
    assert utc.process_result_value(utc.process_bind_param(moment, DIALECT), DIALECT) == moment
    local = LocalDateTime("Europe/Berlin")
    again = local.process_result_value(local.process_bind_param(moment, DIALECT), DIALECT)
    repeated = moment.astimezone(BERLIN).fold == 1
    assert again == (moment - timedelta(hours=1) if repeated else moment)
