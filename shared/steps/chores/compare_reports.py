"""Compares the loaded responses of broadcasts with the reports of their Smart Campaigns.

A broadcast is compared again when more of its responses were loaded, and a day after its gap was new or grew. A report
is current and a response file is of yesterday, so a gap is no fault; one that grows for days is.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.errors import DatabaseUnavailable, OptimizelyUnavailable, TransientError
from shared.ledger.alerts import AlertKind
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses.counts import Gap
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.response import MessageType
from shared.steps.sent_short import find_shortfall
from shared.telemetry import fenced, log

#: Most broadcasts of one round; the next round compares the rest.
_LIMIT: Final = 50
_AGAIN_AFTER: Final = timedelta(minutes=30)
#: Days in a row on which a gap has to grow before an alert is raised.
DAYS: Final = 3
#: Recorded instead of an error code for a broadcast without a Smart Campaign.
_NO_CAMPAIGN: Final = "no-campaign"


def compare_reports(bridge: Bridge) -> int:
    """Compare each broadcast with newly loaded responses, or with a gap that is new or grows; returns how many.

    A broadcast that cannot be compared does not stop the others, unless Optimizely or the ledger does not answer.
    """
    database, compared = bridge.ledger.database, 0
    known = response_counts.types_ever_loaded(database)
    for broadcast_id, due_at in response_counts.due(database, _LIMIT, now=bridge.clock.now()):
        subject = f"The responses of the broadcast with the id {broadcast_id} are not compared with its report"
        with fenced(subject, action="compare-later") as fence:
            compared += _compare(bridge, broadcast_id, due_at, known)
        if fence.error is None:
            continue
        if isinstance(fence.error, DatabaseUnavailable):
            break
        again_at = bridge.clock.now() + _AGAIN_AFTER if isinstance(fence.error, TransientError) else None
        with fenced(subject, action="compare-later"):
            response_counts.not_compared(database, broadcast_id, code=fence.error.code, again_at=again_at)
        if isinstance(fence.error, OptimizelyUnavailable):
            break  # the others would fail in the same way
    return compared


def _compare(bridge: Bridge, broadcast_id: int, due_at: datetime, known: Collection[str]) -> bool:
    broadcast = bridge.ledger.broadcasts.get_by_id(broadcast_id)
    database = bridge.ledger.database
    if broadcast.campaign_id is None:
        response_counts.not_compared(database, broadcast_id, code=_NO_CAMPAIGN, again_at=None)
        return False
    report = bridge.rest.get_report(broadcast.campaign_id)
    gaps = response_counts.compared(database, broadcast_id, by_type(report), due_at=due_at, now=bridge.clock.now())
    _report_gaps(bridge, broadcast, gaps, known)
    if broadcast.sent is not None and find_shortfall(bridge, broadcast, report) is None:
        bridge.ledger.alerts.clear(AlertKind.SENT_SHORT, broadcast.key)
    return True


def by_type(report: SmartCampaignReport) -> dict[str, int]:
    """The totals of a report by the message type that they count; a type without a total is left out."""
    bounces = [count for count in (report.hard_bounces, report.soft_bounces) if count is not None]
    totals = {
        MessageType.SEND: report.sent,
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
