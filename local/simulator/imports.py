"""Imports into recipient lists, of all kinds: `job`, `batch` and `closed_loop`."""

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager

from local.simulator.faults import Faults
from local.simulator.recipient_rows import fill, import_seconds

#: The state of an import in progress, by kind. Only import jobs are `running` jobs.
_IN_PROGRESS = {"job": "running", "batch": "importing", "closed_loop": "importing"}


def begin(
    connection: sqlite3.Connection, kind: str, list_id: int, file: str, size: int, now: int, faults: Faults
) -> int:
    """Clear a list and begin to import into it; return the ID of the run.

    Args:
        connection: in a transaction.
        kind: `job`, `batch` or `closed_loop`.
        list_id: the list.
        file: origin of the recipients, for the records.
        size: bytes.
        now: simulated time.
        faults: the active faults.
    """
    connection.execute("DELETE FROM recipient WHERE list_id = ?", (list_id,))
    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (now, list_id))
    run_id = connection.execute(
        "INSERT INTO import_run (list_id, file, started, ends, state, kind) VALUES (?, ?, ?, ?, ?, ?)",
        (list_id, file, now, now + import_seconds(size, faults), _IN_PROGRESS[kind], kind),
    ).lastrowid
    return int(run_id or 0)


def in_progress(connection: sqlite3.Connection, kind: str) -> list[sqlite3.Row]:
    """Unfinished runs of a kind, oldest first."""
    return connection.execute(
        "SELECT * FROM import_run WHERE state <> 'done' AND kind = ? ORDER BY id", (kind,)
    ).fetchall()


def finish(
    connection: sqlite3.Connection,
    run: sqlite3.Row,
    source: AbstractContextManager[Iterable[dict[str, str]]],
    now: int,
    faults: Faults,
) -> bool:
    """Fill the list, and record the result.

    Args:
        connection: in a transaction.
        run: row of `import_run`.
        source: the rows, by field name.
        now: simulated time.
        faults: the active faults.

    Returns:
        Whether the import succeeded. Otherwise the list is empty, and the run has an error.
    """
    skipped: Counter[str] = Counter()
    imported, error = 0, None
    try:
        with source as rows:
            imported = fill(connection, run["list_id"], rows, skipped, now, faults)
    except (ValueError, OSError, csv.Error) as failure:
        error, imported = str(failure), 0
        skipped.clear()
        connection.execute("DELETE FROM recipient WHERE list_id = ?", (run["list_id"],))
    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (max(now, run["ends"]), run["list_id"]))
    connection.execute(
        "UPDATE import_run SET state = 'done', rows_read = ?, imported = ?, skipped = ?, error = ? WHERE id = ?",
        (imported + skipped.total(), imported, json.dumps(skipped), error, run["id"]),
    )
    return error is None
