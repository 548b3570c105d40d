"""The closing summary: input, output, and whether they balance.

It compares two independent records: the bridge's ledger and RS_DB, and the simulator's records of all mails sent
and all events that the recipients caused.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, SendMode, State


def summarize(
    bridge: Bridge, broadcast: Broadcast, simulator: Mapping[str, Any], *, exported_rows: int | None, **facts: object
) -> dict[str, Any]:
    """Build the closing summary as an object for JSON.

    Args:
        bridge: the demo's bridge.
        broadcast: its broadcast.
        simulator: state from the simulator's control API.
        exported_rows: number of rows in the exported file, on the route `export file`.
        facts: data of the demo itself: recipients, seed, seconds, memory.

    Returns:
        The sums of each section, `checks` with one entry per rule, and `balanced`: whether all checks passed.
    """
    rows = broadcast.rows
    campaign = _campaign(simulator, broadcast.campaign_id)
    with bridge.rs_database.reading() as connection:
        in_rs_db = bridge.rs_db.count_by_type(connection)
    responses = bridge.ledger.response_files.totals()
    caused: Mapping[str, int] = campaign.get("events_by_type", {})
    imported = _last_import(simulator, broadcast)
    summary: dict[str, Any] = {
        **facts,
        "test_installation": bridge.test_installation,
        "broadcast": {
            "key": broadcast.key,
            "state": broadcast.state,
            "source": broadcast.request.source,
            "list_name": broadcast.request.list_name,
            "message_name": broadcast.request.message_name,
            "route": broadcast.request.route,
            "send_mode": broadcast.request.send_mode,
            "error_code": broadcast.error_code,
            "error": broadcast.error,
        },
        "delivery_file": {
            "rows": rows.read if rows else 0,
            "uploaded": rows.uploaded if rows else 0,
            "rejected": rows.rejected if rows else 0,
            "duplicates": rows.duplicates if rows else 0,
            "suppressed": rows.suppressed if rows else 0,
            "not_uploaded_by_reason": bridge.ledger.broadcasts.rejects(broadcast),
        },
        "list": {
            "rows_in_file": imported.get("rows_read", 0),
            "recipients": broadcast.imported or 0,
            "left_out_by_reason": imported.get("skipped", {}),
        },
        "exported_rows": exported_rows,
        "send": {
            "mails_sent": campaign.get("mails_sent", 0),
            "recipients_mailed": campaign.get("distinct_recipients_mailed", 0),
            "mailed_twice": simulator.get("keys_mailed_twice", 0),
            "set_for": broadcast.request.send_at and broadcast.request.send_at.isoformat(),
            "first_mail_at": campaign.get("first_mail_at"),
        },
        "responses": {
            "events_caused": sum(caused.values()),
            "rows_in_rs_db": sum(in_rs_db.values()),
            "events_caused_by_type": dict(caused),
            "rows_in_rs_db_by_type": in_rs_db,
            "files_loaded": responses["files_loaded"],
            "files_failed": responses["files_failed"],
            "rows_read": responses["rows_read"],
            "rows_loaded": responses["rows_loaded"],
            "rows_known": responses["rows_known"],
            "rows_rejected": responses["rows_rejected"],
            "rows_unmatched": responses["rows_unmatched"],
        },
    }
    summary["checks"] = _checks(summary)
    summary["balanced"] = all(summary["checks"].values())
    return summary


def _checks(summary: Mapping[str, Any]) -> dict[str, bool]:
    file, at_list, send, responses = (summary[section] for section in ("delivery_file", "list", "send", "responses"))
    left_out = sum(at_list["left_out_by_reason"].values())
    checks = {
        "the broadcast is closed": summary["broadcast"]["state"] == State.CLOSED,
        "rows in the delivery file = uploaded + rejected + duplicates + suppressed": file["rows"]
        == file["uploaded"] + file["rejected"] + file["duplicates"] + file["suppressed"]
        and file["rows"] > 0,
    }
    if summary["broadcast"]["route"] == RouteKind.EXPORT_FILE:
        return checks | {
            "rows in the exported file = uploaded": summary["exported_rows"] == file["uploaded"],
            "nobody was mailed": send["mails_sent"] == 0,
        }
    checks |= {
        "uploaded = on the list + left out by Optimizely": file["uploaded"]
        == at_list["rows_in_file"]
        == at_list["recipients"] + left_out,
    }
    if summary["broadcast"]["send_mode"] == SendMode.UPLOAD_ONLY:
        return checks | {"nobody was mailed": send["mails_sent"] == 0}
    if send["set_for"]:
        first = send["first_mail_at"]
        checks["nobody was mailed before the time"] = first is not None and datetime.fromisoformat(
            first
        ) >= datetime.fromisoformat(send["set_for"])
    return checks | {
        "every recipient on the list was mailed": send["recipients_mailed"] == at_list["recipients"],
        "nobody was mailed twice": send["mailed_twice"] == 0 and send["mails_sent"] == send["recipients_mailed"],
        "response rows in RS_DB = events the recipients caused": responses["rows_in_rs_db_by_type"]
        == responses["events_caused_by_type"]
        and responses["events_caused"] > 0,
        "rows in response files = loaded + known + rejected": responses["rows_read"]
        == responses["rows_loaded"] + responses["rows_known"] + responses["rows_rejected"],
        "every response found its broadcast": responses["rows_unmatched"] == 0,
    }


def _campaign(simulator: Mapping[str, Any], campaign_id: int | None) -> Mapping[str, Any]:
    return next((campaign for campaign in simulator.get("campaigns", ()) if campaign["id"] == campaign_id), {})


def _last_import(simulator: Mapping[str, Any], broadcast: Broadcast) -> Mapping[str, Any]:
    """The last import of the broadcast's list file or sending batch."""
    batch = f"sending batch {broadcast.batch_id}"
    imports = [run for run in simulator.get("imports", ()) if broadcast.key in run["file"] or run["file"] == batch]
    return imports[-1] if imports else {}
