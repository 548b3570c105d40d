"""Every statement that the code can send to a SQL Server, read as T-SQL."""

import sys
from contextlib import ExitStack, closing

import pytest
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

from local.azurite import Azurite
from shared.database.connections import Database
from shared.faststats.schema_map.names import PsDbSchema, RsDbSchema, WsDbSchema
from shared.ledger.migrations import Migration, known_migrations
from tests.contract.tsql.driver import Driver, Sent
from tests.contract.tsql.rules import faults
from tests.contract.tsql.sites import sites, texts
from tests.contract.tsql.tour import tour
from tests.databases import ZONE, ConnectionString, Databases, sqlite_files
from tests.flow.conftest import bridge_over
from tests.flow.simulators import Simulators

#: The stand-in looks at the name of the database only.
SERVER = "localhost;User Id=bridge;Password=made-up;Initial Catalog="


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> list[Sent]:
    """The statements of a tour through all that the code does with its databases."""
    folder = tmp_path_factory.mktemp("tour")
    sqlite_files(folder)
    with closing(Database(f"sqlite:///{folder}/PS_Test.sqlite", "PS_DB")) as ps_db, ps_db.writing() as connection:
        PsDbSchema(ZONE).metadata.create_all(connection)
    names = ("WS_Test", "RS_Test", "PS_Test")
    driver = Driver({name: folder / f"{name}.sqlite" for name in names})
    databases = Databases(*(ConnectionString(SERVER + name) for name in names[:2]))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setitem(sys.modules, "pyodbc", driver)
        simulators = stack.enter_context(Simulators(folder / "simulators.log"))
        site = stack.enter_context(simulators.new(folder / "simulator"))
        tour(stack.enter_context(bridge_over(site, folder, azurite, databases, PS_DB=f"{SERVER}PS_Test")))
    return driver.sent


def test_every_statement_is_sent_and_taken_by_every_server(sent: list[Sent]) -> None:
    reached = {statement.place for statement in sent}
    assert [str(place) for place in sites() if place not in reached] == [], "the tour leaves them out"
    unsent = [str(text.place) for text in texts() if not any(text.is_in(statement.text) for statement in sent)]
    assert unsent == [], "written by hand, and left out by the tour"
    different = {(statement.text, statement.parameters): statement.place for statement in sent}
    refused = [(str(place), found) for statement, place in different.items() if (found := faults(*statement))]
    assert refused == []


@pytest.mark.parametrize("migration", known_migrations("mssql"), ids=lambda migration: migration.title)
def test_a_migration_is_made_of_statements_that_every_server_takes(migration: Migration) -> None:
    assert [(statement, found) for statement in migration.statements if (found := faults(statement))] == []


@pytest.mark.parametrize("schema", [WsDbSchema, RsDbSchema])
def test_the_reference_tables_are_made_by_statements_that_every_server_takes(
    schema: type[WsDbSchema | RsDbSchema],
) -> None:
    made: list[DDLElement] = []
    for table in schema(ZONE).metadata.sorted_tables:
        made += [CreateTable(table), *map(CreateIndex, table.indexes)]
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]  # theirs
    assert [found for one in made if (found := faults(str(one.compile(dialect=dialect))))] == []
