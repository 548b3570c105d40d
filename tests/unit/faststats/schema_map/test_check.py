"""The schema map compared with the real catalogue: every difference is reported once, with its remedy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, types
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import ProgrammingError

from shared.database.connections import Database
from shared.errors import (
    CatalogueUnreadable,
    DatabaseObjectMissing,
    DatabasePermissionDenied,
    DatabaseUnavailable,
    SchemaMapMismatch,
)
from shared.faststats.schema_map import check as schema_map_check
from shared.faststats.schema_map import entries
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import MappedSchema, PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema
from tests.databases import ZONE

Open = Callable[[str], Database]


@pytest.fixture
def database(open_database: Open, tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'real.sqlite'}")


def create(database: Database, schema: MappedSchema) -> None:
    with database.writing() as connection:
        schema.metadata.create_all(connection)


def run(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def differences(database: Database, schema: MappedSchema) -> list[str]:
    return SchemaCheck(database, schema).differences()


@pytest.mark.parametrize("kind", [WsDbSchema, RsDbSchema, PsDbSchema])
def test_the_reference_tables_match(database: Database, kind: Callable[[str], MappedSchema]) -> None:
    create(database, kind(ZONE))
    assert differences(database, kind(ZONE)) == []


def test_names_match_in_any_case(database: Database) -> None:
    create(database, WsDbSchema(ZONE))
    assert differences(database, WsDbSchema(ZONE, SchemaMap({"ws_db.job_queue.job_id": "jobid"}))) == []
    other = SchemaMap({"ws_db.delivery_job_summary.table": "deliveryjobsummary"})
    assert differences(database, WsDbSchema(ZONE, other)) == []


def test_a_view_is_accepted(database: Database) -> None:
    run(
        database,
        "CREATE TABLE Commands (Id INTEGER, DateAdded DATETIME, Command TEXT)",
        "CREATE VIEW vDeliveryCommands AS SELECT Id, DateAdded, Command FROM Commands",
    )
    assert differences(database, PsDbSchema(ZONE)) == []


def test_all_differences_are_reported_at_once_with_their_remedies(database: Database) -> None:
    create(database, WsDbSchema(ZONE))
    run(
        database,
        'ALTER TABLE "JobQueue" RENAME COLUMN "Priority" TO "Prio"',
        'ALTER TABLE "JobQueue" RENAME COLUMN "State" TO "Status"',
        'DROP TABLE "JobQueueResults"',
        'ALTER TABLE "JobQueueCommands" RENAME TO "Orders"',
    )
    assert differences(database, WsDbSchema(ZONE)) == [
        'JobQueue has no column Priority: set ws_db.job_queue.priority to its real name, or to ""',
        "JobQueue has no column State: set ws_db.job_queue.state to its real name",
        "the table JobQueueCommands does not exist: set ws_db.commands.table to its real name",
        'the table JobQueueResults does not exist: set ws_db.results.table to its real name, or to ""',
    ]


def test_an_omitted_name_is_not_missing(database: Database) -> None:
    create(database, WsDbSchema(ZONE))
    run(database, 'DROP TABLE "JobQueueResults"', 'ALTER TABLE "JobQueue" DROP COLUMN "Priority"')
    names = SchemaMap({"ws_db.results.table": "", "ws_db.job_queue.priority": ""})
    assert differences(database, WsDbSchema(ZONE, names)) == []


def replaced(database: Database, schema: MappedSchema, table: str, column: str, declared: str) -> list[str]:
    """The differences when a column is declared differently."""
    create(database, schema)
    with database.writing() as connection:
        (text,) = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).one()
        lines = [
            f'"{column}" {declared},' if line.strip().startswith(f'"{column}" ') else line for line in text.splitlines()
        ]
        connection.exec_driver_sql(f'DROP TABLE "{table}"')
        connection.exec_driver_sql("\n".join(lines))
    return differences(database, schema)


@pytest.mark.parametrize(
    ("column", "declared", "problem"),
    [
        ("TimeAdded", "VARCHAR(30)", "is varchar(30), but the bridge needs a date with its time"),
        ("TimeAdded", "DATE", "is date, but the bridge needs a date with its time"),
        ("TimeSent", "INTEGER", "is integer, but the bridge needs a date with its time"),
        ("Priority", "VARCHAR(10)", "is varchar(10), but the bridge needs a number"),
        ("Server", "VARCHAR(20)", "is varchar(20), but the bridge writes text of up to 255 characters"),
        ("Server", "INTEGER", "is integer, but the bridge needs text"),
        ("State", "VARCHAR(9)", "is varchar(9), but the bridge writes text of up to 10 characters"),
        ("State", "INTEGER", "is integer, but the bridge needs text: write ws_db.states.waiting and"),
        ("JobType", "BLOB", "is blob, but the bridge needs text"),
    ],
)
def test_a_column_that_cannot_hold_what_the_bridge_writes_is_reported(
    database: Database, column: str, declared: str, problem: str
) -> None:
    (difference,) = replaced(database, WsDbSchema(ZONE), "JobQueue", column, declared)
    assert f"JobQueue.{column} {problem}" in difference


@pytest.mark.parametrize(
    ("column", "declared"),
    [
        ("Priority", "SMALLINT"),
        ("Priority", "BOOLEAN"),
        ("Priority", "NUMERIC(3, 0)"),
        ("CancelRequested", "BOOLEAN NOT NULL"),
        ("State", "VARCHAR(10) NOT NULL"),
        ("State", "CHAR(40)"),
        ("State", "TEXT"),
        ("SystemName", "VARCHAR(3)"),
        ("TimeSent", "DATETIME NOT NULL"),
    ],
)
def test_a_column_of_another_type_that_can_hold_it_fits(database: Database, column: str, declared: str) -> None:
    assert replaced(database, WsDbSchema(ZONE), "JobQueue", column, declared) == []


def test_states_that_are_numbers_must_fit_into_their_column(database: Database) -> None:
    states = {f"ws_db.states.{key}": number for number, key in enumerate(("waiting", "claimed", "done", "cancelled"))}
    schema = WsDbSchema(ZONE, SchemaMap(states | {"ws_db.states.failed": 70_000}))
    (difference,) = replaced(database, schema, "JobQueue", "State", "SMALLINT")
    assert "JobQueue.State is smallint, but the bridge writes numbers up to 70000" in difference


def test_the_name_of_the_bridge_must_fit_into_its_column(database: Database) -> None:
    replaced(database, WsDbSchema(ZONE), "JobQueue", "Server", "VARCHAR(20)")
    assert SchemaCheck(database, WsDbSchema(ZONE), {"job_queue.server": 20}).differences() == []
    assert len(SchemaCheck(database, WsDbSchema(ZONE), {"job_queue.server": 21}).differences()) == 1


@pytest.mark.parametrize(
    ("column", "declared", "problem"),
    [
        ("StepId", "BIGINT NOT NULL", "must not be empty, but the bridge sometimes leaves it empty"),
        ("Id", "INTEGER", "is not generated by the database: add a default"),
        ("Id", "VARCHAR(36) DEFAULT 'x'", "is varchar(36), but the bridge needs a number"),
        ("StepId", "SMALLINT", "is smallint, but the bridge writes numbers up to 2147483647"),
        ("Parameters", "VARCHAR(400)", "is varchar(400), but the bridge writes text of any length"),
    ],
)
def test_the_table_must_accept_what_the_bridge_inserts(
    database: Database, column: str, declared: str, problem: str
) -> None:
    schema = RsDbSchema(ZONE)
    if column == "Id":
        run(
            database,
            f'CREATE TABLE "Broadcasts" ("Id" {declared}, "Broadcaster" TEXT, "ListName" TEXT, "StepId" INT, '
            '"Run" INT, "Parameters" TEXT)',
        )
        create(database, schema)
        reported = differences(database, schema)
    else:
        reported = replaced(database, schema, "Broadcasts", column, declared)
    assert [problem in difference for difference in reported] == [True], reported


def test_an_unknown_not_null_column_is_reported_where_the_bridge_inserts(database: Database) -> None:
    create(database, RsDbSchema(ZONE))
    create(database, WsDbSchema(ZONE))
    run(
        database,
        'ALTER TABLE "ResponseDetails" ADD COLUMN "Origin" INTEGER NOT NULL DEFAULT 1',
        'ALTER TABLE "ResponseDetails" ADD COLUMN "Remark" TEXT',
        'CREATE TABLE "New" ("Id" INTEGER PRIMARY KEY, "Broadcaster" TEXT, "ListName" TEXT, "StepId" INT, "Run" INT, '
        '"Parameters" TEXT, "Owner" INTEGER NOT NULL)',
        'DROP TABLE "Broadcasts"',
        'ALTER TABLE "New" RENAME TO "Broadcasts"',
        'ALTER TABLE "JobQueue" ADD COLUMN "Hash" INTEGER NOT NULL DEFAULT 1',
    )
    assert differences(database, RsDbSchema(ZONE)) == [
        "Broadcasts.Owner must not be empty, but the bridge has no value for it: add a default"
    ]
    assert differences(database, WsDbSchema(ZONE)) == []


def test_a_matching_database_is_checked_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    create(database, WsDbSchema(ZONE))
    check, reads = SchemaCheck(database, WsDbSchema(ZONE)), []
    original = schema_map_check._catalogue

    def counted(connection: Connection, schema: MappedSchema) -> Any:
        reads.append(schema)
        return original(connection, schema)

    monkeypatch.setattr(schema_map_check, "_catalogue", counted)
    for _ in range(3):
        check.require()
    assert len(reads) == 1


def test_a_mismatching_database_is_checked_again_until_it_matches(database: Database) -> None:
    check = SchemaCheck(database, PsDbSchema(ZONE))
    for _ in range(2):
        with pytest.raises(SchemaMapMismatch, match="the table vDeliveryCommands does not exist") as caught:
            check.require()
    assert caught.value.database == "TEST"
    create(database, PsDbSchema(ZONE))
    check.require()


def test_an_unreachable_database_is_not_a_mismatch(open_database: Open, tmp_path: Path) -> None:
    check = SchemaCheck(open_database(f"sqlite:///{tmp_path / 'no' / 'folder.sqlite'}"), PsDbSchema(ZONE))
    with pytest.raises(DatabaseUnavailable):
        check.require()


@pytest.mark.parametrize(
    "error",
    [
        DatabasePermissionDenied(database="TEST", number=229),
        DatabaseObjectMissing(database="TEST", number=208),
        ProgrammingError("SELECT", None, Exception("a name of a table")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unreadable_catalogue_is_logged_and_stops_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(schema_map_check, "_catalogue", refuse)
    check = SchemaCheck(database, PsDbSchema(ZONE))
    with pytest.raises(CatalogueUnreadable, match="The catalogue of TEST cannot be read"):
        check.differences()
    check.require()
    assert "catalogue-unreadable" in caplog.text
    assert "a name of a table" not in caplog.text


# Types of SQL Server

#: As reflection creates them; their constructors are not typed.
SQL_SERVER: Any = mssql
NUMBER, TEXT, TIME = entries.Kind.NUMBER, entries.Kind.TEXT, entries.Kind.TIME
HOLD_IT: dict[entries.Kind, list[Any]] = {
    NUMBER: [
        SQL_SERVER.BIGINT(),
        SQL_SERVER.INTEGER(),
        SQL_SERVER.NUMERIC(18, 0),
        SQL_SERVER.DECIMAL(10, 0),
        types.NUMERIC(),
    ],
    TIME: [SQL_SERVER.DATETIME(), SQL_SERVER.DATETIME2(3), SQL_SERVER.SMALLDATETIME()],
    TEXT: [
        SQL_SERVER.NVARCHAR(),
        SQL_SERVER.VARCHAR(50),
        SQL_SERVER.NTEXT(),
        SQL_SERVER.XML(),
        SQL_SERVER.NCHAR(50),
    ],
}
CANNOT_HOLD_IT: dict[entries.Kind, list[Any]] = {
    NUMBER: [
        SQL_SERVER.TINYINT(),
        SQL_SERVER.SMALLINT(),
        SQL_SERVER.BIT(),
        SQL_SERVER.NUMERIC(9, 0),
        SQL_SERVER.FLOAT(),
    ],
    TIME: [SQL_SERVER.DATETIMEOFFSET(), SQL_SERVER.DATE(), SQL_SERVER.TIMESTAMP()],
    TEXT: [
        SQL_SERVER.VARCHAR(49),
        SQL_SERVER.VARBINARY(),
        SQL_SERVER.SQL_VARIANT(),
        SQL_SERVER.UNIQUEIDENTIFIER(),
        types.NullType(),
    ],
}


def fits(kind: types.TypeEngine[Any], column: entries.Column, **more: Any) -> list[str]:
    real = {"x": {"name": "X", "type": kind, "nullable": True, "default": None} | more}
    named = entries.Table(key="job_queue", default="T", columns=(column,))
    comparison = schema_map_check._Comparison("ws_db.job_queue", "T", _Names(), real, {})  # type: ignore[arg-type]
    return list(comparison.differences(named))


class _Names:
    def name(self, _key: str) -> str:
        return "X"


def column(kind: entries.Kind, **more: Any) -> entries.Column:
    return entries.Column(key="x", default="X", kind=kind, nullable=True, **more)


@pytest.mark.parametrize(("kind", "real"), [(kind, real) for kind in HOLD_IT for real in HOLD_IT[kind]], ids=repr)
def test_types_of_sql_server_that_hold_it_fit(kind: entries.Kind, real: types.TypeEngine[Any]) -> None:
    assert fits(real, column(kind, length=50)) == []


@pytest.mark.parametrize(
    ("kind", "real"), [(kind, real) for kind in CANNOT_HOLD_IT for real in CANNOT_HOLD_IT[kind]], ids=repr
)
def test_types_of_sql_server_that_cannot_hold_it_are_reported(kind: entries.Kind, real: types.TypeEngine[Any]) -> None:
    assert len(fits(real, column(kind, length=50))) == 1


@pytest.mark.parametrize(
    ("more", "differences"),
    [
        ({"nullable": False}, 1),
        ({"nullable": False, "default": "((0))"}, 0),
        ({"nullable": False, "identity": {"start": 1, "increment": 1}}, 0),
        ({"nullable": False, "computed": {"sqltext": "1", "persisted": False}}, 0),
        ({"nullable": False, "type": SQL_SERVER.TIMESTAMP()}, 0),
        ({"nullable": True}, 0),
    ],
)
def test_an_unknown_column_matters_only_if_a_new_row_needs_a_value_for_it(
    more: dict[str, Any], differences: int
) -> None:
    unknown = {"name": "Y", "type": mssql.INTEGER(), "nullable": False, "default": None} | more
    table = entries.Table(key="job_queue", default="T", columns=())
    comparison = schema_map_check._Comparison("ws_db.job_queue", "T", _Names(), {"y": unknown}, {})  # type: ignore[arg-type,dict-item]
    assert len(list(comparison.differences(table))) == differences
