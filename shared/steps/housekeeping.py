"""housekeeping: queue again what was forgotten, and do what could not be done at its time (rule 3).

That is: ends of broadcasts that were not reported, files for FERG that were not put, rows of `Broadcasts` that
FastStats writes, responses without a broadcast. Responses are compared with reports, days without a response file are
told, and what is kept for a set time is removed.

Messages are hints, the ledger is the truth: a lost message costs minutes, never a broadcast.
"""

from shared.bridge import Bridge
from shared.errors import BridgeError, BroadcastChangedMeanwhile
from shared.steps.chores.check_response_arrival import look_for_missed_responses
from shared.steps.chores.compare_reports import compare_reports
from shared.steps.chores.deliver_ferg_files import put_ferg_files
from shared.steps.chores.find_broadcast_rows import find_rows
from shared.steps.chores.match_responses import match_responses
from shared.steps.chores.remove_expired import remove_old
from shared.steps.chores.report_backlog import tell_standing
from shared.steps.runner import report_end
from shared.telemetry import log

#: Most broadcasts or files that one sweep queues again.
_MOST = 500


def housekeeping(bridge: Bridge) -> int:
    """Sweep broadcasts and response files.

    Returns:
        How many messages were sent again.
    """
    sent = 0
    for broadcast in bridge.ledger.broadcasts.forgotten(limit=_MOST):
        try:
            swept = bridge.ledger.broadcasts.touch(broadcast, due_at=bridge.overdue_after())
        except BroadcastChangedMeanwhile:
            continue  # somebody works on it after all
        log.warning(
            "Broadcast %s was forgotten while %s; it is queued again.",
            broadcast.key,
            broadcast.state,
            extra={"action": "sweep", "broadcast": broadcast.key},
        )
        bridge.send_on(swept)
        sent += 1
    for file in bridge.ledger.response_files.forgotten(limit=_MOST):
        bridge.ledger.response_files.put_off(file, due_at=bridge.overdue_after())
        log.warning(
            "Response file %s was forgotten; it is queued again.",
            file.name,
            extra={"action": "sweep", "file": file.name},
        )
        bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": file.id})
        sent += 1
    for broadcast in bridge.ledger.broadcasts.unreported(_MOST):
        try:
            report_end(bridge, broadcast)
        except BridgeError as error:
            log.warning(
                "The end of broadcast %s is not reported yet: %s",
                broadcast.key,
                error,
                extra={"action": "report-later", "broadcast": broadcast.key, "code": error.code},
            )
    try:
        if bridge.ferg_files is not None:
            put_ferg_files(bridge.ledger, bridge.ferg_files)
        find_rows(bridge)
        match_responses(bridge.ledger, bridge.rs_db)
    except BridgeError as error:
        log.warning(
            "Files for FERG or responses without a broadcast have to wait: %s",
            error,
            extra={"action": "housekeep-later", "code": error.code},
        )
    compare_reports(bridge)
    look_for_missed_responses(bridge)
    remove_old(bridge)
    tell_standing(bridge)
    return sent
