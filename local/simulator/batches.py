"""Sending batches: recipients given chunk by chunk, imported into a list of the pool, then sent to.

ASSUMPTION: a chunk that comes again under its name replaces the first; the copy of a campaign is named after
its source and the batch's tag; a batch whose campaign can no longer be started is `invalid`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from local.simulator import campaigns, pool, sending
from local.simulator.faults import Faults
from local.simulator.recipient_rows import fault, fields_of
from local.simulator.store import Store
from local.simulator.suppression import left_out


class PoolEmptyError(Exception):
    """Every list of the pool is taken."""


class NotSendableError(Exception):
    """The batch is sent already, has no chunks, or its campaign cannot be started."""


def prepare(connection: sqlite3.Connection, campaign: sqlite3.Row, tag: str, now: int, *, copied: bool) -> int:
    """Prepare a batch; its ID.

    Args:
        connection: in a transaction.
        campaign: the Smart Campaign to use or to copy.
        tag: may be empty.
        now: simulated time.
        copied: whether a copy of the campaign is used.

    Raises:
        PoolEmptyError: there is no list for it.
    """
    list_id = pool.take(connection)
    if list_id is None:
        raise PoolEmptyError
    batch_id = connection.execute("SELECT coalesce(max(id) + 1, 9001) FROM sending_batch").fetchone()[0]
    if copied:
        name = f"{campaign['name']} {tag or batch_id}"
        campaign_id = campaigns.copy(connection, campaign, name, list_id, now)
    else:
        campaign_id = campaign["id"]
        connection.execute("UPDATE campaign SET list_id = ?, modified = ? WHERE id = ?", (list_id, now, campaign_id))
    pool.give(connection, list_id, campaign_id)
    connection.execute(
        "INSERT INTO sending_batch (id, campaign_id, list_id, tag, state) VALUES (?, ?, ?, ?, 'initiated')",
        (batch_id, campaign_id, list_id, tag),
    )
    return int(batch_id)


def state(connection: sqlite3.Connection, batch: sqlite3.Row) -> str:
    """The state of a batch."""
    campaign = campaigns.campaign(connection, batch["campaign_id"])
    usable = campaign is not None and campaign["status"] == "activationRequired"
    return str(batch["state"]) if usable or batch["state"] == "sent" else "invalid"


def add_chunk(
    connection: sqlite3.Connection, batch: sqlite3.Row, name: str, rows: list[dict[str, str]], now: int
) -> int:
    """Add a chunk to a batch that is not yet sent.

    Args:
        connection: in a transaction.
        batch: row of `sending_batch`.
        name: the chunk's name.
        rows: recipients, by field name.
        now: simulated time.

    Returns:
        How many of the recipients would be mailed as far as can be said now.
    """
    connection.execute("INSERT OR IGNORE INTO batch_chunk (batch_id, name) VALUES (?, ?)", (batch["id"], name))
    chunk_id = connection.execute(
        "SELECT id FROM batch_chunk WHERE batch_id = ? AND name = ?", (batch["id"], name)
    ).fetchone()[0]
    connection.execute("DELETE FROM batch_recipient WHERE chunk_id = ?", (chunk_id,))
    connection.executemany(
        "INSERT INTO batch_recipient (chunk_id, row) VALUES (?, ?)", [(chunk_id, json.dumps(row)) for row in rows]
    )
    connection.execute("UPDATE sending_batch SET state = 'has_recipients' WHERE id = ?", (batch["id"],))
    fields, kept_out = fields_of(connection, batch["list_id"]), left_out(connection, now)
    return sum(fault(row, fields, kept_out) is None for row in rows)


def chunks(connection: sqlite3.Connection, batch_id: int) -> list[str]:
    """Names of the chunks of a batch, in the order in which they first came."""
    return [
        row["name"]
        for row in connection.execute("SELECT name FROM batch_chunk WHERE batch_id = ? ORDER BY id", (batch_id,))
    ]


def send(connection: sqlite3.Connection, batch: sqlite3.Row, now: int, faults: Faults) -> None:
    """Begin to import the recipients of a batch; its campaign starts when they are imported.

    Raises:
        NotSendableError: answered with 409.
    """
    if state(connection, batch) != "has_recipients":
        raise NotSendableError
    size = connection.execute(
        "SELECT coalesce(sum(length(row)), 0) FROM batch_recipient JOIN batch_chunk ON batch_chunk.id = chunk_id "
        "WHERE batch_id = ?",
        (batch["id"],),
    ).fetchone()[0]
    run_id = pool.begin_import(connection, "batch", batch["list_id"], f"sending batch {batch['id']}", size, now, faults)
    connection.execute("UPDATE sending_batch SET state = 'sent', run_id = ? WHERE id = ?", (run_id, batch["id"]))


def work(store: Store, now: int, faults: Faults) -> bool:
    """End the imports whose time has come, and start their campaigns.

    Returns:
        Whether an import is running.
    """
    with store.reading() as connection:
        runs = pool.imports_under_way(connection, "batch")
    for run in runs:
        if run["ends"] <= now:
            with store.writing() as connection:
                batch = connection.execute("SELECT * FROM sending_batch WHERE run_id = ?", (run["id"],)).fetchone()
                pool.end_import(connection, run, nullcontext(_rows(connection, batch["id"])), now, faults)
                campaign = campaigns.campaign(connection, batch["campaign_id"])
                if campaign is not None and campaign["status"] == "activationRequired":
                    sending.begin(connection, campaign, run["ends"])
    return bool(runs)


def _rows(connection: sqlite3.Connection, batch_id: int) -> Iterator[dict[str, str]]:
    found: Iterable[sqlite3.Row] = connection.execute(
        "SELECT row FROM batch_recipient JOIN batch_chunk ON batch_chunk.id = chunk_id WHERE batch_id = ? "
        "ORDER BY batch_chunk.id, batch_recipient.id",
        (batch_id,),
    )
    return (json.loads(one["row"]) for one in found)
