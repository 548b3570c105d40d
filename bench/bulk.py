"""Measures the speed of bulk loads, as ratios in one run: each load method against single INSERTs.

.venv/bin/python bench/bulk.py [--database-url <connection>] [--rows 20000]

The connection is a SQLAlchemy URL or a connection string of a database in which the login may create a table;
without it, a SQLite file is used. The table is created and dropped. Single INSERTs are measured with fewer rows.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, Unicode, UnicodeText, insert

from shared.config.settings import BulkMethod
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.database.types import UtcDateTime
from shared.errors import BridgeError

_SINGLE_ROWS = 500
_REPEATS = 3
metadata = MetaData()
#: As wide as a staged response.
staged = Table(
    "bridge_bench_staged",
    metadata,
    Column("load_id", String(36), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("event_key", LargeBinary(16), nullable=False),
    Column("email", Unicode(320), nullable=False),
    Column("urn", Unicode(255), nullable=False),
    Column("communication_key", String(64), nullable=False),
    Column("message_type", Unicode(50), nullable=False),
    Column("event_time", UtcDateTime, nullable=False),
    Column("click_date", UtcDateTime),
    Column("click_url", Unicode(2000), nullable=False),
    Column("details", UnicodeText, nullable=False),
)
_NAMES = tuple(column.name for column in staged.columns if column.name != "load_id")
_MOMENT = datetime(2026, 2, 2, 9, tzinfo=UTC)


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Staged responses; every third is a click."""
    for line in range(count):
        at = _MOMENT + timedelta(seconds=line)
        click = line % 3 == 0
        yield (
            line,
            line.to_bytes(16),
            f"person{line}@example.org",
            str(line),
            f"k{line}",
            "Click" if click else "Open",
            at,
            at if click else None,
            f"https://example.org/offers/{line}?source=mail" if click else "",
            '{"Browser": "Firefox", "Device": "Desktop"}',
        )


def insert_singly(database: Database, load_id: str) -> None:
    """The baseline: one statement per row, in one transaction."""
    with database.writing() as connection:
        for row in rows(_SINGLE_ROWS):
            connection.execute(insert(staged), {"load_id": load_id, **dict(zip(_NAMES, row, strict=True))})


def seconds_per_row(work: Callable[[str], None], count: int, name: str) -> float:
    """Seconds per row of the fastest run."""
    times = []
    for run in range(_REPEATS):
        started = time.perf_counter()
        work(f"{name} {run}")
        times.append(time.perf_counter() - started)
    return min(times) / count


def measure(database: Database, count: int) -> None:
    """Print rows per second and ratios."""
    baseline = seconds_per_row(lambda load_id: insert_singly(database, load_id), _SINGLE_ROWS, "single")
    print(f"{'single INSERTs (baseline)':28} {1 / baseline:>10,.0f} rows/s")
    methods = (BulkMethod.INSERT,) if database.server is None else (BulkMethod.INSERT, BulkMethod.BULK_COPY)
    for method in methods:
        bulk = BulkLoad(database, method)

        def load(load_id: str, bulk: BulkLoad = bulk) -> None:
            assert bulk.load(staged, _NAMES, rows(count), stamp=("load_id", load_id)) == count

        try:
            seconds = seconds_per_row(load, count, method)
        except BridgeError as error:
            print(f"{method:28} {error}")
        else:
            print(f"{method:28} {1 / seconds:>10,.0f} rows/s  {baseline / seconds:5.1f} times as fast")


def main() -> None:
    """Measure on the given database, or on a SQLite file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database-url")
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        connection = arguments.database_url or f"sqlite:///{Path(folder) / 'bench.sqlite'}"
        with closing(Database(connection, "RS_DB")) as database:
            with database.writing() as transaction:
                metadata.create_all(transaction)
            try:
                measure(database, arguments.rows)
            finally:
                with database.writing() as transaction:
                    metadata.drop_all(transaction)


if __name__ == "__main__":
    main()
