"""Every statement that the code can send to a SQL Server, read as T-SQL."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import shared.database
from local.azurite import Azurite
from tests.contract.tsql.driver import Driver, Sent
from tests.contract.tsql.sites import sites
from tests.contract.tsql.tour import tour
from tests.databases import ConnectionString, Databases, sqlite_files
from tests.flow.conftest import bridge_over, simulator

#: The stand-in looks at the name of the database only.
SERVER = "localhost;User Id=bridge;Password=made-up;Initial Catalog="


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory, azurite: Azurite) -> Iterator[list[Sent]]:
    """The statements of a tour through all that the code does with a database."""
    folder = tmp_path_factory.mktemp("tour")
    sqlite_files(folder)
    names = ("WS_Test", "RS_Test")
    driver = Driver({name: folder / f"{name}.sqlite" for name in names})
    databases = Databases(*(ConnectionString(SERVER + name) for name in names))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(shared.database, "load_pyodbc", lambda: driver)
        patch.setattr(shared.database, "find_driver", lambda: "stand-in")
        site = stack.enter_context(simulator(folder))
        tour(stack.enter_context(bridge_over(site, folder, azurite, databases)))
    yield driver.sent


def test_no_statement_is_left_out_of_the_tour(sent: list[Sent]) -> None:
    reached = {statement.place for statement in sent}
    assert [str(place) for place in sites() if place not in reached] == []
