"""The Smart Campaign of a broadcast: what every route does with it in the same way."""

import posixpath
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.broadcast import Broadcast
from shared.config.channels import ListFileLayout
from shared.errors import OptimizelyConflict
from shared.optimizely.lists.csv_file import list_file_name
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.route import Look, SendStatus

#: What the statuses of the vendor's description mean for a Smart Campaign that sends once.
_MEANING: Final[Mapping[str, SendStatus]] = MappingProxyType(
    {
        "activationRequired": SendStatus.WAITING,
        "activated": SendStatus.ARMED,
        "running": SendStatus.SENDING,
        "paused": SendStatus.PAUSED,
        "finished": SendStatus.FINISHED,
        "canceled": SendStatus.STOPPED,
    }
)


class BroadcastCampaign:
    """The part of a route that deals with the Smart Campaign of a broadcast.

    Args:
        rest: the REST API.
    """

    def __init__(self, rest: OptimizelyRest) -> None:
        self._rest = rest

    def find_by_name(self, name: str) -> SmartCampaign | None:
        """The Smart Campaign with this name. Of several the first: the others were never started."""
        found = [campaign for campaign in self._rest.select_smart_campaigns() if campaign.name == name]
        return min(found, key=lambda campaign: campaign.id, default=None)

    def mailing_id(self, campaign_id: int) -> int | None:
        """Id of its mailing; None when it holds several (a split)."""
        messages = self._rest.get_messages(campaign_id)
        return messages[0].mailing_id if len(messages) == 1 else None

    def wait(self, campaign_id: int, *, until: datetime | None) -> None:
        """Let it wait before it sends: until a time, or until the recipient import has ended.

        A Wait node that stands behind its recipients already is changed, else one is put there.
        """
        after_import = until is None
        recipients = self._rest.get_recipient_lists_node(campaign_id)
        nodes = {node.node_id: node for node in self._rest.find_wait_nodes(campaign_id)}
        first = nodes.get(recipients.successor_node_id)
        if first is None:
            self._rest.create_wait_node(
                campaign_id,
                scheduled_at=until,
                after_recipient_import=after_import,
                predecessor_node_id=recipients.node_id,
                successor_node_id=recipients.successor_node_id,
            )
        elif (first.scheduled_at, first.scheduled_after_recipient_import) != (until, after_import):
            self._rest.update_wait_node(
                campaign_id, first.node_id, scheduled_at=until, after_recipient_import=after_import
            )

    def look(self, broadcast: Broadcast) -> Look:
        """How far its send is."""
        status = self._rest.get_smart_campaign(campaign_id(broadcast)).status
        return Look(status=_MEANING.get(status, SendStatus.BROKEN), told=status)

    def sent(self, broadcast: Broadcast) -> int:
        """Recipients that were sent the message."""
        report = self._rest.get_report(campaign_id(broadcast))
        return report.recipients_total - report.skipped - report.in_queue

    def disarm(self, broadcast: Broadcast) -> bool:
        """Take an activation back.

        Returns:
            Whether it is certain that it sends nothing.
        """
        try:
            self._rest.deactivate_smart_campaign(campaign_id(broadcast))
        except OptimizelyConflict:
            return False
        return self.look(broadcast).status is SendStatus.WAITING

    def pause(self, broadcast: Broadcast) -> None:
        """Pause it."""
        self._rest.pause_smart_campaign(campaign_id(broadcast))

    def resume(self, broadcast: Broadcast) -> None:
        """Go on."""
        self._rest.start_smart_campaign(campaign_id(broadcast))

    def stop(self, broadcast: Broadcast) -> None:
        """Stop it for good."""
        self._rest.stop_smart_campaign(campaign_id(broadcast))


def campaign_id(broadcast: Broadcast) -> int:
    """The Smart Campaign made for the broadcast."""
    if broadcast.campaign_id is None:
        msg = "the Smart Campaign is known before anything is done with it"
        raise AssertionError(msg)
    return broadcast.campaign_id


def list_file_path(folder: str, layout: ListFileLayout, broadcast: Broadcast) -> str:
    """Where on the SFTP site the list file of the broadcast stands."""
    name = list_file_name(
        layout.name,
        list_id=list_id(broadcast),
        list_name=broadcast.request.list_name,
        broadcast_key=broadcast.key,
        delivery_file=broadcast.request.delivery_file,
        mailing_id=broadcast.source_mailing_id,
    )
    return posixpath.join(folder, name)


def list_id(broadcast: Broadcast) -> int:
    """The recipient list of the broadcast."""
    if broadcast.list_id is None:
        msg = "the list is known before anything is done with it"
        raise AssertionError(msg)
    return broadcast.list_id
