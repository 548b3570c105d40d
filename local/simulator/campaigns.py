"""Smart Campaigns: finding and copying them."""

import sqlite3


def campaign(connection: sqlite3.Connection, campaign_id: int) -> sqlite3.Row | None:
    """A Smart Campaign; None when there is none with this ID."""
    row: sqlite3.Row | None = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    return row


def copy(connection: sqlite3.Connection, source: sqlite3.Row, name: str, list_id: int, now: int) -> int:
    """Copy a Smart Campaign with its messages and Wait nodes, assign a list to the copy, and return its ID.

    The copy can be started or activated at once, whatever the status of its source.
    """
    copy_id = int(connection.execute("SELECT max(id) + 1 FROM campaign").fetchone()[0])
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
