"""Wait nodes of a Smart Campaign: a sequence between its recipients and its message.

ASSUMPTION: the import that counts is one into the campaign's list that began after the activation and
succeeded (docs/why/sources.md, Optimizely 1.6 says that this is not documented).
"""

import sqlite3
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: Time zone of the vendor's servers.
ZONE = ZoneInfo("Europe/Berlin")


def nodes_of(connection: sqlite3.Connection, campaign_id: int) -> list[sqlite3.Row]:
    """The Wait nodes of a Smart Campaign, in order."""
    return connection.execute(
        "SELECT * FROM wait_node WHERE campaign_id = ? ORDER BY position", (campaign_id,)
    ).fetchall()


def passed_at(connection: sqlite3.Connection, campaign_id: int, since: int, imported: int | None) -> int | None:
    """When all Wait nodes of a Smart Campaign are passed.

    Args:
        connection: of the store.
        campaign_id: the Smart Campaign.
        since: when the waiting began.
        imported: when the import finished; None before that.

    Returns:
        `since` or a later time; None while unknown.
    """
    times = [since]
    for node in nodes_of(connection, campaign_id):
        if node["scheduled_at"] is not None:
            times.append(node["scheduled_at"])
        if node["after_import"]:
            if imported is None:
                return None
            times.append(_next(imported, node["at_time"]) if node["at_time"] else imported)
    return max(times)


def starts_at(connection: sqlite3.Connection, campaign: sqlite3.Row) -> int | None:
    """When an activated Smart Campaign starts by itself; None while unknown."""
    imported = connection.execute(
        "SELECT min(ends) FROM import_run WHERE list_id = ? AND started > ? AND state = 'done' AND error IS NULL",
        (campaign["list_id"], campaign["activated"]),
    ).fetchone()[0]
    return passed_at(connection, campaign["id"], campaign["activated"], imported)


def _next(seconds: int, at_time: str) -> int:
    """The next occurrence of a time of day, in the vendor's zone."""
    after = datetime.fromtimestamp(seconds, tz=ZONE)
    result = datetime.combine(after.date(), time.fromisoformat(at_time), tzinfo=ZONE)
    if result < after:
        result = datetime.combine(after.date() + timedelta(days=1), time.fromisoformat(at_time), tzinfo=ZONE)
    return int(result.astimezone(UTC).timestamp())
