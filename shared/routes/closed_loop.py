"""The closed-loop route: a list file with its source mailing id; Optimizely does everything else by itself.

As soon as the file has its final name on the SFTP site, the closed-loop service imports it, copies the Smart Campaign
of the mailing and sends it. The upload is therefore the start. Source: docs/why/sources.md, Optimizely 2.1
and 7.2 B. How the service names its copies, where it looks for files and where it looks for the mailing id is agreed
with support: ASSUMPTION, settings of the channel.

The copy is found by name and time, so one broadcast at a time waits for its copy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import override

from shared.broadcast import Broadcast
from shared.config.channels import Channels, ClosedLoop
from shared.errors import CopyAmbiguous, CopyNotSeen, TerminalError
from shared.ledger.leases import LeaseName
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign
from shared.routes.list_file import list_file_path
from shared.routes.route import ImportStatus, SendState
from shared.routes.single_upload import SingleUpload, SingleUploadRoute
from shared.sftp.site import SftpSite

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoopUpload(SingleUpload):
    """Evidence of the upload. The copy is newer than the newest Smart Campaigns before it."""

    #: When the newest Smart Campaigns were created, by the server's clock.
    newest: datetime | None = None
    #: Their ids.
    ids: tuple[int, ...] = ()


class ClosedLoopRoute(SingleUploadRoute[ClosedLoopUpload]):
    """The closed-loop route."""

    transfer_evidence = ClosedLoopUpload

    def __init__(self, rest: OptimizelyRest, site: SftpSite, channels: Channels) -> None:
        self._rest = rest
        self._site = site
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    @override
    def exclusive_resource(self, broadcast: Broadcast) -> LeaseName:
        """The service, until the copy is known: two copies at once could not be told apart."""
        return LeaseName.for_closed_loop()

    @override
    def resource_name(self, broadcast: Broadcast) -> str:
        return "its turn in the closed loop"

    # Transfer

    @override
    def site(self, broadcast: Broadcast) -> SftpSite:
        """Optimizely's site."""
        return self._site

    @override
    def destination(self, broadcast: Broadcast) -> str:
        channel = self._channels[broadcast.request.channel]
        return list_file_path(channel.closed_loop.folder, channel.list_file, broadcast)

    @override
    def before_transfer(self, broadcast: Broadcast) -> ClosedLoopUpload:
        """The newest Smart Campaigns before the upload."""
        newest, ids = None, list[int]()
        for campaign in self._rest.select_smart_campaigns(newest_first=True):
            if newest is not None and campaign.created != newest:
                break
            newest = campaign.created
            ids.append(campaign.id)
        return ClosedLoopUpload(newest=newest, ids=tuple(ids))

    # Import

    @override
    def import_status(self, broadcast: Broadcast, evidence: ClosedLoopUpload) -> ImportStatus:
        """How far the import is: it has ended once the copy exists.

        Raises:
            CopyAmbiguous: several Smart Campaigns could be the copy.
        """
        copies = list(self._copies(broadcast, evidence))
        if len(copies) > 1:
            ids = ", ".join(str(copy.id) for copy in copies)
            raise CopyAmbiguous(count=len(copies), campaigns=ids, broadcast=broadcast.key)
        if not copies:
            with self._site.connect() as session:
                return ImportStatus(begun=session.stat(self.destination(broadcast)) is None)
        copy = self._rest.get_smart_campaign(copies[0].id)
        if not copy.recipient_list_ids:
            return ImportStatus(begun=True)
        return ImportStatus(
            begun=True,
            recipients=self._rest.count_recipients(copy.recipient_list_ids[0]),
            transferred=broadcast.rows.uploaded if broadcast.rows else 0,
            columns={"campaign_id": copy.id, "mailing_id": self._campaign.find_mailing_id(copy.id)},
        )

    @override
    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """No copy within the time."""
        return CopyNotSeen(campaign=broadcast.source_campaign_id, minutes=minutes, broadcast=broadcast.key)

    def _copies(self, broadcast: Broadcast, before: ClosedLoopUpload) -> Iterator[SmartCampaign]:
        """Smart Campaigns newer than the upload and named as the service names copies of the source."""
        loop: ClosedLoop = self._channels[broadcast.request.channel].closed_loop
        source = self._rest.get_smart_campaign(broadcast.source_campaign_id or 0)
        pattern = loop.copy_name.format(campaign=_literal(source.name), broadcast=_literal(broadcast.key))
        for campaign in self._rest.select_smart_campaigns(newest_first=True):
            if campaign.created is None or campaign.created < (before.newest or _LONG_AGO):
                return
            if campaign.id not in before.ids and campaign.id != source.id and fnmatchcase(campaign.name, pattern):
                yield campaign

    # Send

    @override
    def send_status(self, broadcast: Broadcast) -> SendState:
        """How far the send of the copy is. The service starts a copy that still waits."""
        return self._campaign.send_status(broadcast, starts_by_itself=True)


def _literal(text: str) -> str:
    """Text in which `*`, `?` and `[` of a pattern stand for themselves."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
