"""Sending batches: recipients are added chunk by chunk, imported into a list of the pool, and mailed.

ASSUMPTION: a chunk replaces an earlier one of the same name; the copy of a campaign is named after its source and
the batch's tag; a batch whose campaign can no longer be started is `invalid`.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from local.simulator import campaigns, imports, pool, sending
from local.simulator.faults import Faults
from local.simulator.recipient_rows import fields_of, skip_reason
from local.simulator.store import Store
from local.simulator.suppression import suppressed_addresses


class PoolEmptyError(Exception):
    """All lists of the pool are in use."""


class NotSendableError(Exception):
    """The batch is already sent, has no chunks, or its campaign cannot be started."""


def prepare(connection: sqlite3.Connection, campaign: sqlite3.Row, tag: str, now: int, *, copied: bool) -> int:
    """Prepare a batch and return its ID.

    Args:
        connection: in a transaction.
        campaign: the Smart Campaign to use or to copy.
        tag: may be empty.
        now: simulated time.
        copied: whether a copy of the campaign is used.

    Raises:
        PoolEmptyError: no list is free.
    """
    list_id = pool.acquire(connection)
    if list_id is None:
        raise PoolEmptyError
    batch_id = connection.execute("SELECT coalesce(max(id) + 1, 9001) FROM sending_batch").fetchone()[0]
    if copied:
        name = f"{campaign['name']} {tag or batch_id}"
        campaign_id = campaigns.copy(connection, campaign, name, list_id, now)
    else:
        campaign_id = campaign["id"]
        connection.execute("UPDATE campaign SET list_id = ?, modified = ? WHERE id = ?", (list_id, now, campaign_id))
    pool.assign(connection, list_id, campaign_id)
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
        How many of the recipients would be mailed as things are now.
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
    fields, suppressed = fields_of(connection, batch["list_id"]), suppressed_addresses(connection, now)
    return sum(skip_reason(row, fields, suppressed) is None for row in rows)


def chunks(connection: sqlite3.Connection, batch_id: int) -> list[str]:
    """Names of the chunks of a batch, in the order in which they were first added."""
    return [
        row["name"]
        for row in connection.execute("SELECT name FROM batch_chunk WHERE batch_id = ? ORDER BY id", (batch_id,))
    ]


def send(connection: sqlite3.Connection, batch: sqlite3.Row, now: int, faults: Faults) -> None:
    """Begin to import the recipients of a batch; its campaign starts when they are imported.

    Raises:
        NotSendableError: the response is 409.
    """
    if state(connection, batch) != "has_recipients":
        raise NotSendableError
    size = connection.execute(
        "SELECT coalesce(sum(length(row)), 0) FROM batch_recipient JOIN batch_chunk ON batch_chunk.id = chunk_id "
        "WHERE batch_id = ?",
        (batch["id"],),
    ).fetchone()[0]
    run_id = imports.begin(connection, "batch", batch["list_id"], f"sending batch {batch['id']}", size, now, faults)
    connection.execute("UPDATE sending_batch SET state = 'sent', run_id = ? WHERE id = ?", (run_id, batch["id"]))


def work(store: Store, now: int, faults: Faults) -> bool:
    """Finish imports that are due, and start their campaigns.

    Returns:
        Whether an import is running.
    """
    with store.reading() as connection:
        runs = imports.in_progress(connection, "batch")
    for run in runs:
        if run["ends"] <= now:
            with store.writing() as connection:
                batch = connection.execute("SELECT * FROM sending_batch WHERE run_id = ?", (run["id"],)).fetchone()
                imports.finish(connection, run, nullcontext(_rows(connection, batch["id"])), now, faults)
                campaign = campaigns.campaign(connection, batch["campaign_id"])
                if campaign is not None and campaign["status"] == "activationRequired":
                    sending.begin(connection, campaign, run["ends"])
    return bool(runs)


def _rows(connection: sqlite3.Connection, batch_id: int) -> Iterator[dict[str, str]]:
    rows: Iterable[sqlite3.Row] = connection.execute(
        "SELECT row FROM batch_recipient JOIN batch_chunk ON batch_chunk.id = chunk_id WHERE batch_id = ? "
        "ORDER BY batch_chunk.id, batch_recipient.id",
        (batch_id,),
    )
    return (json.loads(row["row"]) for row in rows)
