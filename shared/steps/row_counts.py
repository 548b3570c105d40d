"""Log lines with counts of rows, which the queries sum up (docs/how-to/watch.md)."""

from collections import Counter
from collections.abc import Mapping

from shared.response import MessageType
from shared.telemetry import log

_TYPES = frozenset(MessageType)


def log_rejects[Reason: str](rows_by_reason: Mapping[Reason, int], *, file: str) -> None:
    """Log how many rows of a delivery file or response file were rejected, a line for each reason."""
    for reason, rows in rows_by_reason.items():
        extra = {"action": "rejects", "file": file, "reason": str(reason), "rows": rows}
        log.info("File %s: %d rows rejected (%s).", file, rows, reason, extra=extra)


def log_responses(rows_by_type: Mapping[str, int], *, file: str) -> None:
    """Log how many responses were loaded, a line for each message type.

    A type that FastStats does not know is text from a file and could be anything: it is logged as `other`.
    """
    known: Counter[str] = Counter()
    for message_type, rows in rows_by_type.items():
        known[message_type if message_type in _TYPES else "other"] += rows
    for message_type, rows in known.items():
        extra = {"action": "responses", "file": file, "type": message_type, "rows": rows}
        log.info("Response file %s: %d responses %s.", file, rows, message_type, extra=extra)
