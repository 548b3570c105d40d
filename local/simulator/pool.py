"""The recipient list pool: lists for sending batches and the closed loop.

Lists are acquired in turn. A list is free again when the campaign that used it has finished (docs/why/sources.md,
Optimizely 2.1: recycled after some time; ASSUMPTION: exactly then).
"""

import sqlite3


def acquire(connection: sqlite3.Connection) -> int | None:
    """Acquire the free list that was acquired longest ago; None when no list is free."""
    row = connection.execute(
        "SELECT pool_list.list_id FROM pool_list LEFT JOIN campaign ON campaign.id = campaign_id "
        "WHERE NOT importing AND (campaign_id IS NULL OR status IN ('finished', 'canceled')) "
        "ORDER BY taken NULLS FIRST, pool_list.list_id LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "UPDATE pool_list SET importing = 1, campaign_id = NULL, "
        "taken = (SELECT coalesce(max(taken), 0) + 1 FROM pool_list) WHERE list_id = ?",
        (row["list_id"],),
    )
    return int(row["list_id"])


def assign(connection: sqlite3.Connection, list_id: int, campaign_id: int) -> None:
    """Assign an acquired list to a Smart Campaign until it has finished."""
    connection.execute("UPDATE pool_list SET importing = 0, campaign_id = ? WHERE list_id = ?", (campaign_id, list_id))


def release(connection: sqlite3.Connection, list_id: int) -> None:
    """Return an acquired list to the pool."""
    connection.execute("UPDATE pool_list SET importing = 0, campaign_id = NULL WHERE list_id = ?", (list_id,))
