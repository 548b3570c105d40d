"""Serialises rows of the store into the schemas of the vendor's description."""

import sqlite3
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from local.simulator.store import CLIENT_ID
from local.simulator.wait_nodes import ZONE, nodes_of


def iso(seconds: int) -> str:
    """A time in the vendor's format: ISO 8601 with offset, without fractions."""
    utc = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(seconds=seconds)
    return utc.astimezone(ZONE).isoformat(timespec="seconds")


def error(status: int, message: str) -> dict[str, Any]:
    """An error, as the vendor's own client reads it (docs/why/sources.md, Optimizely 1.1)."""
    return {"httpStatusCode": status, "errorMessage": message, "violations": []}


def recipient_list(row: sqlite3.Row, recipients: int) -> dict[str, Any]:
    """RestRecipientList with this number of recipients."""
    return {
        "id": row["id"],
        "name": row["name"],
        "description": "",
        "recipients": recipients,
        "mediaTypes": ["email"],
        "testList": bool(row["test_list"]),
        "forTransactionApi": False,
        "created": iso(row["created"]),
        "modified": iso(row["modified"]),
    }


def count_recipients(connection: sqlite3.Connection, list_id: int) -> int:
    """How many recipients are on a list."""
    return int(connection.execute("SELECT count(*) FROM recipient WHERE list_id = ?", (list_id,)).fetchone()[0])


def smart_campaign(connection: sqlite3.Connection, row: sqlite3.Row, *, detailed: bool) -> dict[str, Any]:
    """RestSmartCampaign; a detailed one has its nodes."""
    campaign = {
        "id": row["id"],
        "name": row["name"],
        "mailingGroupId": CLIENT_ID,
        "description": "",
        "status": row["status"],
        "type": "regular",
        "created": iso(row["created"]),
        "modified": iso(row["modified"]),
        **_started_finished(row),
    }
    if detailed:
        campaign |= {
            "recipientLists": lists_node(connection, row),
            "targetGroups": [],
            "messages": messages(connection, row),
        }
    return campaign


def messages(connection: sqlite3.Connection, campaign: sqlite3.Row) -> list[dict[str, Any]]:
    """The messages of a Smart Campaign, each a RestMessageNode."""
    return [
        {
            "nodeId": f"m{row['mailing_id']}",
            "name": row["name"],
            "mailingId": row["mailing_id"],
            "mediaType": "email",
            "status": campaign["status"],
            "created": iso(campaign["created"]),
            "modified": iso(campaign["modified"]),
            **_started_finished(campaign),
            "senderAddress": "news@example.com",
            "senderName": "Example",
            "subject": {"default": row["name"]},
            "content": f"<html><body><h1>{row['name']}</h1></body></html>",
        }
        for row in connection.execute(
            "SELECT * FROM message WHERE campaign_id = ? ORDER BY mailing_id", (campaign["id"],)
        )
    ]


def node_ids(connection: sqlite3.Connection, campaign_id: int) -> list[str]:
    """The graph of a Smart Campaign: the IDs of its recipients node, its Wait nodes and its first message."""
    mailing_id = connection.execute(
        "SELECT min(mailing_id) FROM message WHERE campaign_id = ?", (campaign_id,)
    ).fetchone()[0]
    waits = [f"w{node['id']}" for node in nodes_of(connection, campaign_id)]
    return [f"r{campaign_id}", *waits, f"m{mailing_id}"]


def lists_node(connection: sqlite3.Connection, campaign: sqlite3.Row) -> dict[str, Any]:
    """RestRecipientListsNode."""
    first, second, *_ = node_ids(connection, campaign["id"])
    return {"nodeId": first, "successorNodeId": second, "recipientListIds": [campaign["list_id"]]}


def wait_node(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """RestWaitNode."""
    ids = node_ids(connection, row["campaign_id"])
    node = {
        "nodeId": f"w{row['id']}",
        "successorNodeId": ids[ids.index(f"w{row['id']}") + 1],
        "scheduledAfterRecipientImport": bool(row["after_import"]),
    }
    if row["scheduled_at"] is not None:
        node["scheduledAt"] = iso(row["scheduled_at"])
    if row["at_time"]:
        node["scheduledAfterRecipientImportAtTime"] = row["at_time"]
    return node


def _started_finished(campaign: sqlite3.Row) -> dict[str, str]:
    return {name: iso(campaign[name]) for name in ("started", "finished") if campaign[name] is not None}
