"""A SQL Server of one table, to which the real drivers load."""

from collections.abc import Callable, Iterator

import pytest

from shared.database.connections import Database
from tests.unit.database.bulk.table_server import Plan, TableServer, table_server


@pytest.fixture(scope="session")
def running(driver: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TableServer]:
    del driver
    with table_server(tmp_path_factory.mktemp("tds")) as server:
        yield server


@pytest.fixture
def server(running: TableServer) -> TableServer:
    """The server, with an empty table and no faults."""
    running.follow(Plan())
    return running


@pytest.fixture
def open_database() -> Iterator[Callable[[str], Database]]:
    opened: list[Database] = []

    def open_one(connection: str) -> Database:
        opened.append(Database(connection, "RS_DB"))
        return opened[-1]

    yield open_one
    for database in opened:
        database.close()


@pytest.fixture
def on_server(server: TableServer, open_database: Callable[[str], Database]) -> Database:
    """The database that the server plays."""
    return open_database(server.connection())
