"""Loads over the real drivers to a server that parses what arrives, and plays the faults of bad days."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from sqlalchemy import CheckConstraint, MetaData

from shared.config.settings import BulkMethod
from shared.database.bulk.bulk_insert import bulk_insert_statement
from shared.database.bulk.load import BulkLoad
from shared.database.bulk.target import Target
from shared.database.connections import Database
from shared.database.entra_token import EntraTokens
from shared.errors import (
    BridgeError,
    BulkLoadClosed,
    BulkLoadIncomplete,
    DatabaseTextNotAscii,
    DatabaseUnavailable,
    DatabaseValueTooLong,
)
from tests.unit.database.bulk.every_type import NAMES, every_type, rows
from tests.unit.database.bulk.table_server import Plan, TableServer

METHODS = (BulkMethod.AUTO, BulkMethod.BULK_COPY, BulkMethod.INSERT)
LOAD = "6b3f6e0a-1111-4222-8333-944445555666"


def load(database: Database, method: BulkMethod = BulkMethod.AUTO, count: int = 20) -> int:
    return BulkLoad(database, method).load(every_type, NAMES, rows(count), stamp=("load_id", LOAD))


def as_loaded(count: int) -> list[dict[str, object]]:
    return [{"load_id": LOAD, **dict(zip(NAMES, row, strict=True))} for row in rows(count)]


def lowered(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let every method take its rows in chunks of this size."""
    monkeypatch.setattr("shared.database.bulk.load._ROWS", dict.fromkeys(BulkMethod, size))


