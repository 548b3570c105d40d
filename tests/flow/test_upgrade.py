"""What was under way when the tables were migrated is finished by the new code."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Inspector, create_engine, delete, inspect

from shared.bridge import Bridge
from shared.broadcast import State
from shared.ledger.migrations import known_migrations
from shared.ledger.schema import Schema
from shared.ledger.tables import metadata, migration
from shared.operations.responses import add_file, load_again
from shared.response_file import FileState
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.storage import blob_names
from tests.flow.harness import Flow

pytestmark = pytest.mark.sqlite

_HEADER = "Urn;CommunicationKey;MessageType;EventTriggeredDate\n"
#: The migrations of the version before.
_VERSION_5 = 5


def migrate_from_version_5(bridge: Bridge) -> None:
    database = bridge.rs_database
    old = create_engine("sqlite://")
    with old.begin() as connection:
        for known in known_migrations("sqlite")[:_VERSION_5]:
            for statement in known.statements:
                connection.exec_driver_sql(statement)
    with database.writing() as connection:
        downgrade(connection, inspect(old), inspect(database.engine))
    old.dispose()
    # The version before kept no mark of its ledger, so there was no copy of it either.
    bridge.lists.remove(blob_names.HIGH_WATER_MARK)
    assert Schema(database).pending() != []
    Schema(database).migrate()


def downgrade(connection: Connection, old: Inspector, new: Inspector) -> None:
    """Remove what later migrations added, and their record."""

    def added(of: str, table: str) -> set[str]:
        before, after = (
            {str(one["name"]) for one in getattr(inspector, f"get_{of}")(table)} for inspector in (old, new)
        )
        return after - before

    ours, kept = set(known_tables(new)), set(known_tables(old))
    statements = [f'DROP TABLE "{table}"' for table in ours - kept]
    for table in kept:
        statements += [f'DROP INDEX "{index}"' for index in added("indexes", table)]
        statements += [f'ALTER TABLE "{table}" DROP COLUMN "{column}"' for column in added("columns", table)]
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.execute(delete(migration).where(migration.c.number > _VERSION_5))


def known_tables(inspector: Inspector) -> list[str]:
    """The tables of the ledger that this database has."""
    return [name for name in inspector.get_table_names() if name in {table.name for table in metadata.tables.values()}]


@pytest.mark.parametrize("state", [State.CLAIMED, State.STAGED, State.PREPARED, State.UPLOADED])
def test_a_broadcast_that_is_under_way_is_finished(flow: Flow, state: State) -> None:
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, state)
    migrate_from_version_5(flow.bridge)
    flow.clock.advance(hours=1)  # its message is lost
    broadcast = flow.sweep_until_at_rest(job_id)
    assert broadcast.state is State.CLOSED
    assert broadcast.sent == broadcast.imported
    assert len(flow.copies(broadcast)) == 1


def test_response_files_of_every_state_are_finished(flow: Flow) -> None:
    def file(name: str, row: str, header: str = _HEADER) -> int:
        path = Path(flow.folder, name)
        path.write_text(f"{header}{row}\n")
        return add_file(flow.bridge, path).id

    files = flow.bridge.ledger.response_files
    loaded = file("Response-loaded.csv", "1;K1;Open;01.03.2026 12:00")
    load_again(flow.bridge, loaded)
    again = file("Response-again.csv", "1;K1;Open;01.03.2026 13:00")
    load_again(flow.bridge, again)
    files.load_again(files.get(again), due_at=flow.clock.now(), owner="operator")
    failed = file("Response-failed.csv", "1;K1", header="no;such\n")
    flow.bridge.queues.send(flow.bridge.settings.load_responses_queue, {"response_file": failed})
    flow.deliver()
    gathered = file("Response-gathered.csv", "1;K1;Open;01.03.2026 14:00")
    flow.take(flow.bridge.settings.load_responses_queue)  # its message is lost
    changed = flow.clock.now()
    files.add("Response-gone.csv", 1, changed, layout="default", owner="gatherer", note="seen")
    assert [files.get(one).state for one in (loaded, again, failed, gathered)] == [
        FileState.LOADED,
        FileState.GATHERED,
        FileState.FAILED,
        FileState.GATHERED,
    ]

    migrate_from_version_5(flow.bridge)
    flow.clock.advance(hours=1)
    housekeeping(flow.bridge)
    flow.deliver()
    assert load_again(flow.bridge, loaded).known == 1
    for _ in range(flow.bridge.settings.response_file_rounds):
        gather_responses(flow.bridge)
    # Read one by one: the SFTP site may have any number of files of other tests, which are newer.
    assert [files.get(one).state for one in (loaded, again, failed, gathered)] == [
        FileState.LOADED,
        FileState.LOADED,
        FileState.FAILED,
        FileState.LOADED,
    ]
    gone = files.find("Response-gone.csv", 1, changed)
    assert gone is not None
    assert gone.state is FileState.FAILED
    assert [row.to_state for row in files.history(files.get(gathered))] == [FileState.LOADED]
    totals = files.totals()
    assert (totals["rows_loaded"], totals["rows_known"]) == (3, 0)
