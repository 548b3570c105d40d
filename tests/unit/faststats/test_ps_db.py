"""PS_DB: a delivery file is found by the GUID in its name, and its command read with suspicion."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, insert

from shared.database.connections import Database
from shared.errors import SchemaMapMismatch
from shared.faststats.ps_db import DeliveryCommand, PsDb
from shared.faststats.schema_map.names import PsDbSchema, SchemaMap
from tests.clocks import MovableClock
from tests.databases import ZONE

from .conftest import NOW

GUID = UUID("66ce38fd-191a-48b9-885f-eca1bac20803")
DELIVERY = UUID("e48c3fd3-7317-4637-aeac-4fa1505273ac")
FILE = rf"D:\Apteco\Publish\Demo\system\Deliveries\PowerShell_123  Spring_{GUID}.txt"


def command(details: str = "BroadcastActionDetails", file: str = FILE, **elements: str) -> str:
    """A delivery command as docs/why/sources.md, Apteco 4.3 describes it."""
    texts = {
        "ExternalId": "<IdType>DeliveryStepId</IdType><Id>17</Id>",
        "DeliveryKey": str(DELIVERY),
        "Run": "3",
        "StepId": "4711",
        "FilePath": file,
        "Parameters": "a=b",
        **elements,
    }
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())
    return f"<DeliveryCommand><{details}>{inner}</{details}></DeliveryCommand>"


@pytest.fixture
def ps_database(open_database: Callable[[str], Database], tmp_path: Path) -> Database:
    database = open_database(f"sqlite:///{tmp_path / 'ps.sqlite'}")
    with database.writing() as connection:
        PsDbSchema(ZONE).metadata.create_all(connection)
    return database


@pytest.fixture
def ps_db(ps_database: Database) -> PsDb:
    return PsDb(ps_database, PsDbSchema(ZONE), clock=MovableClock(NOW))


@pytest.fixture
def add(ps_database: Database) -> Callable[..., None]:
    def add_one(text: str | None, added: datetime = NOW) -> None:
        with ps_database.writing() as connection:
            connection.execute(insert(PsDbSchema(ZONE).delivery_commands).values(date_added=added, command=text))

    return add_one


WANTED = DeliveryCommand(step_id=4711, run=3, delivery_key=DELIVERY)


@pytest.mark.parametrize("details", ["BroadcastActionDetails", "FtpActionDetails"])
def test_a_delivery_is_found_by_the_guid_of_its_file(ps_db: PsDb, add: Callable[..., None], details: str) -> None:
    add(command(file="D:\\Other_55935023-191a-48b9-885f-eca1bac20803.txt"))
    add(command(details))
    assert ps_db.find_delivery(GUID) == WANTED


@pytest.mark.parametrize("file", [FILE.replace(str(GUID), str(GUID).upper()), FILE + ".converted", FILE + ".zip"])
def test_case_and_further_extensions_do_not_matter(ps_db: PsDb, add: Callable[..., None], file: str) -> None:
    add(command(file=file))
    assert ps_db.find_delivery(GUID) == WANTED


def test_a_guid_that_stands_elsewhere_in_a_command_does_not_count(ps_db: PsDb, add: Callable[..., None]) -> None:
    add(command(file="D:\\Other_55935023-191a-48b9-885f-eca1bac20803.txt", DeliveryKey=str(GUID)))
    assert ps_db.find_delivery(GUID) is None


def test_of_several_commands_for_one_file_the_newest_counts(ps_db: PsDb, add: Callable[..., None]) -> None:
    add(command(Run="1"), NOW - timedelta(days=2))
    add(command(Run="3"), NOW - timedelta(minutes=1))
    add(command(Run="2"), NOW - timedelta(days=1))
    assert ps_db.find_delivery(GUID) == WANTED


def test_commands_of_long_ago_are_not_searched(ps_db: PsDb, add: Callable[..., None]) -> None:
    add(command(), NOW - timedelta(days=91))
    assert ps_db.find_delivery(GUID) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        f"not XML {GUID}",
        f"<DeliveryCommand>{GUID}</DeliveryCommand>",
        f'<!DOCTYPE x [<!ENTITY a "{GUID}">]>' + command(),
        "<a>" + str(GUID) + "x" * 1_100_000 + "</a>",
    ],
    ids=["NULL", "empty", "text", "no details", "a document type", "too long"],
)
def test_a_command_that_cannot_be_read_hides_no_other(ps_db: PsDb, add: Callable[..., None], text: str | None) -> None:
    add(text)
    assert ps_db.find_delivery(GUID) is None
    add(command(), NOW - timedelta(days=1))
    assert ps_db.find_delivery(GUID) == WANTED


def test_what_a_command_does_not_show_is_left_out(ps_db: PsDb, add: Callable[..., None]) -> None:
    add(command(StepId="", ExternalId="", Run="many", DeliveryKey="none"))
    assert ps_db.find_delivery(GUID) == DeliveryCommand(step_id=None, run=None, delivery_key=None)


def test_the_step_stands_in_the_external_id_where_it_stands_nowhere_else(ps_db: PsDb, add: Callable[..., None]) -> None:
    add(command(StepId=""))
    found = ps_db.find_delivery(GUID)
    assert found is not None
    assert found.step_id == 17


def test_ps_db_is_only_read(ps_db: PsDb, ps_database: Database, add: Callable[..., None]) -> None:
    add(command())
    statements: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(ps_database.engine, "before_cursor_execute", listen)
    ps_db.find_delivery(GUID)
    assert statements
    assert all(one.startswith(("SELECT", "PRAGMA", "BEGIN")) for one in statements)
    assert "BEGIN IMMEDIATE" not in statements


def test_a_view_that_is_not_as_the_map_says_is_reported(ps_database: Database) -> None:
    names = SchemaMap({"ps_db.delivery_commands.command": "Order"})
    with pytest.raises(SchemaMapMismatch, match="vDeliveryCommands has no column Order"):
        PsDb(ps_database, PsDbSchema(ZONE, names), clock=MovableClock(NOW)).find_delivery(GUID)