@pytest.fixture(autouse=True)
def no_load_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows take the method of many."""
    monkeypatch.setattr("shared.database.bulk.load._MIN_BULK_COPY", 1)


# What arrives


@pytest.mark.parametrize("method", [BulkMethod.BULK_COPY, BulkMethod.INSERT])
def test_every_value_arrives_as_it_was(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch, method: BulkMethod
) -> None:
    lowered(monkeypatch, 400)
    assert load(on_server, method, 1010) == 1010
    assert server.table.rows == as_loaded(1010)


def test_bulk_copy_takes_bounded_chunks_and_keeps_nulls(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered(monkeypatch, 100)
    load(on_server, BulkMethod.BULK_COPY, 201)
    assert server.table.messages == [100, 100, 1]
    begun = [statement for statement in server.table.statements if statement.startswith("INSERT BULK")]
    assert len(begun) == 3
    assert all("[bridge].[every_type]" in statement and "WITH (KEEP_NULLS)" in statement for statement in begun)


def test_conditions_of_a_table_are_checked_for_passing_over_them_needs_a_right_to_alter_it(
    on_server: Database, server: TableServer
) -> None:
    constrained = every_type.to_metadata(MetaData())
    constrained.append_constraint(CheckConstraint("number > 0"))
    BulkLoad(on_server, BulkMethod.BULK_COPY).load(constrained, NAMES, rows(2), stamp=("load_id", LOAD))
    assert any("WITH (KEEP_NULLS, CHECK_CONSTRAINTS)" in statement for statement in server.table.statements)
    statement = bulk_insert_statement(
        Target(on_server, constrained, NAMES, ("load_id", LOAD)), f"bulk/{LOAD}.txt", "source"
    )
    assert "CHECK_CONSTRAINTS, KEEPNULLS" in statement


def test_few_rows_are_not_worth_the_logins_of_a_bulk_copy(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.bulk.load._MIN_BULK_COPY", 10)
    assert load(on_server, count=9) == 9
    assert server.table.messages == []
    BulkLoad(on_server).load(every_type, NAMES, rows(10), stamp=("load_id", "ten"))
    assert server.table.messages == [10]


def test_a_load_without_rows_asks_nothing(on_server: Database, server: TableServer) -> None:
    assert load(on_server, BulkMethod.BULK_COPY, 0) == 0
    assert server.table.statements == []


@pytest.mark.parametrize("method", METHODS)
def test_texts_beyond_ascii_are_refused_where_the_server_would_make_question_marks_of_them(
    on_server: Database, server: TableServer, method: BulkMethod
) -> None:
    with pytest.raises(DatabaseTextNotAscii, match=r"every_type\.code"):
        BulkLoad(on_server, method).load(
            every_type, ("line", "key", "code"), [(1, bytes(16), "Zoë")], stamp=("load_id", LOAD)
        )
    assert server.table.rows == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("column", "value"), [("code", "x" * 21), ("name", "x" * 51), ("name", "😀" * 25 + "x"), ("key", b"x" * 17)]
)
def test_a_value_that_is_too_long_is_refused_and_not_cut(
    on_server: Database, server: TableServer, method: BulkMethod, column: str, value: object
) -> None:
    values = {"line": 1, "key": bytes(16), "code": "a", "name": "", column: value}
    with pytest.raises(DatabaseValueTooLong, match=rf"every_type\.{column}"):
        BulkLoad(on_server, method).load(every_type, tuple(values), [tuple(values.values())], stamp=("load_id", LOAD))
    assert server.table.rows == []


def test_a_time_without_zone_is_refused(on_server: Database) -> None:
    naive = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValueError, match="without zone"):
        BulkLoad(on_server).load(every_type, ("line", "at"), [(1, naive)], stamp=("load_id", LOAD))


@pytest.mark.parametrize("names", [("line", "nothing"), ("line", "load_id"), ("line", "line")])
def test_columns_that_the_table_has_not_are_refused(on_server: Database, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="does not have these columns"):
        BulkLoad(on_server).load(every_type, names, [(1, "a")], stamp=("load_id", LOAD))


@pytest.mark.parametrize("row", [(1,), (1, "a", "b")])
def test_rows_of_another_length_are_refused(on_server: Database, row: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"number of values|argument"):
        BulkLoad(on_server).load(every_type, ("line", "code"), [(1, "a"), row], stamp=("load_id", LOAD))


# Logging in


def test_bulk_copy_logs_in_as_the_other_connections_do(on_server: Database, server: TableServer) -> None:
    load(on_server, BulkMethod.BULK_COPY)
    logins = server.table.logins
    assert len(logins) > 2
    assert {(one.user, one.password, one.database, one.encrypted) for one in logins} == {
        ("bridge", "secret", "RS_Test", True)
    }


def test_bulk_copy_takes_the_same_entra_tokens(
    server: TableServer, open_database: Callable[[str], Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Credential:
        def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
            return AccessToken("a-token", 4_000_000_000)

    monkeypatch.setattr(EntraTokens, "credential", lambda *_: Credential())
    database = open_database(server.connection("Authentication=Active Directory Managed Identity"))
    assert load(database, BulkMethod.BULK_COPY) == 20
    assert {one.token for one in server.table.logins} == {"a-token"}
    assert {one.user for one in server.table.logins} == {""}


# Methods that cannot be used


@pytest.mark.parametrize("fault", [{"INSERT BULK": 102}, {"SET FMTONLY ON": 2812}, {"SET FMTONLY ON": 0}])
def test_auto_goes_on_by_insert_where_the_server_knows_no_bulk_copy(
    on_server: Database, server: TableServer, fault: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    server.follow(Plan(errors=fault))
    bulk = BulkLoad(on_server)
    for load_id in ("first", "second"):
        assert bulk.load(every_type, NAMES, rows(30), stamp=("load_id", load_id)) == 30
    assert len(server.table.rows) == 60
    assert [row["line"] for row in server.table.rows[:30]] == [row["line"] for row in as_loaded(30)]
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "INSERT" in said[0].getMessage()


@pytest.mark.parametrize("package", ["mssql_python", "mssql_py_core"])
def test_auto_goes_on_by_insert_where_mssql_python_cannot_be_loaded(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert load(on_server, count=30) == 30
    assert server.table.messages == []
    with pytest.raises(BulkLoadClosed, match="ModuleNotFoundError of mssql-python"):
        load(on_server, BulkMethod.BULK_COPY)


def test_auto_loads_anew_by_insert_when_the_connection_breaks_under_the_first_rows(
    on_server: Database, server: TableServer
) -> None:
    server.follow(Plan(takes=0))
    assert load(on_server, count=30) == 30
    assert server.table.rows == as_loaded(30)


def test_bulk_copy_alone_says_why_it_is_closed(on_server: Database, server: TableServer) -> None:
    server.follow(Plan(errors={"INSERT BULK": 102}))
    with pytest.raises(BulkLoadClosed, match=r"by bulk copy \(error 102\)"):
        load(on_server, BulkMethod.BULK_COPY)
    assert server.table.rows == []


# Loads that fail


@pytest.mark.parametrize(
    ("number", "error"),
    [(0, DatabaseUnavailable), (1205, DatabaseUnavailable), (4815, DatabaseValueTooLong), (2627, BulkLoadClosed)],
)
def test_a_load_that_breaks_half_way_leaves_nothing(
    on_server: Database,
    server: TableServer,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[BridgeError],
) -> None:
    lowered(monkeypatch, 10)
    server.follow(Plan(takes=2, then=number))
    with pytest.raises(error) as caught:
        load(on_server, count=40)
    assert server.table.messages == [10, 10, 10]
    assert server.table.rows == []
    # The server's text names a person.
    assert "ann@" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("number", [2628, 1205])
def test_an_insert_that_the_server_refuses_leaves_nothing(
    on_server: Database, server: TableServer, number: int
) -> None:
    server.follow(Plan(errors={"INSERT INTO": number}))
    with pytest.raises((DatabaseValueTooLong, DatabaseUnavailable), match=str(number)):
        load(on_server, BulkMethod.INSERT)
    assert server.table.rows == []


@pytest.mark.parametrize("method", METHODS)
def test_rows_that_the_server_lost_without_a_word_are_missed(
    on_server: Database, server: TableServer, method: BulkMethod
) -> None:
    server.follow(Plan(loses=3))
    with pytest.raises(BulkLoadIncomplete, match="Only 17 of 20 rows arrived"):
        load(on_server, method)
    assert server.table.rows == []


def test_a_report_of_fewer_rows_fails_the_load(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = importlib.import_module("mssql_python.cursor").Cursor
    real = cursor.bulkcopy

    def one_less(self: object, *args: Any, **options: Any) -> dict[str, int]:
        report: dict[str, int] = real(self, *args, **options)
        return {**report, "rows_copied": report["rows_copied"] - 1}

    monkeypatch.setattr(cursor, "bulkcopy", one_less)
    with pytest.raises(BulkLoadIncomplete, match="Only 19 of 20 rows arrived"):
        load(on_server)
    assert server.table.rows == []


def test_an_error_of_what_gives_the_rows_ends_the_load_and_leaves_nothing(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered(monkeypatch, 10)

    def breaking() -> Iterator[tuple[object, ...]]:
        yield from rows(15)
        raise OSError("the file ended")

    with pytest.raises(OSError, match="the file ended"):
        BulkLoad(on_server).load(every_type, NAMES, breaking(), stamp=("load_id", LOAD))
    assert server.table.messages == [10]
    assert server.table.rows == []


def test_rows_of_other_loads_stay_when_a_load_fails(
    on_server: Database, server: TableServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    lowered(monkeypatch, 10)
    bulk = BulkLoad(on_server)
    bulk.load(every_type, NAMES, rows(5), stamp=("load_id", "other"))

    def breaking() -> Iterator[tuple[object, ...]]:
        yield from rows(11)
        raise KeyError

    with pytest.raises(KeyError):
        bulk.load(every_type, NAMES, breaking(), stamp=("load_id", LOAD))
    assert [row["load_id"] for row in server.table.rows] == ["other"] * 5


class PanicException(BaseException):
    """As Rust's panics come to Python."""


