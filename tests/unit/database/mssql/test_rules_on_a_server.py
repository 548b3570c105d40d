"""Rules and triggers of the customer on a SQL Server: which statements are sent, which answers are believed."""

from collections.abc import Callable

import pytest
from sqlalchemy import Insert, Update, insert, select, update

from shared.database.connections import Database
from shared.database.mssql_dialect import SqlServerDialect, _go_to_output
from shared.database.rules import TransactionLostError, rules_of, savepoint
from shared.errors import DatabaseRuleBroken
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.ledger import tables
from tests.unit.database.mssql.tds_server import TdsServer

RS, WS = RsDbSchema("UTC"), WsDbSchema("UTC")
DECLARED = "DECLARE @bridge_output TABLE (bridge_output_0 BIGINT);"
RESULT = "SELECT bridge_output_0 FROM @bridge_output"


def text(statement: Insert | Update) -> str:
    compiled = statement.compile(dialect=SqlServerDialect())  # type: ignore[no-untyped-call]  # theirs
    return " ".join(str(compiled).split())


def through_variable(statement: str) -> str:
    """The batch that such a statement becomes."""
    return f"{DECLARED} {statement} {RESULT}"


def test_what_is_returned_of_a_table_of_theirs_goes_through_a_table_variable() -> None:
    broadcasts, queue, response = RS.broadcasts, WS.job_queue, RS.response
    rows = select(tables.response_staging.c.urn).order_by(tables.response_staging.c.line).limit(3)
    assert text(insert(broadcasts).values(broadcaster="x").returning(broadcasts.c.id)) == through_variable(
        "INSERT INTO [Broadcasts] ([Broadcaster]) OUTPUT inserted.[Id] INTO @bridge_output VALUES (:broadcaster);"
    )
    moved = text(insert(response).from_select(["urn"], rows).returning(response.c.id))
    assert moved.startswith(
        f"{DECLARED} INSERT INTO [Response] ([Urn]) OUTPUT inserted.[Id] INTO @bridge_output SELECT TOP"
    )
    assert moved.endswith(f"ORDER BY bridge.response_staging.line; {RESULT}")
    assert text(update(queue).values(server="x").returning(queue.c.job_id)) == through_variable(
        "UPDATE [JobQueue] SET [Server]=:server OUTPUT inserted.[JobID] INTO @bridge_output;"
    )


def test_the_id_that_sqlalchemy_asks_for_by_itself_does_too() -> None:
    assert text(insert(RS.broadcasts_detail).values(status="x")) == through_variable(
        "INSERT INTO [BroadcastsDetail] ([Status]) OUTPUT inserted.[Id] INTO @bridge_output VALUES (:status);"
    )


def test_on_the_bridges_own_tables_nothing_is_declared() -> None:
    assert "@bridge_output" not in text(insert(tables.hold).values(reason="x").returning(tables.hold.c.id))


class Cursor:
    """Results as the driver shows them one after the other: their first column, or None for a count."""

    def __init__(self, *results: str | None) -> None:
        self._results = list(results)

    @property
    def description(self) -> list[tuple[str]] | None:
        name = self._results[0]
        return None if name is None else [(name,)]

    def nextset(self) -> bool:
        self._results.pop(0)
        return bool(self._results)


@pytest.mark.parametrize(
    "of_triggers", [[], [None], [None, None, None], ["Id"], [None, "Id", None, "Name"]], ids=["none", *"abcd"]
)
def test_counts_and_results_of_triggers_are_passed_over(of_triggers: list[str | None]) -> None:
    cursor = Cursor(*of_triggers, None, "bridge_output_0")
    _go_to_output(cursor)  # type: ignore[arg-type]  # all that it uses
    assert cursor.description == [("bridge_output_0",)]


@pytest.fixture
def database(server: TdsServer, connect: Callable[..., Database]) -> Database:
    """Connected once already."""
    database = connect()
    with database.reading() as connection:
        connection.exec_driver_sql("SELECT 'first'")
    server.statements.clear()
    return database


def test_what_a_rule_refuses_is_undone_alone_and_the_transaction_continues(
    server: TdsServer, database: Database
) -> None:
    server.faults.append(("UPDATE one", 547))
    with database.writing() as connection:
        with (
            pytest.raises(DatabaseRuleBroken) as refused,
            savepoint(connection),
            rules_of(connection, RS.response, "RS_DB"),
        ):
            connection.exec_driver_sql("UPDATE one")
        connection.exec_driver_sql("UPDATE two")
    assert "ann@example.com" not in str(refused.value)
    sent = [statement for statement in server.statements if "SELECT" not in statement]
    assert sent[sent.index("SET XACT_ABORT OFF") :] == [
        "SET XACT_ABORT OFF",
        "IF @@TRANCOUNT = 0 BEGIN TRANSACTION",
        "SAVE TRANSACTION sa_savepoint_1",
        "UPDATE one",
        "ROLLBACK TRANSACTION sa_savepoint_1",
        "SET XACT_ABORT ON",
        "UPDATE two",
        "COMMIT",
    ]


@pytest.mark.parametrize("number", [3609, 50000, 51000, 245])
def test_a_rule_that_ended_the_transaction_is_told_from_one_that_ended_a_statement(
    server: TdsServer, database: Database, number: int
) -> None:
    server.faults += [("UPDATE one", number), ("ROLLBACK TRANSACTION", 6401)]
    with (
        pytest.raises(TransactionLostError) as lost,
        database.writing() as connection,
        savepoint(connection),
        rules_of(connection, RS.response, "RS_DB"),
    ):
        connection.exec_driver_sql("UPDATE one")
    assert lost.value.error.of_row
    after = server.statements[server.statements.index("ROLLBACK TRANSACTION sa_savepoint_1") :]
    assert "SET XACT_ABORT ON" in after
    assert "COMMIT" not in after
