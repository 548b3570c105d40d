"""Wait nodes of a Smart Campaign: between its recipients and its message, one after the other.

ASSUMPTION: the import that counts is one into the campaign's list that began after the activation and
went well (`optimizely.md` 1.6 says that this is not documented).
"""

import sqlite3
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

#: Where the vendor's servers stand.
ZONE = ZoneInfo("Europe/Berlin")


def nodes_of(connection: sqlite3.Connection, campaign_id: int) -> list[sqlite3.Row]:
    """The Wait nodes of a Smart Campaign, in the order in which a recipient passes them."""
    return connection.execute(
        "SELECT * FROM wait_node WHERE campaign_id = ? ORDER BY position", (campaign_id,)
    ).fetchall()


def passed_at(connection: sqlite3.Connection, campaign_id: int, since: int, imported: int | None) -> int | None:
    """When all Wait nodes of a Smart Campaign let mails through.

    Args:
        connection: of the store.
        campaign_id: the Smart Campaign.
        since: when the waiting began.
        imported: when the import ended; None while it has not.

    Returns:
        At the earliest `since`; None while nobody can say.
    """
    moments = [since]
    for node in nodes_of(connection, campaign_id):
        if node["scheduled_at"] is not None:
            moments.append(node["scheduled_at"])
        if node["after_import"]:
            if imported is None:
                return None
            moments.append(_next(imported, node["at_time"]) if node["at_time"] else imported)
    return max(moments)


def starts_at(connection: sqlite3.Connection, campaign: sqlite3.Row) -> int | None:
    """When an activated Smart Campaign starts by itself; None while nobody can say."""
    imported = connection.execute(
        "SELECT min(ends) FROM import_run WHERE list_id = ? AND started > ? AND state = 'done' AND error IS NULL",
        (campaign["list_id"], campaign["activated"]),
    ).fetchone()[0]
    return passed_at(connection, campaign["id"], campaign["activated"], imported)


def _next(seconds: int, at_time: str) -> int:
    """The next moment with a time of day, in the vendor's zone."""
    after = datetime.fromtimestamp(seconds, tz=ZONE)
    found = datetime.combine(after.date(), time.fromisoformat(at_time), tzinfo=ZONE)
    if found < after:
        found = datetime.combine(after.date() + timedelta(days=1), time.fromisoformat(at_time), tzinfo=ZONE)
    return int(found.astimezone(UTC).timestamp())