@pytest.mark.parametrize(
    ("raised", "expected"), [(PanicException("dest"), BulkLoadClosed), (KeyboardInterrupt(), KeyboardInterrupt)]
)
def test_a_panic_of_the_driver_closes_the_method_and_an_interrupt_goes_through(
    on_server: Database,
    monkeypatch: pytest.MonkeyPatch,
    raised: BaseException,
    expected: type[BaseException],
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise raised

    monkeypatch.setattr(importlib.import_module("mssql_python.cursor").Cursor, "bulkcopy", broken)
    with pytest.raises(expected):
        load(on_server, BulkMethod.BULK_COPY)


def test_one_call_of_bulk_copy_lasts_much_less_than_a_lease(
    on_server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cursor = importlib.import_module("mssql_python.cursor").Cursor
    real, limits = cursor.bulkcopy, []

    def noted(self: Any, *args: Any, **options: Any) -> Any:
        limits.append((options["timeout"], self._timeout))
        return real(self, *args, **options)

    monkeypatch.setattr(cursor, "bulkcopy", noted)
    load(on_server)
    # No heartbeat beats meanwhile, and the driver waits as long again for an answer to its cancellation.
    assert all(0 < 2 * call < 60 and 0 < connecting <= 30 for call, connecting in limits)
    assert limits
