"""compare_reports: the responses of broadcasts beside the reports of their Smart Campaigns.

What was loaded since the last comparison lets a broadcast be compared again; so does a gap that is new or grows, a day
later. A report is of this moment and a response file of yesterday, so a gap is no fault; one that grows for days is.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.errors import BridgeError, TransientError
from shared.ledger.alerts import AlertKind
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses.counts import Gap
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.response import MessageType
from shared.telemetry import log

#: Most broadcasts of one round. What is left is for the next.
_MOST: Final = 50
_AGAIN_AFTER: Final = timedelta(minutes=30)
#: Days in a row on which a gap had grown, until an alert tells of it.
DAYS: Final = 3
#: What a broadcast is compared by that has no Smart Campaign any more.
_NO_CAMPAIGN: Final = "no-campaign"


def compare_reports(bridge: Bridge) -> int:
    """Compare every broadcast whose responses were loaded since the last comparison, or whose gap is new or grows.

    Returns:
        How many were compared.

    Raises:
        DatabaseUnavailable: the ledger could not be read or written.
    """
    database, compared = bridge.ledger.database, 0
    known = response_counts.types_ever_loaded(database)
    for broadcast_id, due_at in response_counts.due(database, _MOST, now=bridge.clock.now()):
        broadcast = bridge.ledger.broadcasts.by_id(broadcast_id)
        if broadcast.campaign_id is None:
            response_counts.not_compared(database, broadcast_id, code=_NO_CAMPAIGN, again_at=None)
            continue
        try:
            report = bridge.rest.get_report(broadcast.campaign_id)
        except BridgeError as error:
            again_at = bridge.clock.now() + _AGAIN_AFTER if isinstance(error, TransientError) else None
            log.warning(
                "The responses of broadcast %s are not compared with the report: %s",
                broadcast.key,
                error,
                extra={"action": "compare-later", "broadcast": broadcast.key, "code": error.code},
            )
            response_counts.not_compared(database, broadcast_id, code=error.code, again_at=again_at)
            if isinstance(error, TransientError):
                break  # the others would wait for the same answer
            continue
        gaps = response_counts.compared(database, broadcast_id, by_type(report), due_at=due_at, now=bridge.clock.now())
        _tell(bridge, broadcast, gaps, known)
        compared += 1
    return compared


def by_type(report: SmartCampaignReport) -> dict[str, int]:
    """The totals of a report, by the message type whose rows they count; a type that it has no total of is left out."""
    bounces = [one for one in (report.hard_bounces, report.soft_bounces) if one is not None]
    totals = {
        MessageType.SEND: max(0, report.recipients_total - report.skipped - report.in_queue),
        MessageType.OPEN: report.opens_total,
        MessageType.CLICK: report.clicks_total,
        MessageType.BOUNCE: sum(bounces) if bounces else None,
        MessageType.UNSUBSCRIPTION: report.unsubscribes,
    }
    return {str(message_type): total for message_type, total in totals.items() if total is not None}


def _tell(bridge: Bridge, broadcast: Broadcast, gaps: list[Gap], known: Collection[str]) -> None:
    """Log the gaps; raise an alert if one grew for some days, else clear it."""
    for gap in gaps:
        log.info(
            "Broadcast %s: %d responses %s are loaded, the report has %d.",
            broadcast.key,
            gap.loaded,
            gap.message_type,
            gap.reported,
            extra={
                "action": "compare",
                "broadcast": broadcast.key,
                "type": gap.message_type,
                "loaded": gap.loaded,
                "reported": gap.reported,
            },
        )
    # Of a type that no response file holds, everything is missing, and is meant to be.
    growing = [gap for gap in gaps if gap.grown >= DAYS and gap.message_type in known]
    if not growing:
        bridge.ledger.alerts.clear(AlertKind.REPORT_GAP, broadcast.key)
        return
    behind = ", ".join(f"{gap.loaded} of {gap.reported} {gap.message_type}" for gap in growing)
    text = (
        f"The responses of broadcast {broadcast.key} are behind the report of its Smart Campaign, and every day "
        f"by more ({behind}). Look for response files that failed, were left on the SFTP site or never came, and for "
        f"rejected rows; then load them with `bridge responses load` or `bridge responses replay`."
    )
    bridge.ledger.alerts.stand(AlertKind.REPORT_GAP, broadcast.key, text)
