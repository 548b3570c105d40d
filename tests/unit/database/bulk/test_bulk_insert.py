"""BULK INSERT: the statement, and the files that the server would read. No server that takes it is at hand here."""

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient

from local.azurite import Azurite
from shared.config.settings import BulkMethod
from shared.database.bulk.bulk_insert import BulkInsertSource, bulk_insert_statement
from shared.database.bulk.load import BulkLoad
from shared.database.bulk.target import Target
from shared.database.connections import Database
from shared.errors import BulkLoadClosed, BulkLoadIncomplete, DatabaseValueTooLong
from shared.storage.staging import Staging
from tests.unit.database.bulk.every_type import NAMES, every_type, rows
from tests.unit.database.bulk.table_server import Plan, TableServer

LOAD = "6b3f6e0a-1111-4222-8333-944445555666"
FILE = f"bulk/{LOAD}.txt"


@pytest.fixture
def container(azurite: Azurite) -> Iterator[Staging]:
    with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
        container = Staging(service, f"bulk-{uuid.uuid4().hex}")
        container.create_container()
        yield container


@pytest.fixture
def bulk(on_server: Database, server: TableServer, azurite: Azurite, container: Staging) -> BulkLoad:
    """Loads into a server that finds the files in the container."""
    server.follow(Plan(storage=azurite.connection_string, container=container.name))
    return BulkLoad(on_server, BulkMethod.BULK_INSERT, BulkInsertSource(container, "bridge_staging"))


def files(azurite: Azurite, container: Staging) -> list[str]:
    with ContainerClient.from_connection_string(azurite.connection_string, container.name) as client:
        return [blob.name for blob in client.list_blobs()]


def test_rows_go_through_files_that_the_server_reads_and_the_bridge_removes(
    bulk: BulkLoad, server: TableServer, azurite: Azurite, container: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.database.bulk.load._ROWS", dict.fromkeys(BulkMethod, 300))
    assert bulk.load(every_type, NAMES, rows(700), stamp=("load_id", LOAD)) == 700
    found = [{name: row[name] for name in NAMES} for row in server.table.rows]
    assert found == [dict(zip(NAMES, row, strict=True)) for row in rows(700)]
    assert {row["ordinal"] for row in server.table.rows} == {None}
    assert files(azurite, container) == []


def test_the_statement_stops_at_the_first_bad_row_and_says_where_the_file_is(on_server: Database) -> None:
    statement = bulk_insert_statement(Target(on_server, every_type, NAMES, ("load_id", LOAD)), FILE, "bridge_staging")
    assert statement == (
        f"BULK INSERT bridge.every_type FROM '{FILE}' WITH (DATA_SOURCE = 'bridge_staging', DATAFILETYPE = 'char', "
        "CODEPAGE = '65001', FIELDTERMINATOR = '0x1f', ROWTERMINATOR = '0x1e', KEEPNULLS, MAXERRORS = 0)"
    )


@pytest.mark.parametrize(
    ("file", "data_source"),
    [
        ("bulk/x'; DROP TABLE t --.txt", "bridge_staging"),
        (f"bulk/../{LOAD}.txt", "bridge_staging"),
        (f"{FILE}\n", "bridge_staging"),
        (FILE, "a'b"),
        (FILE, "bridge staging"),
        (FILE, ""),
    ],
)
def test_only_names_that_the_bridge_makes_get_into_the_statement(
    on_server: Database, file: str, data_source: str
) -> None:
    with pytest.raises(ValueError, match="not one of the bridge's"):
        bulk_insert_statement(Target(on_server, every_type, NAMES, ("load_id", LOAD)), file, data_source)


@pytest.mark.parametrize("separator", ["\x1f", "\x1e", "\0"])
def test_a_text_with_a_separator_is_refused_and_leaves_nothing(
    bulk: BulkLoad, server: TableServer, azurite: Azurite, container: Staging, separator: str
) -> None:
    with pytest.raises(BulkLoadClosed, match="holds a separator"):
        bulk.load(every_type, ("line", "text"), [(1, "good"), (2, f"a{separator}b")], stamp=("load_id", LOAD))
    assert server.table.rows == []
    assert files(azurite, container) == []


def test_a_file_that_the_server_cannot_read_is_removed_and_nothing_stays(
    bulk: BulkLoad, server: TableServer, azurite: Azurite, container: Staging
) -> None:
    server.follow(Plan(errors={"BULK INSERT": 4863}))
    with pytest.raises(DatabaseValueTooLong):
        bulk.load(every_type, NAMES, rows(10), stamp=("load_id", LOAD))
    assert files(azurite, container) == []


def test_rows_that_the_server_left_out_are_missed(bulk: BulkLoad, server: TableServer) -> None:
    server.follow(replace(server.table.plan, loses=1))
    with pytest.raises(BulkLoadIncomplete, match="of 10 rows arrived"):
        bulk.load(every_type, NAMES, rows(10), stamp=("load_id", LOAD))
    assert server.table.rows == []


def test_bulk_insert_without_a_source_is_a_mistake(on_server: Database) -> None:
    with pytest.raises(ValueError, match="needs a source"):
        BulkLoad(on_server, BulkMethod.BULK_INSERT)
