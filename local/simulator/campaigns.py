"""Smart Campaigns: finding, copying and deleting them."""

import sqlite3

from local.simulator import pool


class StartedError(Exception):
    """The Smart Campaign has started, so it is not deleted."""


def campaign(connection: sqlite3.Connection, campaign_id: int) -> sqlite3.Row | None:
    """A Smart Campaign; None when there is none with this ID."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    return row


def copy(connection: sqlite3.Connection, source: sqlite3.Row, name: str, list_id: int, now: int) -> int:
    """Copy a Smart Campaign with its messages and Wait nodes, assign a list to the copy, and return its ID.

    The copy can be started or activated at once, whatever the status of its source.
    """
    # The messages of a deleted Smart Campaign stay, so that no id is used twice.
    copy_id = int(connection.execute("SELECT max(campaign_id) + 1 FROM message").fetchone()[0])
    connection.execute(
        "INSERT INTO campaign (id, name, status, list_id, source_id, created, modified) VALUES (?,?,?,?,?,?,?)",
        (copy_id, name, "activationRequired", list_id, source["id"], now, now),
    )
    connection.execute(
        "INSERT INTO message (mailing_id, campaign_id, name) SELECT (SELECT max(mailing_id) FROM message) + "
        "row_number() OVER (ORDER BY mailing_id), ?, name FROM message WHERE campaign_id = ?",
        (copy_id, source["id"]),
    )
    connection.execute(
        "INSERT INTO wait_node (campaign_id, position, scheduled_at, after_import, at_time) "
        "SELECT ?, position, scheduled_at, after_import, at_time FROM wait_node WHERE campaign_id = ?",
        (copy_id, source["id"]),
    )
    return copy_id


def delete(connection: sqlite3.Connection, deleted: sqlite3.Row) -> None:
    """Delete a Smart Campaign that has not started. ASSUMPTION: its list returns to the pool.

    Raises:
        StartedError: the response is 400.
    """
    if deleted["started"] is not None:
        raise StartedError
    connection.execute("DELETE FROM wait_node WHERE campaign_id = ?", (deleted["id"],))
    connection.execute("DELETE FROM campaign WHERE id = ?", (deleted["id"],))
    if connection.execute("SELECT 1 FROM pool_list WHERE campaign_id = ?", (deleted["id"],)).fetchone():
        pool.release(connection, deleted["list_id"])
