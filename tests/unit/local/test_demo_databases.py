"""The demo in databases of others: it makes and removes its own tables only, and refuses what holds others."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import DropSchema

from local.demo import databases
from local.demo.databases import DatabaseInUseError, absolute, claim, keep, kept, remove
from shared.database.connections import Database
from shared.errors import BridgeError
from shared.ledger.schema import Schema
from tests.databases import create_tables

pytestmark = pytest.mark.sqlite


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite%'")}


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.fixture
def both(tmp_path: Path) -> dict[str, str]:
    return {"WS_DB": url(tmp_path / "ws.sqlite"), "RS_DB": url(tmp_path / "rs.sqlite")}


def run_demo(both: dict[str, str]) -> None:
    """Make the tables as the demo does."""
    claim(both)
    ws_database, rs_database = Database(both["WS_DB"], "WS_DB"), Database(both["RS_DB"], "RS_DB")
    with closing(ws_database), closing(rs_database):
        create_tables(ws_database, rs_database)


@pytest.mark.parametrize("shared_database", [False, True])
def test_a_demo_begins_anew_in_its_own_tables_and_removes_them_all(
    tmp_path: Path, both: dict[str, str], shared_database: bool
) -> None:
    if shared_database:
        both["WS_DB"] = both["RS_DB"]
    run_demo(both)
    path = tmp_path / "rs.sqlite"
    assert {"Response", "BroadcastBridgeDemo", "response_staging"} <= tables(path)
    execute(path, "INSERT INTO Broadcasts (Broadcaster, ListName) VALUES ('x', 'of an earlier demo')")
    run_demo(both)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM Broadcasts").fetchone() == (0,)
    remove(both)
    assert tables(path) == set()
    remove(both)  # nothing is left to remove


@pytest.mark.parametrize(
    "theirs",
    ["CREATE TABLE Customers (Id INTEGER)", "CREATE VIEW Response AS SELECT 1 AS Id", "CREATE TABLE Response (x)"],
)
@pytest.mark.parametrize("where", ["WS_DB", "RS_DB"])
def test_a_database_that_holds_others_is_refused_and_none_is_touched(
    tmp_path: Path, both: dict[str, str], theirs: str, where: str
) -> None:
    other = tmp_path / ("ws.sqlite" if where == "WS_DB" else "rs.sqlite")
    execute(other, theirs)
    before = tables(other)
    for change in (claim, remove):
        with pytest.raises(DatabaseInUseError, match=where):
            change(both)
    assert tables(other) == before
    if where == "RS_DB":
        assert tables(tmp_path / "ws.sqlite") == set()


def test_tables_of_faststats_without_the_mark_of_a_demo_are_not_taken_for_its_own(both: dict[str, str]) -> None:
    with (
        closing(Database(both["WS_DB"], "WS_DB")) as ws_database,
        closing(Database(both["RS_DB"], "RS_DB")) as rs_database,
    ):
        create_tables(ws_database, rs_database)
        with pytest.raises(DatabaseInUseError, match="JobQueue"):
            remove({"WS_DB": both["WS_DB"]})
        with pytest.raises(DatabaseInUseError):
            claim({"RS_DB": both["RS_DB"]})
        Schema(rs_database).check()


def test_a_table_that_came_into_a_demos_database_later_keeps_the_demo_out(tmp_path: Path, both: dict[str, str]) -> None:
    run_demo(both)
    execute(tmp_path / "rs.sqlite", "CREATE TABLE Customers (Id INTEGER)")
    before = tables(tmp_path / "rs.sqlite")
    with pytest.raises(DatabaseInUseError, match="Customers"):
        remove(both)
    assert tables(tmp_path / "rs.sqlite") == before
    assert "JobQueue" in tables(tmp_path / "ws.sqlite")


def test_a_file_of_sqlite_is_the_same_for_every_process_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("sqlite:///mine.sqlite") == url(tmp_path / "mine.sqlite")
    server = "localhost;Initial Catalog=RS_Test;User Id=bridge;Password=made-up"
    assert absolute(server) == server
    with pytest.raises(ValueError, match=r"^(?!.*secret)"):
        absolute("postgresql://bridge:secret@localhost/x")


def test_a_database_that_cannot_be_used_is_said_by_the_catalogue(tmp_path: Path) -> None:
    with pytest.raises(BridgeError):
        claim({"RS_DB": url(tmp_path / "missing" / "rs.sqlite")})


def test_connection_strings_are_for_their_user_alone(tmp_path: Path, both: dict[str, str]) -> None:
    file = tmp_path / "databases.json"
    assert kept(file) == {}
    keep(file, both)
    assert kept(file) == both
    assert file.stat().st_mode & 0o077 == 0


def test_on_a_server_every_schema_but_its_own_is_looked_at() -> None:
    assert "TABLE_SCHEMA <> 'sys'" in databases._SERVER
    drop = DropSchema("bridge", if_exists=True)
    assert str(drop.compile(dialect=mssql.dialect())) == "DROP SCHEMA IF EXISTS bridge"  # type: ignore[no-untyped-call]
