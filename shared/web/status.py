"""The state of broadcasts, response files, suppressions, removals and alerts, as JSON: names, numbers and codes."""

from typing import Any

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.config.version import version
from shared.ledger.alerts import Alert
from shared.ledger.removals import Removal, removals
from shared.ledger.responses.counts import Comparison, of_broadcasts
from shared.ledger.suppressions import SyncState
from shared.response_file import ResponseFile
from shared.storage import blob_names

#: Maximum number of broadcasts, and of response files.
_MAX_SHOWN = 50


def status(bridge: Bridge) -> dict[str, Any]:
    """The newest broadcasts and response files, the totals of all files, and how far suppressions are synced.

    Returns:
        `{"broadcasts": [...], "response_files": [...], "responses": {...}, "suppressions": [...], "removals": [...],
        "alerts": [...], "version": "..."}`
    """
    ledger = bridge.ledger
    newest = ledger.broadcasts.newest(_MAX_SHOWN)
    responses = of_broadcasts(ledger.database, [broadcast.id for broadcast in newest])
    return {
        "broadcasts": [
            _broadcast(broadcast) | {"responses": _responses(responses.get(broadcast.id))} for broadcast in newest
        ],
        "response_files": [response_file_status(file) for file in ledger.response_files.newest(_MAX_SHOWN)],
        "responses": ledger.response_files.totals(),
        "suppressions": [_source(source) for source in ledger.suppressions.sources()],
        "removals": [_removal(removal) for removal in removals(ledger.database)],
        "alerts": [_alert(alert) for alert in ledger.alerts.active()],
        "version": version(),
    }


def _broadcast(broadcast: Broadcast) -> dict[str, Any]:
    rows, request = broadcast.rows, broadcast.request
    return {
        "key": broadcast.key,
        "source": request.source,
        "job": request.job_id,
        "list_name": request.list_name,
        "message_name": request.message_name,
        "delivery_file": request.delivery_file,
        "channel": request.channel,
        "route": request.route,
        "send_mode": request.send_mode,
        "send_at": request.send_at and request.send_at.isoformat(),
        "state": broadcast.state,
        "changed_at": broadcast.changed_at.isoformat(),
        "attempts": broadcast.attempts,
        "rows_read": rows and rows.read,
        "rows_uploaded": rows and rows.uploaded,
        "rows_rejected": rows and rows.rejected,
        "rows_duplicate": rows and rows.duplicates,
        "rows_suppressed": rows and rows.suppressed,
        "imported": broadcast.imported,
        "sent": broadcast.sent,
        "campaign_id": broadcast.campaign_id,
        "error_code": broadcast.error_code,
        "error": broadcast.error,
    }


def _source(source: SyncState) -> dict[str, Any]:
    return {
        "kind": source.kind,
        "entries": source.entries,
        "drawn_at": source.drawn_at and source.drawn_at.isoformat(),
        "whole_at": source.whole_at and source.whole_at.isoformat(),
        "error_code": source.error_code,
    }


def _removal(removal: Removal) -> dict[str, Any]:
    """What was removed of one kind after its retention time."""
    return {
        "kind": removal.kind,
        "removed": removal.removed,
        "removed_ever": removal.removed_ever,
        "looked_at": removal.looked_at.isoformat(),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "kind": alert.kind,
        "subject": alert.subject,
        "text": alert.text,
        "raised_at": alert.raised_at.isoformat(),
    }


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
        "id": file.id,
        "name": file.name,
        "state": file.state,
        "size": file.size,
        "modified": file.modified.isoformat(),
        "seen_at": file.seen_at.isoformat(),
        "gathered_at": file.gathered_at and file.gathered_at.isoformat(),
        "loaded_at": file.loaded_at and file.loaded_at.isoformat(),
        "rows_read": counts and counts.read,
        "rows_loaded": counts and counts.loaded,
        "rows_known": counts and counts.known,
        "rows_rejected": counts and counts.rejected,
        "rows_unmatched": counts and counts.unmatched,
        "reject_file": blob_names.response_reject_file(file.id) if counts and counts.rejected else None,
        "error_code": file.error_code,
        "error": file.error,
    }
