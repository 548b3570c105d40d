"""A server that speaks TDS, and Microsoft's own driver."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shared.database.connections import Database
from tests.unit.database.mssql.tds_server import TdsServer, serving

LOGIN = "User Id=bridge;Password=pa55;"


@pytest.fixture
def server(driver: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TdsServer]:
    """A server whose certificate is for `localhost` and is trusted."""
    del driver
    with serving(tmp_path) as running:
        # Where OpenSSL, which the driver loads, looks for the authorities of the machine.
        monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
        yield running


@pytest.fixture
def connect(server: TdsServer, opened: Callable[[str, str], Database]) -> Callable[..., Database]:
    """Opens RS_DB on the server."""

    def open_one(login: str = LOGIN, *, host: str = "localhost", more: str = "") -> Database:
        return opened(f"tcp:{host},{server.port};Initial Catalog=RS_Test;{login}{more}", "RS_DB")

    return open_one
