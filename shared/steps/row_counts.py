"""Figures of rows, told in log lines of one number each: what queries sum up (docs/how-to/watch.md)."""

from collections import Counter
from collections.abc import Mapping

from shared.broadcast import Broadcast
from shared.response import MessageType
from shared.response_file import LoadCounts
from shared.telemetry import log

_TYPES = frozenset(MessageType)


def tell_rejects[Reason: str](rows_by_reason: Mapping[Reason, int], *, file: str) -> None:
    """Tell how many rows of a delivery file or response file were not taken, by reason."""
    for reason, rows in rows_by_reason.items():
        extra = {"action": "rejects", "file": file, "reason": str(reason), "rows": rows}
        log.info("File %s: %d rows are not taken (%s).", file, rows, reason, extra=extra)


def tell_responses(rows_by_type: Mapping[str, int], *, file: str) -> None:
    """Tell how many responses were loaded, by message type.

    A type that is not among those that FastStats knows is text from a file, and may be anything: it is not told.
    """
    known: Counter[str] = Counter()
    for message_type, rows in rows_by_type.items():
        known[message_type if message_type in _TYPES else "other"] += rows
    for message_type, rows in known.items():
        extra = {"action": "responses", "file": file, "type": message_type, "rows": rows}
        log.info("Response file %s: %d responses %s.", file, rows, message_type, extra=extra)


def broadcast_figures(broadcast: Broadcast) -> dict[str, str | int | None]:
    """How far a broadcast came, as fields of a log line: None for what it did not come to."""
    rows = broadcast.rows
    return {
        "state": broadcast.state,
        "read": None if rows is None else rows.read,
        "uploaded": None if rows is None else rows.uploaded,
        "imported": broadcast.imported,
        "sent": broadcast.sent,
    }


def load_figures(counts: LoadCounts) -> dict[str, int]:
    """The counts of a load as fields of a log line."""
    return {
        "read": counts.read,
        "loaded": counts.loaded,
        "known": counts.known,
        "rejected": counts.rejected,
        "unmatched": counts.unmatched,
    }
