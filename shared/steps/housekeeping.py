"""housekeeping: queues again what was forgotten, and does the chores that nothing else waits for (rule 3).

Messages are hints, the ledger is the truth: a lost message costs minutes, never a broadcast.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from shared.bridge import Bridge
from shared.errors import BroadcastChangedMeanwhile, DatabaseUnavailable, LeaseLost, StorageUnavailable
from shared.steps.broadcast_step import report_end
from shared.steps.chores.check_response_arrival import check_response_arrival
from shared.steps.chores.compare_reports import compare_reports
from shared.steps.chores.deliver_ferg_files import deliver_ferg_files
from shared.steps.chores.find_broadcast_rows import find_broadcast_rows
from shared.steps.chores.match_responses import match_responses
from shared.steps.chores.remove_expired import remove_expired
from shared.steps.chores.report_backlog import report_backlog
from shared.telemetry import Fence, fenced, log

#: Most broadcasts or files that one sweep queues again.
_LIMIT: Final = 500


def housekeeping(bridge: Bridge) -> None:
    """Do every chore. One that fails does not stop the others, nor does one item of a chore stop the next."""
    for name, chore in CHORES.items():
        with fenced(f"The chore {name} of housekeeping did not finish", action="housekeep-later", chore=name):
            chore(bridge)


def _sweep_broadcasts(bridge: Bridge) -> None:
    for broadcast in bridge.ledger.broadcasts.forgotten(limit=_LIMIT):
        with _fenced_sweep(f"Broadcast {broadcast.key}", **broadcast.log_context()):
            try:
                swept = bridge.ledger.broadcasts.update(broadcast, due_at=bridge.overdue_after())
            except BroadcastChangedMeanwhile:
                continue  # a step works on it after all
            extra = {"action": "sweep", **broadcast.log_context()}
            log.warning(
                "Broadcast %s was forgotten while %s; it is queued again.", broadcast.key, broadcast.state, extra=extra
            )
            bridge.send_on(swept)


def _sweep_response_files(bridge: Bridge) -> None:
    for file in bridge.ledger.response_files.forgotten(limit=_LIMIT):
        with _fenced_sweep(f"Response file {file.name}", **file.log_context()):
            try:
                bridge.ledger.response_files.update(file, due_at=bridge.overdue_after())
            except LeaseLost:
                continue  # it is being loaded after all
            extra = {"action": "sweep", **file.log_context()}
            log.warning("Response file %s was forgotten; it is queued again.", file.name, extra=extra)
            bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": file.id})


def _fenced_sweep(subject: str, **context: str) -> AbstractContextManager[Fence]:
    """A ledger or queue that does not answer ends the sweep; whatever else happens to one item stops no other."""
    ends = (DatabaseUnavailable, StorageUnavailable)
    return fenced(f"{subject} is not queued again yet", *ends, action="housekeep-later", **context)


def _report_ends(bridge: Bridge) -> None:
    """Report the ends of broadcasts that could not be reported when they ended."""
    for broadcast in bridge.ledger.broadcasts.unreported(_LIMIT):
        subject = f"The end of broadcast {broadcast.key} is not reported yet"
        with fenced(subject, action="report-later", **broadcast.log_context()):
            report_end(bridge, broadcast)


def _deliver_ferg_files(bridge: Bridge) -> None:
    if bridge.ferg_files is not None:
        deliver_ferg_files(bridge.ledger, bridge.ferg_files)


#: The chores, in order. The backlog comes last: its log line says that a run of housekeeping reached its end.
CHORES: Final[dict[str, Callable[[Bridge], object]]] = {
    "compare-mark": lambda bridge: bridge.mark.grow(),
    "sweep-broadcasts": _sweep_broadcasts,
    "sweep-response-files": _sweep_response_files,
    "report-ends": _report_ends,
    "deliver-ferg-files": _deliver_ferg_files,
    "find-broadcast-rows": find_broadcast_rows,
    "match-responses": lambda bridge: match_responses(bridge.ledger, bridge.rs_db),
    "compare-reports": compare_reports,
    "check-response-arrival": check_response_arrival,
    "remove-expired": remove_expired,
    "report-backlog": report_backlog,
}
