"""The Smart Campaign of a broadcast: what is the same on every route."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Final

from shared.broadcast import Broadcast
from shared.errors import OptimizelyConflict
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.refusals import exists
from shared.routes.route import Confirm, SendState, SendStatus

#: The vendor's statuses of a Smart Campaign that sends once.
_SEND_STATUS: Final[Mapping[str, SendStatus]] = MappingProxyType(
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
    """The part of a route that deals with the Smart Campaign of a broadcast."""

    def __init__(self, rest: OptimizelyRest) -> None:
        self._rest = rest

    def find_by_name(self, name: str) -> SmartCampaign | None:
        """The Smart Campaign with this name. Of several, the first: the others were never started."""
        campaigns = [campaign for campaign in self._rest.select_smart_campaigns() if campaign.name == name]
        return min(campaigns, key=lambda campaign: campaign.id, default=None)

    def exists(self, campaign_id: int) -> bool:
        """Whether the Smart Campaign was not deleted, which is possible only before it has started."""
        return exists(partial(self._rest.get_smart_campaign, campaign_id))

    def find_mailing_id(self, campaign_id: int) -> int | None:
        """Id of its mailing; None if it has several (a split)."""
        messages = self._rest.get_messages(campaign_id)
        return messages[0].mailing_id if len(messages) == 1 else None

    def set_wait_node(self, campaign_id: int, *, until: datetime | None, confirm: Confirm) -> None:
        """Make the Smart Campaign wait before it sends: until a time, or until the recipient import has ended.

        A Wait node that already follows the recipients is changed; otherwise one is created there.
        """
        after_import = until is None
        recipients = self._rest.get_recipient_lists_node(campaign_id)
        nodes = {node.node_id: node for node in self._rest.find_wait_nodes(campaign_id)}
        first = nodes.get(recipients.successor_node_id)
        if first is None:
            confirm()
            self._rest.create_wait_node(
                campaign_id,
                scheduled_at=until,
                after_recipient_import=after_import,
                predecessor_node_id=recipients.node_id,
                successor_node_id=recipients.successor_node_id,
            )
        elif (first.scheduled_at, first.scheduled_after_recipient_import) != (until, after_import):
            confirm()
            self._rest.update_wait_node(
                campaign_id, first.node_id, scheduled_at=until, after_recipient_import=after_import
            )

    def send_status(self, broadcast: Broadcast, *, starts_by_itself: bool = False) -> SendState:
        """How far its send is.

        Args:
            broadcast: the broadcast.
            starts_by_itself: whether Optimizely starts a Smart Campaign that still waits.
        """
        vendor_status = self._rest.get_smart_campaign(campaign_id(broadcast)).status
        status = _SEND_STATUS.get(vendor_status, SendStatus.BROKEN)
        if starts_by_itself and status is SendStatus.WAITING:
            status = SendStatus.ARMED
        return SendState(status=status, vendor_status=vendor_status)

    def deactivate(self, broadcast: Broadcast, confirm: Confirm) -> bool:
        """Take back an activation, unless it was taken back before.

        Returns:
            Whether it is certain that nothing is sent.
        """
        if self.send_status(broadcast).status is SendStatus.WAITING:
            return True
        confirm()
        try:
            self._rest.deactivate_smart_campaign(campaign_id(broadcast))
        except OptimizelyConflict:
            return False
        return self.send_status(broadcast).status is SendStatus.WAITING


def campaign_id(broadcast: Broadcast) -> int:
    """Id of the Smart Campaign made for the broadcast."""
    if broadcast.campaign_id is None:
        raise AssertionError("the Smart Campaign is not known yet")
    return broadcast.campaign_id
