"""The recipient list pool, and imports into its lists: for sending batches and the closed loop.

A list is taken when it is needed, in turn, and is free again after the campaign that used it has finished
(`optimizely.md` 2.1: recycled after some time; ASSUMPTION: exactly then).
"""

import csv
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager

from local.simulator.faults import Faults
from local.simulator.recipient_rows import fill, import_takes


def take(connection: sqlite3.Connection) -> int | None:
    """Take the free list that was taken longest ago; None when there is none."""
    found = connection.execute(
        "SELECT pool_list.list_id FROM pool_list LEFT JOIN campaign ON campaign.id = campaign_id "
        "WHERE NOT importing AND (campaign_id IS NULL OR status IN ('finished', 'canceled')) "
        "ORDER BY taken NULLS FIRST, pool_list.list_id LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    connection.execute(
        "UPDATE pool_list SET importing = 1, campaign_id = NULL, "
        "taken = (SELECT coalesce(max(taken), 0) + 1 FROM pool_list) WHERE list_id = ?",
        (found["list_id"],),
    )
    return int(found["list_id"])


def give(connection: sqlite3.Connection, list_id: int, campaign_id: int | None) -> None:
    """Give a list that was taken to a Smart Campaign until it has finished; None: back to the pool."""
    connection.execute("UPDATE pool_list SET importing = 0, campaign_id = ? WHERE list_id = ?", (campaign_id, list_id))


def begin_import(
    connection: sqlite3.Connection, kind: str, list_id: int, file: str, size: int, now: int, faults: Faults
) -> int:
    """Clear a list and begin to fill it; the ID of the run.

    Args:
        connection: in a transaction.
        kind: `batch` or `closed_loop`.
        list_id: the list.
        file: what the recipients come from, for the book.
        size: bytes.
        now: simulated time.
        faults: those that are played.
    """
    connection.execute("DELETE FROM recipient WHERE list_id = ?", (list_id,))
    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (now, list_id))
    run_id = connection.execute(
        "INSERT INTO import_run (list_id, file, started, ends, state, kind) VALUES (?, ?, ?, ?, 'importing', ?)",
        (list_id, file, now, now + import_takes(size, faults), kind),
    ).lastrowid
    return int(run_id or 0)


def imports_under_way(connection: sqlite3.Connection, kind: str) -> list[sqlite3.Row]:
    """Runs of a kind that have not ended, oldest first."""
    return connection.execute(
        "SELECT * FROM import_run WHERE state = 'importing' AND kind = ? ORDER BY id", (kind,)
    ).fetchall()


def end_import(
    connection: sqlite3.Connection,
    run: sqlite3.Row,
    source: AbstractContextManager[Iterable[dict[str, str]]],
    now: int,
    faults: Faults,
) -> bool:
    """Fill the list, and record how it went.

    Args:
        connection: in a transaction.
        run: row of `import_run`.
        source: the rows, by field name.
        now: simulated time.
        faults: those that are played.

    Returns:
        Whether it went well. Else nobody is on the list, and the run has an error.
    """
    skipped: Counter[str] = Counter()
    imported, error = 0, None
    try:
        with source as rows:
            imported = fill(connection, run["list_id"], rows, skipped, now, faults)
    except (ValueError, OSError, csv.Error) as broken:
        error, imported = str(broken), 0
        skipped.clear()
        connection.execute("DELETE FROM recipient WHERE list_id = ?", (run["list_id"],))
    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (max(now, run["ends"]), run["list_id"]))
    connection.execute(
        "UPDATE import_run SET state = 'done', rows_read = ?, imported = ?, skipped = ?, error = ? WHERE id = ?",
        (imported + skipped.total(), imported, json.dumps(skipped), error, run["id"]),
    )
    return error is None
