"""The numbered migrations: they make what shared.ledger.tables says, from every version, however often and at once."""

import os
import re
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Unicode,
    false,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.schema import ColumnCollectionConstraint, CreateIndex, CreateTable
from sqlalchemy.types import TypeEngine
from sqlglot import exp, parse_one
from typer.testing import CliRunner

from cli.main import app
from shared.bridge import Bridge
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.errors import DatabaseUnavailable, MigrationChanged, MigrationFailed, SchemaOutOfDate, SchemaTooNew
from shared.ledger import migrations
from shared.ledger.migrations import Migration, known_migrations
from shared.ledger.schema import MigrationState, Schema
from shared.ledger.tables import metadata
from tests.databases import ConnectionString
from tests.unit.database.mssql.tds_server import TdsServer, serving
from tools import draft_migration
from tools.draft_migration import DIALECTS, ddl

ROOT = Path(__file__).parents[3]
KNOWN = known_migrations("sqlite")
HOW = (
    "shared.ledger.tables and the migrations differ. Do not edit a migration that was applied anywhere: "
    '`python -m tools.draft_migration "what is new"` writes the next one for both databases; docs/how-to/migrate.md.'
)
#: The only statements of `*.mssql.sql` that sqlglot need not understand.
MAKES_SCHEMA = "IF SCHEMA_ID('bridge') IS NULL EXEC('CREATE SCHEMA bridge')"

OpenEmpty = Callable[[], Database]


@pytest.fixture
def open_empty(bare_database: ConnectionString, opened: Callable[[str, str], Database]) -> OpenEmpty:
    """Opens a database without tables; the same one each time."""
    return lambda: opened(bare_database, "RS_DB")


@pytest.fixture
def empty(open_empty: OpenEmpty) -> Database:
    return open_empty()


def known(database: Database) -> tuple[Migration, ...]:
    """The migrations for this database."""
    return known_migrations(database.engine.dialect.name)


def next_migration(*statements: str, breaking: bool = False) -> Migration:
    """A migration that only a test knows."""
    number = len(KNOWN) + 1
    return Migration(number=number, name="next", checksum="0" * 64, breaking=breaking, statements=statements)


def shape(database: Database) -> dict[str, Any]:
    """Everything about every table: columns, keys, indexes."""
    there = inspect(database.engine)
    return {
        name: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in there.get_columns(name)
            },
            "primary key": there.get_pk_constraint(name),
            "foreign keys": sorted(there.get_foreign_keys(name), key=str),
            "unique": sorted(there.get_unique_constraints(name), key=str),
            "indexes": sorted((as_compared(index) for index in there.get_indexes(name)), key=str),
        }
        for name in there.get_table_names()
    }


def as_compared(index: Any) -> dict[str, Any]:
    """An index with its condition as text: as an object it is equal to itself only."""
    return {**index, "dialect_options": {name: str(value) for name, value in index.get("dialect_options", {}).items()}}


@pytest.fixture(scope="session")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The tables of shared.ledger.tables, as SQLite makes them without migrations."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('wanted') / 'wanted.sqlite'}", "RS_DB")
    with database.writing() as connection:
        metadata.create_all(connection)
    made = shape(database)
    database.close()
    return made


# Files


def test_the_numbers_run_from_one_and_both_databases_have_the_same_migrations() -> None:
    titles = [(one.number, one.name, one.breaking) for one in KNOWN]
    assert [number for number, *_ in titles] == list(range(1, len(KNOWN) + 1))
    assert [(one.number, one.name, one.breaking) for one in known_migrations("mssql")] == titles


def test_every_sql_file_is_a_migration() -> None:
    written = {path.name for path in Path(migrations.__file__).parent.glob("*.sql")}
    assert written == {f"{one.title}.{kind}.sql" for kind in DIALECTS for one in known_migrations(kind)}


def test_the_sql_files_are_packaged() -> None:
    packaging = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert packaging["package-data"] == {"shared.ledger.migrations": ["*.sql"]}


# What they make


@pytest.mark.sqlite
def test_sqlite_has_what_tables_py_says_after_all_migrations(empty: Database, wanted: dict[str, Any]) -> None:
    Schema(empty).migrate()
    assert shape(empty) == wanted, HOW


