"""The state of broadcasts, response files, suppressions, holds and alerts, as JSON: names, numbers and codes."""

from datetime import datetime
from typing import Any

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.config.version import version
from shared.ledger.removals import removals
from shared.ledger.responses.counts import Comparison, of_broadcasts
from shared.response_file import ResponseFile
from shared.storage import blob_names

#: Maximum number of broadcasts, and of response files.
_MAX_SHOWN = 50


def status(bridge: Bridge) -> dict[str, Any]:
    """The newest broadcasts and response files, the totals of all files, and how far suppressions are synced."""
    ledger = bridge.ledger
    newest = ledger.broadcasts.newest(_MAX_SHOWN)
    responses = of_broadcasts(ledger.database, [broadcast.id for broadcast in newest])
    return {
        "broadcasts": [
            _broadcast(broadcast) | {"responses": _responses(responses.get(broadcast.id))} for broadcast in newest
        ],
        "response_files": [response_file_status(file) for file in ledger.response_files.newest(_MAX_SHOWN)],
        "responses": ledger.response_files.totals(),
        "suppressions": [
            _fields(source, "kind", "entries", "drawn_at", "whole_at", "error_code")
            for source in ledger.suppressions.sources()
        ],
        "removals": [
            _fields(removal, "kind", "removed", "removed_ever", "looked_at") for removal in removals(ledger.database)
        ],
        "holds": [_fields(hold, "code", "reason", "placed_by", "placed_at") for hold in ledger.hold.in_force()],
        "alerts": [_fields(alert, "kind", "subject", "text", "raised_at") for alert in ledger.alerts.active()],
        "test_installation": bridge.test_installation,
        "version": version(),
    }


def _broadcast(broadcast: Broadcast) -> dict[str, Any]:
    rows, request = broadcast.rows, broadcast.request
    return {
        **_fields(request, "key", "source"),
        "job": request.job_id,
        **_fields(request, "list_name", "message_name", "delivery_file", "channel", "route", "send_mode", "send_at"),
        **_fields(broadcast, "state", "changed_at", "attempts", "waiting_for", "waiting_since"),
        "rows_read": rows and rows.read,
        "rows_uploaded": rows and rows.uploaded,
        "rows_rejected": rows and rows.rejected,
        "rows_duplicate": rows and rows.duplicates,
        "rows_suppressed": rows and rows.suppressed,
        **_fields(broadcast, "imported", "sent", "campaign_id", "error_code", "error", "repeats_key"),
    }


def _fields(item: object, *names: str) -> dict[str, Any]:
    """These fields of an item, with times in ISO 8601."""
    values = {name: getattr(item, name) for name in names}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def _responses(comparison: Comparison | None) -> dict[str, Any] | None:
    """Loaded responses by message type, beside the report of the Smart Campaign; None where nothing is loaded."""
    if comparison is None:
        return None
    return {
        "loaded": dict(comparison.loaded),
        "reported": {gap.message_type: gap.reported for gap in comparison.gaps},
        "compared_at": comparison.compared_at and comparison.compared_at.isoformat(),
        "error_code": comparison.error_code,
    }


def response_file_status(file: ResponseFile) -> dict[str, Any]:
    """A response file as the status has it."""
    counts = file.counts
    return {
        **_fields(file, "id", "name", "state", "size", "modified", "seen_at", "gathered_at", "loaded_at"),
        "rows_read": counts and counts.read,
        "rows_loaded": counts and counts.loaded,
        "rows_known": counts and counts.known,
        "rows_rejected": counts and counts.rejected,
        "rows_unmatched": counts and counts.unmatched,
        "reject_file": blob_names.response_reject_file(file.id) if counts and counts.rejected else None,
        **_fields(file, "error_code", "error", "waiting_for", "waiting_since"),
    }
