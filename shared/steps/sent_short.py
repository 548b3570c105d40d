"""Whether the message of a broadcast was sent to everybody who was imported."""

from shared.bridge import Bridge
from shared.broadcast import Broadcast
from shared.config.channels import Channel
from shared.errors import SentShort
from shared.optimizely.rest.answers import SmartCampaignReport


def find_shortfall(bridge: Bridge, broadcast: Broadcast, report: SmartCampaignReport) -> SentShort | None:
    """The error if recipients are missing who are neither skipped nor queued in the report of the Smart Campaign.

    Up to `max_shortfall_percent` of the channel may be missing. Where the import was not counted, the uploaded
    recipients are expected.
    """
    expected = broadcast.imported
    if expected is None:
        expected = broadcast.rows.uploaded if broadcast.rows else 0
    explained = report.skipped + report.in_queue
    # A broadcast that was sent does not fail because its channel is gone.
    channel = bridge.channels.find(broadcast.request.channel) or Channel()
    if report.sent >= (expected - explained) * (1 - channel.max_shortfall_percent / 100):
        return None
    return SentShort(
        campaign=broadcast.campaign_id,
        broadcast=broadcast.key,
        sent=report.sent,
        imported=expected,
        explained=explained,
    )
