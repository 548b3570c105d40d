"""Compares the loaded responses of broadcasts with the reports of their Smart Campaigns.

A broadcast is compared again when more of its responses were loaded, and a day after its gap was new or grew. A report
is current and a response file is of yesterday, so a gap is no fault; one that grows for days is.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.errors import TransientError
from shared.ledger.alerts import AlertKind
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses.counts import Gap
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.response import MessageType
from shared.telemetry import fenced, log

#: Most broadcasts of one round; the next round compares the rest.
_LIMIT: Final = 50
_AGAIN_AFTER: Final = timedelta(minutes=30)
#: Days in a row on which a gap has to grow before an alert is raised.
DAYS: Final = 3
#: Recorded instead of an error code for a broadcast without a Smart Campaign.
_NO_CAMPAIGN: Final = "no-campaign"


def compare_reports(bridge: Bridge) -> int:
    """Compare each broadcast with newly loaded responses, or with a gap that is new or grows; returns how many."""
    database, compared = bridge.ledger.database, 0
    known = response_counts.types_ever_loaded(database)
    for broadcast_id, due_at in response_counts.due(database, _LIMIT, now=bridge.clock.now()):
        broadcast = bridge.ledger.broadcasts.get_by_id(broadcast_id)
        if broadcast.campaign_id is None:
            response_counts.not_compared(database, broadcast_id, code=_NO_CAMPAIGN, again_at=None)
            continue
        subject = f"The responses of broadcast {broadcast.key} are not compared with its report"
        with fenced(subject, action="compare-later", **broadcast.log_context()) as fence:
            report = bridge.rest.get_report(broadcast.campaign_id)
        if fence.error is not None:
            is_transient = isinstance(fence.error, TransientError)
            again_at = bridge.clock.now() + _AGAIN_AFTER if is_transient else None
            response_counts.not_compared(database, broadcast_id, code=fence.error.code, again_at=again_at)
            if is_transient:
                break  # the others would fail in the same way
            continue
        gaps = response_counts.compared(database, broadcast_id, by_type(report), due_at=due_at, now=bridge.clock.now())
        _report_gaps(bridge, broadcast, gaps, known)
        compared += 1
    return compared


def by_type(report: SmartCampaignReport) -> dict[str, int]:
    """The totals of a report by the message type that they count; a type without a total is left out."""
    bounces = [count for count in (report.hard_bounces, report.soft_bounces) if count is not None]
    totals = {
        MessageType.SEND: max(0, report.recipients_total - report.skipped - report.in_queue),
        MessageType.OPEN: report.opens_total,
        MessageType.CLICK: report.clicks_total,
        MessageType.BOUNCE: sum(bounces) if bounces else None,
        MessageType.UNSUBSCRIPTION: report.unsubscribes,
    }
    return {str(message_type): total for message_type, total in totals.items() if total is not None}


def _report_gaps(bridge: Bridge, broadcast: Broadcast, gaps: list[Gap], known: Collection[str]) -> None:
    """Log the gaps; raise an alert if one has grown for `DAYS` days, else clear it."""
    for gap in gaps:
        text = "Broadcast %s: %d responses of type %s are loaded, the report has %d."
        extra = {"action": "compare", "type": gap.message_type, "loaded": gap.loaded, "reported": gap.reported}
        extra |= broadcast.log_context()
        log.info(text, broadcast.key, gap.loaded, gap.message_type, gap.reported, extra=extra)
    # A type that no response file ever held is not exported: its gap is no fault.
    growing = [gap for gap in gaps if gap.grown >= DAYS and gap.message_type in known]
    if not growing:
        bridge.ledger.alerts.clear(AlertKind.REPORT_GAP, broadcast.key)
        return
    behind = ", ".join(f"{gap.loaded} of {gap.reported} {gap.message_type}" for gap in growing)
    alert = (
        f"Fewer responses of broadcast {broadcast.key} are loaded than the report of its Smart Campaign counts, and "
        f"the gap has grown for {DAYS} days ({behind}). Look for response files that failed, are still on the SFTP "
        f"site or never came, and for rejected rows; then load them with `bridge responses load` or `bridge responses "
        f"replay`."
    )
    bridge.ledger.alerts.report(AlertKind.REPORT_GAP, broadcast.key, alert)