def test_sql_server_has_what_tables_py_says_after_all_migrations() -> None:
    made = read_ddl(statement for one in known_migrations("mssql") for statement in one.statements)
    assert made == read_ddl(compiled(metadata)), HOW


def compiled(tables: MetaData) -> Iterator[str]:
    """The statements that make these tables on SQL Server."""
    for table in tables.sorted_tables:
        yield ddl(CreateTable(table), "mssql")
        yield from (ddl(CreateIndex(index), "mssql") for index in table.indexes)


def test_nothing_is_left_to_draft() -> None:
    assert draft_migration.draft() == {"mssql": [], "sqlite": []}


@pytest.mark.sqlite
def test_what_is_drafted_makes_the_difference(empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = MetaData(schema=metadata.schema, naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(more)
    lease = more.tables["bridge.lease"]
    lease.append_column(Column("purpose", Unicode(20)))
    lease.append_column(Column("held", Boolean, nullable=False, server_default=false()))
    Index(None, lease.c.owner)
    Table("extra", more, Column("id", Integer, primary_key=True), Column("name", Unicode(20), index=True))
    monkeypatch.setattr(draft_migration, "metadata", more)
    statements = draft_migration.draft()

    Schema(empty, [*KNOWN, next_migration(*statements["sqlite"])]).migrate()
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.sqlite'}", "RS_DB")
    with fresh.writing() as connection:
        more.create_all(connection)
    assert shape(empty) == shape(fresh)
    fresh.close()
    on_server = [statement for one in known_migrations("mssql") for statement in one.statements]
    assert read_ddl([*on_server, *statements["mssql"]]) == read_ddl(compiled(more))
    assert any("CONSTRAINT df_lease_held DEFAULT 0" in statement for statement in statements["mssql"])


@pytest.mark.parametrize(
    "column",
    [
        Column("held", Boolean, nullable=False),
        Column("code", Integer, unique=True),
        Column("broadcast_id", ForeignKey("bridge.broadcast.id")),
    ],
    ids=str,
)
def test_a_column_that_cannot_be_drafted_is_to_be_written_by_hand(
    column: Column[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = MetaData(schema=metadata.schema, naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(more)
    more.tables["bridge.lease"].append_column(column)
    monkeypatch.setattr(draft_migration, "metadata", more)
    with pytest.raises(SystemExit, match=f"Write lease.{column.name} by hand"):
        draft_migration.draft()


def read_ddl(statements: Iterator[str] | list[str]) -> dict[str, set[str]]:
    """What statements make on SQL Server: by table, its columns, constraints and indexes as text."""
    tables: dict[str, set[str]] = {}
    for statement in statements:
        if statement == MAKES_SCHEMA:
            continue
        read = parse_one(statement, dialect="tsql")
        match read:
            case exp.Create(kind="TABLE", this=exp.Schema(this=table, expressions=parts)):
                tables[qualified(table)] = {as_text(part) for part in parts}
            case exp.Create(kind="INDEX", this=index):
                tables[qualified(index.args["table"])].add(as_text(read))
            case exp.Alter(kind="TABLE", this=table) if all(
                isinstance(action, exp.ColumnDef | exp.AddConstraint) for action in read.args["actions"]
            ):
                for action in read.args["actions"]:
                    parts = action.expressions if isinstance(action, exp.AddConstraint) else [action]
                    tables[qualified(table)] |= {as_text(part) for part in parts}
            case exp.Insert() | exp.Update() | exp.Delete():
                pass  # rows
            case _:
                pytest.fail(f"this test has not learnt yet what a migration changes by: {statement}")
    return tables


def qualified(table: exp.Expression) -> str:
    assert isinstance(table, exp.Table)
    return f"{table.db}.{table.name}"


def as_text(part: exp.Expression) -> str:
    part = part.copy()
    for constraint in part.find_all(exp.ColumnConstraint):
        if isinstance(constraint.kind, exp.DefaultColumnConstraint):
            constraint.set("this", None)  # SQLAlchemy cannot name a default; a migration does
    return part.sql("tsql")


def keys_and_indexes(table: Table) -> list[ColumnCollectionConstraint | Index]:
    keys = [one for one in table.constraints if isinstance(one, ColumnCollectionConstraint)]
    return [*keys, *table.indexes]


def test_every_key_and_index_has_a_name_of_ours() -> None:
    names = [str(one.name) for table in metadata.sorted_tables for one in keys_and_indexes(table)]
    assert [name for name in names if not re.match(r"(pk|fk|uq|ix)_[a-z_0-9]+$", name)] == []
    assert len(names) == len(set(names)), "SQLite and Babelfish have one room for the names of all tables"
    assert max(map(len, names)) <= 63, "PostgreSQL, under Babelfish, would cut it"


def test_every_index_is_short_enough_for_sql_server() -> None:
    """900 bytes for the clustered index, 1,700 for the others."""
    long = {}
    for table in metadata.sorted_tables:
        for one in keys_and_indexes(table):
            size = sum(key_bytes(column.type) for column in one.columns)
            if size > (900 if one is table.primary_key else 1700):
                long[str(one.name)] = size
    assert long == {}


def key_bytes(kind: TypeEngine[Any]) -> int:
    written = kind.compile(DIALECTS["mssql"])
    length = re.search(r"\((\w+)\)", written)
    match written.partition("(")[0]:
        case "INTEGER" | "BIGINT" | "DATETIME2" | "BIT":
            return 8
        case "NVARCHAR":
            return 2 * int(length[1]) if length else 0
        case "VARCHAR" | "BINARY" if length:
            return int(length[1])
    raise AssertionError(f"{written} is no type for a key")


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=str)
def test_no_column_is_of_a_type_that_sql_server_gave_up_or_that_is_longer_than_need_be(table: Any) -> None:
    types = {column.name: column.type.compile(DIALECTS["mssql"]) for column in table.columns}
    old = re.compile(r"N?TEXT|IMAGE|DATETIME$|VARBINARY|VARCHAR\(max\)$", re.IGNORECASE)
    assert {name: kind for name, kind in types.items() if old.match(kind)} == {}


# Applying


@pytest.mark.parametrize("version", range(len(KNOWN) + 1))
@pytest.mark.sqlite
def test_every_version_with_its_rows_comes_up_to_date(version: int, empty: Database, wanted: dict[str, Any]) -> None:
    Schema(empty, KNOWN[:version]).migrate()
    before = fill(empty)
    assert [one.number for one in Schema(empty).migrate()] == list(range(version + 1, len(KNOWN) + 1))
    assert shape(empty) == wanted, HOW
    assert count(empty, set(before) & set(wanted)) == {name: 1 for name in before if name in wanted}
    with empty.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def fill(database: Database) -> list[str]:
    """Put a row into every table, whatever its columns are."""
    there = MetaData()
    there.reflect(database.engine)
    filled = [table for table in there.sorted_tables if table.name != "migration"]
    with database.writing() as connection:
        for table in filled:
            connection.execute(insert(table).values({column.name: some_value(column.type) for column in table.c}))
    return [table.name for table in filled]


def some_value(kind: TypeEngine[Any]) -> object:
    if isinstance(kind, LargeBinary):
        return b"0123456789abcdef"
    return {int: 1, str: "ä", bool: True, datetime: datetime(2026, 1, 1)}[kind.python_type]  # noqa: DTZ001 - as kept


def count(database: Database, names: set[str]) -> dict[str, int]:
    there = MetaData()
    there.reflect(database.engine)
    with database.reading() as connection:
        return {
            name: connection.execute(select(func.count()).select_from(there.tables[name])).scalar_one()
            for name in names
        }


def test_migrating_again_does_nothing(empty: Database) -> None:
    applied = Schema(empty).migrate()
    assert [one.title for one in applied] == [one.title for one in KNOWN]
    before = Schema(empty).status()
    assert Schema(empty).migrate() == []
    assert Schema(empty).status() == before


_MIGRATE = """
import os
import sys
from shared.database.connections import Database
from shared.ledger.schema import Schema
database = Database(os.environ["RS_DB"], "RS_DB")
print("ready", flush=True)
sys.stdin.readline()
print(*(one.title for one in Schema(database).migrate()))
database.close()
"""


def test_two_processes_at_once_apply_each_migration_once(
    bare_database: ConnectionString, empty: Database, wanted: dict[str, Any]
) -> None:
    arguments = [sys.executable, "-c", _MIGRATE]
    environment = os.environ | {"RS_DB": bare_database}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    processes = [subprocess.Popen(arguments, cwd=ROOT, env=environment, text=True, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, "")] * 2
    assert sorted(title for out, _ in ended for title in out.split()) == [one.title for one in KNOWN]
    if empty.engine.dialect.name == "sqlite":
        assert shape(empty) == wanted
    assert {line.state for line in Schema(empty).status()} == {MigrationState.APPLIED}


def test_who_waited_for_another_finds_nothing_left_to_do(
    open_empty: OpenEmpty, empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Schema(open_empty())
    pending = late.pending()

    def look() -> list[Migration]:
        monkeypatch.undo()
        Schema(empty).migrate()  # another one, between the look and the lock
        return pending

    monkeypatch.setattr(late, "pending", look)
    assert late.migrate() == []
    assert {line.state for line in late.status()} == {MigrationState.APPLIED}


def test_a_migration_that_fails_leaves_nothing_behind_and_goes_on_once_it_is_mended(empty: Database) -> None:
    broken = next_migration("CREATE TABLE extra (id INTEGER)", "ALTER TABLE nowhere ADD a INTEGER")
    with pytest.raises(MigrationFailed) as caught:
        Schema(empty, [*known(empty), broken]).migrate()
    reported = caught.value.fields()
    assert (reported["number"], reported["name"], reported["statement"]) == (len(KNOWN) + 1, "next", 2)
    assert reported["reason"] == "no such table: nowhere" or "error 4902" in str(reported["reason"])
    assert Schema(empty).pending() == [], "those before it are kept"
    assert "extra" not in inspect(empty.engine).get_table_names()
    mended = next_migration("CREATE TABLE extra (id INTEGER)")
    assert Schema(empty, [*known(empty), mended]).migrate() == [mended]


def test_a_migration_that_was_edited_after_it_was_applied_is_refused(empty: Database) -> None:
    Schema(empty, [*known(empty), next_migration("CREATE TABLE extra (id INTEGER)")]).migrate()
    edited = Migration(number=len(KNOWN) + 1, name="next", checksum="1" * 64, breaking=False, statements=())
    changed = Schema(empty, [*known(empty), edited])
    with pytest.raises(MigrationChanged):
        changed.migrate()
    with pytest.raises(MigrationChanged):
        changed.plan()
    assert changed.status()[-1].state is MigrationState.CHANGED


# Whether the code can work


def test_code_does_not_work_with_tables_that_lack_a_migration(empty: Database) -> None:
    with pytest.raises(SchemaOutOfDate) as caught:
        Schema(empty).check()
    assert (caught.value.number, caught.value.name) == (1, KNOWN[0].name)
    Schema(empty).migrate()
    Schema(empty).check()


def test_code_goes_on_beside_a_newer_migration_unless_that_is_breaking(empty: Database) -> None:
    Schema(empty, [*known(empty), next_migration("CREATE TABLE extra (id INTEGER)")]).migrate()
    Schema(empty).check()
    assert Schema(empty).status()[-1].state is MigrationState.UNKNOWN


def test_code_does_not_work_after_a_breaking_migration_that_it_does_not_know(empty: Database) -> None:
    Schema(empty, [*known(empty), next_migration("CREATE TABLE extra (id INTEGER)", breaking=True)]).migrate()
    with pytest.raises(SchemaTooNew):
        Schema(empty).check()


@pytest.mark.sqlite
def test_a_bridge_does_not_start_on_old_tables(empty: Database, tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            "SYSTEM_NAME": "Holidays",
            "RS_DB": f"sqlite:///{tmp_path / 'bare.sqlite'}",
            "DELIVERY_FILES": str(tmp_path),
            "OPTIMIZELY_CLIENT_ID": "1",
            "OPTIMIZELY_API_USER": "user",
            "OPTIMIZELY_API_PASSWORD": "made up",
            "SFTP_HOST": "localhost",
            "SFTP_USER": "user",
            "SFTP_PASSWORD": "made up",
            "SFTP_HOST_KEYS": "SHA256:" + "A" * 43,
        }
    )
    with pytest.raises(SchemaOutOfDate):
        Bridge.started(settings)
    Schema(empty).migrate()
    Bridge.started(settings).close()


# Plan and command


@pytest.mark.sqlite
def test_the_plan_does_in_sqlite_what_migrating_does(tmp_path: Path, empty: Database, wanted: dict[str, Any]) -> None:
    plan = Schema(empty).plan()
    assert shape(empty) == {}, "planning changes nothing"
    with sqlite3.connect(tmp_path / "bare.sqlite") as by_hand:
        by_hand.executescript(plan)
    by_hand.close()
    assert shape(empty) == wanted
    assert {line.state for line in Schema(empty).status()} == {MigrationState.APPLIED}
    assert Schema(empty).plan() == ""


def test_the_command_needs_rs_db_only_and_says_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.setenv("RS_DB", f"sqlite:///{tmp_path / 'rs.sqlite'}")

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["db", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "CREATE TABLE broadcast" in run("migrate", "--plan")
    assert "pending" in run("status")
    assert [line for line in run("migrate").splitlines() if line.startswith("Applied")] == [
        f"Applied {one.title}." for one in KNOWN
    ]
    assert "Applied" not in run("migrate")
    assert "pending" not in run("status")
    assert run("migrate", "--plan") == "-- No migration is pending.\n"


# SQL Server


@pytest.fixture
def server(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    """A server that is sent the statements, and has no table yet."""
    del driver
    monkeypatch.setattr(Schema, "_applied", lambda _self, _connection: [])
    with serving(tmp_path) as running:
        running.answers["sp_getapplock"] = "0"
        yield running


@pytest.fixture
def on_server(server: TdsServer) -> Iterator[Database]:
    database = Database(
        f"Server=127.0.0.1,{server.port};Database=RS;User Id=u;Password=p;TrustServerCertificate=yes", "RS_DB"
    )
    yield database
    database.close()


def test_sql_server_gets_each_statement_alone_and_the_lock_first(server: TdsServer, on_server: Database) -> None:
    applied = Schema(on_server)._apply_next()
    assert applied == known_migrations("mssql")[0]
    start = next(at for at, statement in enumerate(server.statements) if "sp_getapplock" in statement)
    assert tuple(server.statements[start + 1 : start + 1 + len(applied.statements)]) == applied.statements


def test_sql_server_runs_nothing_without_the_lock(server: TdsServer, on_server: Database) -> None:
    server.answers["sp_getapplock"] = "-1"
    with pytest.raises(DatabaseUnavailable, match=r"another process holds the lock bridge\.migration"):
        Schema(on_server).migrate()
    assert "sp_getapplock" in server.statements[-2]
    assert server.statements[-1] == "ROLLBACK"


def test_a_statement_that_sql_server_refuses_is_reported_by_its_number(server: TdsServer, on_server: Database) -> None:
    server.faults = [("CREATE TABLE bridge.broadcast", 2714)]
    with pytest.raises(MigrationFailed) as caught:
        Schema(on_server).migrate()
    assert "2714" in str(caught.value)
    assert "ann@example.com" not in str(caught.value)


@pytest.mark.usefixtures("server")
def test_the_plan_for_sql_server_stops_at_its_first_error(on_server: Database) -> None:
    batches = Schema(on_server).plan().split("\nGO\n")
    assert batches.pop().strip() == ""
    batches = [batch.strip() for batch in batches]
    for one in known_migrations("mssql"):
        first = batches.index(one.statements[0])
        until = first + 2 * len(one.statements)
        assert batches[first:until:2] == list(one.statements)
        assert set(batches[first - 1 : until + 2 : 2]) == {"IF @@TRANCOUNT = 0 SET NOEXEC ON"}
        assert re.search(r"BEGIN TRANSACTION;\nDECLARE @got INT; EXEC @got = sp_getapplock", batches[first - 2])
        record = parse_one(batches[until], dialect="tsql")
        assert isinstance(record, exp.Insert)
        assert (
            f"VALUES ({one.number}, '{one.name}', '{one.checksum}', {int(one.breaking)}, sysutcdatetime())"
            in batches[until]
        )
        assert batches[until + 2] == "COMMIT TRANSACTION"
    assert batches[-1] == "SET NOEXEC OFF"
