"""The closed-loop route: a list file that carries its source mailing id; Optimizely does the rest by itself.

As soon as the file stands on the SFTP site under its final name, the closed-loop service imports it,
copies the Smart Campaign of the mailing and sends it. The upload is therefore the start: from the moment
at which the file may have got its final name, nothing is repeated unless it is known not to have
happened. Source: docs/why/sources.md, Optimizely 2.1 and 7.2 B. How the service names its copies, where it looks for
files and where it looks for the mailing id is agreed with support: ASSUMPTION, settings of the channel.

The copy is found by name and time, so one broadcast at a time waits for its copy.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from shared.broadcast import Broadcast
from shared.config.channels import Channels, ClosedLoop
from shared.errors import CopyAmbiguous, CopyNotSeen, TerminalError
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes import single_upload as handover
from shared.routes.campaign import BroadcastCampaign, list_file_path
from shared.routes.route import Evidence, ImportStatus, Look, SendStatus, StagedList
from shared.sftp.site import SftpSite

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class ClosedLoopRoute:
    """The closed-loop route.

    Args:
        rest: the REST API.
        site: the SFTP site.
        channels: the channels.
    """

    #: Once the copy is known, it is not taken for another's.
    held_until_sent = False

    def __init__(self, rest: OptimizelyRest, site: SftpSite, channels: Channels) -> None:
        self._rest = rest
        self._site = site
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    def uses(self, broadcast: Broadcast) -> str | None:
        """The service: two copies that appear at once could not be told apart."""
        del broadcast
        return "closed loop"

    # Prepare

    def preparation(self, broadcast: Broadcast) -> str | None:
        """Nothing is prepared."""
        del broadcast
        return None

    def find_prepared(self, broadcast: Broadcast) -> Evidence | None:
        """Nothing is prepared."""
        del broadcast
        return None

    def prepare(self, broadcast: Broadcast) -> Evidence:
        """Nothing is prepared."""
        del broadcast
        return {}

    def furnish(self, broadcast: Broadcast, prepared: Evidence) -> Mapping[str, object]:
        """Nothing is prepared."""
        del broadcast, prepared
        return {}

    # Transfer

    def place(self, broadcast: Broadcast) -> str:
        """Path of the list file."""
        channel = self._channels[broadcast.request.channel]
        return list_file_path(channel.closed_loop.folder, channel.list_file, broadcast)

    def is_free(self, broadcast: Broadcast) -> bool:
        """It always is: the service takes whatever comes."""
        del broadcast
        return True

    def before_transfer(self, broadcast: Broadcast) -> Evidence:
        """The newest Smart Campaign before the upload: the copy is newer. Server times."""
        del broadcast
        newest, ids = None, list[int]()
        for campaign in self._rest.select_smart_campaigns(newest_first=True):
            if newest is not None and campaign.created != newest:
                break
            newest = campaign.created
            ids.append(campaign.id)
        return {"newest": newest and newest.isoformat(), "ids": ids}

    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Evidence) -> Evidence | None:
        """The list file under its final name, or that the service has it."""
        return handover.find(self._site, self.place(broadcast), staged, evidence)

    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Evidence, note: Callable[[Evidence], None]
    ) -> Evidence:
        """Upload the list file; when it gets its name, Optimizely sends."""
        del evidence
        return handover.hand_over(self._site, self.place(broadcast), staged, note)

    # Import

    def import_status(self, broadcast: Broadcast, evidence: Evidence) -> ImportStatus:
        """How far the import is: it has ended when the copy is there.

        Raises:
            CopyAmbiguous: several Smart Campaigns could be the copy.
        """
        copies = list(self._copies(broadcast, evidence))
        if len(copies) > 1:
            ids = ", ".join(str(copy.id) for copy in copies)
            raise CopyAmbiguous(count=len(copies), campaigns=ids, broadcast=broadcast.key)
        if not copies:
            with self._site.connect() as session:
                return ImportStatus(begun=session.stat(self.place(broadcast)) is None)
        copy = self._rest.get_smart_campaign(copies[0].id)
        if not copy.recipient_list_ids:
            return ImportStatus(begun=True)
        return ImportStatus(
            begun=True,
            recipients=self._rest.count_recipients(copy.recipient_list_ids[0]),
            given=broadcast.rows.uploaded if broadcast.rows else 0,
            found={"campaign_id": copy.id, "mailing_id": self._campaign.mailing_id(copy.id)},
        )

    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """No copy within the time."""
        return CopyNotSeen(campaign=broadcast.source_campaign_id, minutes=minutes, broadcast=broadcast.key)

    def is_unchanged(self, broadcast: Broadcast, evidence: Evidence) -> bool:
        """Nobody starts it here, so nothing is looked at before."""
        del broadcast, evidence
        return True

    def _copies(self, broadcast: Broadcast, before: Evidence) -> Iterator[SmartCampaign]:
        """Smart Campaigns newer than the upload and named as the service names copies of the source."""
        loop: ClosedLoop = self._channels[broadcast.request.channel].closed_loop
        source = self._rest.get_smart_campaign(broadcast.source_campaign_id or 0)
        pattern = loop.copy_name.format(campaign=_literal(source.name), broadcast=_literal(broadcast.key))
        newest = datetime.fromisoformat(before["newest"]) if before.get("newest") else _LONG_AGO
        for campaign in self._rest.select_smart_campaigns(newest_first=True):
            if campaign.created is None or campaign.created < newest:
                return
            if campaign.id not in before["ids"] and campaign.id != source.id and fnmatchcase(campaign.name, pattern):
                yield campaign

    # Send

    def arm(self, broadcast: Broadcast) -> None:
        """Nothing to do: the upload is the start."""

    def start(self, broadcast: Broadcast) -> None:
        """Nothing to do: the upload is the start."""

    def send_status(self, broadcast: Broadcast) -> Look:
        """How far the copy's send is. One that has not started yet is started by the service."""
        look = self._campaign.look(broadcast)
        return Look(status=SendStatus.ARMED, told=look.told) if look.status is SendStatus.WAITING else look

    def recall(self, broadcast: Broadcast, *, transferred: Evidence | None, started: bool) -> bool:
        """Take the list file back, if the service has not taken it."""
        del started
        return transferred is None or handover.take_back(self._site, self.place(broadcast), transferred)


def _literal(text: str) -> str:
    """Text in which `*`, `?` and `[` of a pattern mean themselves."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
