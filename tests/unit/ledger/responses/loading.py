"""Loads response files as `shared/steps/load_responses.py` does, from events instead of a file.

As a program: `loading.py <file of files, as JSON>`, for a load in a process of its own.
"""

import json
import os
import sys
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete

import tests.databases  # noqa: F401 - there the server of the tests is accepted
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import ResponseFiles, record_load
from shared.ledger.responses.move import move
from shared.response import Response
from shared.response_file import LoadCounts, ResponseFile
from tests.clocks import MovableClock
from tests.response_files import add_file, gather_file

ZONE = ZoneInfo("Europe/Berlin")
SCHEMA = RsDbSchema(ZONE.key)
#: Half past two in Berlin, for the first time that night.
MOMENT = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def empty(database: Database) -> None:
    """Remove every response and response file."""
    with database.writing() as connection:
        for table in (
            tables.response_event,
            tables.unmatched_response,
            tables.response_staging,
            tables.reject_count,
            tables.response_file,
            SCHEMA.response_details,
            SCHEMA.response,
        ):
            connection.execute(delete(table))


def gathered(database: Database, name: str) -> ResponseFile:
    """A response file of this name that waits for its load; each call makes another."""
    files = ResponseFiles(database, MovableClock(MOMENT))
    for size in count(1):
        if files.find(name, size, MOMENT) is None:
            return gather_file(files, add_file(files, name, size, MOMENT), due_at=MOMENT)
    raise AssertionError


def load(
    database: Database,
    file: ResponseFile,
    rows: Sequence[Response],
    *,
    before_commit: Callable[[Connection], None] = lambda _connection: None,
) -> LoadCounts:
    """Stage the rows, move the new ones, record it."""
    responses.clear(database, file)
    load_id = str(uuid.uuid4())
    responses.stage(BulkLoad(database), file, load_id, enumerate(rows, start=2), ZONE)
    with database.writing() as connection:
        new = move(connection, load_id, RsDb(SCHEMA), now=MOMENT)
        loaded = sum(one.rows for one in new)
        counts = LoadCounts(
            read=len(rows),
            loaded=loaded,
            known=len(rows) - loaded,
            rejected=0,
            unmatched=sum(one.unmatched for one in new),
            by_type={one.message_type: one.rows for one in new},
        )
        record_load(connection, file, counts, {}, owner="loader", now=MOMENT)
        before_commit(connection)
    return counts


def numbered(number: int) -> Response:
    """The n-th of many different events."""
    return Response(
        message_type="Open",
        event_time=MOMENT + timedelta(minutes=number % 60),
        email=f"{number}@example.com",
        urn=str(number),
        communication_key=f"K{number}",
    )


def main() -> None:
    (path,) = sys.argv[1:]
    database = Database(os.environ["RS_DB"], "RS_DB")
    files: list[list[int]] = json.loads(Path(path).read_text())
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    for place, numbers in enumerate(files):
        load(database, gathered(database, f"{Path(path).name} {place}"), [numbered(number) for number in numbers])
    database.close()


if __name__ == "__main__":
    main()
