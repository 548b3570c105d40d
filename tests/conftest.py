"""Fixtures for every test."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.dont_write_bytecode:
    # A run starts hundreds of processes. Without bytecode each of them compiles every module again, which doubles the
    # time of the whole run; in the cache of pytest it is in nobody's way.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix

import pytest
from hypothesis import settings

from local.azurite import Azurite
from shared.database.connections import Database
from shared.database.odbc_driver import find_driver
from shared.errors import OdbcDriverMissing
from tests.databases import ConnectionString, Databases, ServerDatabases, ServerUnfit, copied, on_server, sqlite_files
from tests.missing import missing


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--nightly", action="store_true", help="run the tests marked nightly, and no others")
    parser.addoption(
        "--database-url",
        metavar="CONNECTION",
        help="run the database tests and the flow on this SQL Server, Azure SQL or Babelfish, in databases of their "
        "own; a SQLAlchemy URL or a connection string of a database where the login may enter, such as master",
    )


def pytest_configure(config: pytest.Config) -> None:
    # No test is timed: on a busy machine an example takes as long as it takes.
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    config.addinivalue_line("markers", "slow: takes more than five seconds (leave out with -m 'not slow')")
    config.addinivalue_line("markers", "nightly: takes too long for every push; runs with --nightly only")
    config.addinivalue_line("markers", "sqlite: about SQLite itself; uses its files whatever --database-url says")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    nightly = bool(config.getoption("--nightly"))
    left_out = [item for item in items if nightly != (item.get_closest_marker("nightly") is not None)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if nightly == (item.get_closest_marker("nightly") is not None)]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    # A night without a test is no failure.
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("--nightly"):
        session.exitstatus = pytest.ExitCode.OK


@pytest.fixture(scope="session")
def driver() -> str:
    """Microsoft's ODBC driver; where ODBC is missing, tests that need it are skipped, and fail in CI."""
    try:
        return find_driver()
    except OdbcDriverMissing as error:
        missing(str(error))


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for the whole run; tests use queues, containers and host ids of their own."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="session")
def empty_files(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """SQLite files to copy."""
    return sqlite_files(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def server_databases(request: pytest.FixtureRequest) -> Iterator[ServerDatabases]:
    """This worker's databases on the server of `--database-url`."""
    try:
        with on_server(request.config.getoption("--database-url")) as made:
            yield made
    except ServerUnfit as error:
        unfit = str(error)
    else:
        return
    pytest.fail(unfit, pytrace=False)


def _uses_files(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--database-url") is None or bool(request.node.get_closest_marker("sqlite"))


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path, empty_files: Databases) -> Databases:
    """WS_DB and RS_DB with their tables, the bridge's among them, and without a row."""
    if _uses_files(request):
        return copied(empty_files, tmp_path)
    server: ServerDatabases = request.getfixturevalue("server_databases")
    return server.emptied()


@pytest.fixture
def bare_database(request: pytest.FixtureRequest, tmp_path: Path) -> ConnectionString:
    """A database without tables."""
    if _uses_files(request):
        return ConnectionString(f"sqlite:///{tmp_path / 'bare.sqlite'}")
    server: ServerDatabases = request.getfixturevalue("server_databases")
    return server.bare()


@pytest.fixture
def opened() -> Iterator[Callable[[str, str], Database]]:
    """Opens a database by its connection string and its name in messages, and closes it after the test."""
    every: list[Database] = []

    def open_one(connection: str, name: str) -> Database:
        every.append(Database(connection, name))
        return every[-1]

    yield open_one
    for database in every:
        database.close()


@pytest.fixture
def ws_database(databases: Databases, opened: Callable[[str, str], Database]) -> Database:
    return opened(databases.ws, "WS_DB")


@pytest.fixture
def rs_database(databases: Databases, opened: Callable[[str, str], Database]) -> Database:
    return opened(databases.rs, "RS_DB")
