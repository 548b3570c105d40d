"""The closed-loop route: a list file with its source mailing id; Optimizely does everything else by itself.

As soon as the file has its final name on the SFTP site, the closed-loop service imports it, copies the Smart Campaign
of the mailing and sends it. The upload is therefore the start. Source: docs/why/sources.md, Optimizely 2.1
and 7.2 B. How the service names its copies, where it looks for files and where it looks for the mailing id is agreed
with support: ASSUMPTION, settings of the channel.

The copy is searched by name and time, and one broadcast at a time waits for its copy. That it is the only one proves
nothing: people copy Smart Campaigns, and so do other routes. Its name has to carry the broadcast's key, or its list
has to hold it.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final, override

from shared.broadcast import KEY_PATTERN, Broadcast
from shared.config.channels import Channels
from shared.errors import (
    AlreadyStarted,
    CopyAmbiguous,
    CopyNotSeen,
    CopyPossible,
    CopyUnproven,
    OptimizelyLoginRefused,
    OptimizelyRefused,
    TerminalError,
)
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.leases import LeaseName
from shared.optimizely.lists.fields import BROADCAST_KEY, find_field
from shared.optimizely.rest.answers import SmartCampaign
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign
from shared.routes.list_file import list_file_path
from shared.routes.route import ImportStatus, SendState
from shared.routes.single_upload import SingleUpload, SingleUploadRoute
from shared.sftp.site import SftpSite

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_KEY: Final = re.compile(rf"(?<![0-9a-z]){KEY_PATTERN}(?![0-9a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoopUpload(SingleUpload):
    """Evidence of the upload. The copy is newer than the newest Smart Campaigns before it."""

    #: When the newest Smart Campaigns were created, by the server's clock.
    newest: datetime | None = None
    #: Their ids.
    ids: tuple[int, ...] = ()
    #: When the file was first known not to be on the site any more, by the ledger's clock.
    gone: datetime | None = None


class ClosedLoopRoute(SingleUploadRoute[ClosedLoopUpload]):
    """The closed-loop route."""

    transfer_evidence = ClosedLoopUpload

    def __init__(self, rest: OptimizelyRest, site: SftpSite, channels: Channels, broadcasts: Broadcasts) -> None:
        self._rest = rest
        self._broadcasts = broadcasts
        self._site = site
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    @override
    def exclusive_resource(self, broadcast: Broadcast) -> LeaseName:
        """The service, until the copy is known: two copies at once could not be distinguished."""
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
            CopyAmbiguous: several Smart Campaigns send the broadcast's list.
        """
        candidates = self._candidates(broadcast, evidence)
        copies = self._copies(broadcast, candidates)
        if len(copies) > 1:
            raise CopyAmbiguous(count=len(copies), campaigns=_ids(copies), broadcast=broadcast.key)
        if not copies:
            with self._site.connect() as session:
                taken = session.exists(self.destination(broadcast)) is False
            waiting_for = f"proof that a Smart Campaign is its copy ({_ids(candidates)})" if candidates else ""
            return ImportStatus(begun=taken, waiting_for=waiting_for)
        copy = self._rest.get_smart_campaign(copies[0].id)
        if not copy.recipient_list_ids:
            return ImportStatus(begun=True)
        return ImportStatus(
            begun=True,
            recipients=self._rest.count_recipients(copy.recipient_list_ids[0]),
            transferred=_uploaded(broadcast),
            columns={"campaign_id": copy.id, "mailing_id": self._campaign.find_mailing_id(copy.id)},
        )

    @override
    def not_imported(self, broadcast: Broadcast, evidence: ClosedLoopUpload, minutes: int) -> TerminalError:
        """No copy within the time, or none that is proved to be the copy."""
        candidates = self._candidates(broadcast, evidence)
        if candidates:
            return CopyUnproven(minutes=minutes, campaigns=_ids(candidates), broadcast=broadcast.key)
        return CopyNotSeen(campaign=broadcast.source_campaign_id, minutes=minutes, broadcast=broadcast.key)

    @override
    def check_not_started(
        self, broadcast: Broadcast, evidence: ClosedLoopUpload | None, *, not_copies: Collection[int]
    ) -> bool:
        """Make sure that no copy exists, and that the file is not where the service may take it."""
        if broadcast.source_campaign_id is None:
            return False  # it was never staged
        # Without the server's time of an upload, the ledger's serves: a day is more than clocks differ.
        before = evidence or ClosedLoopUpload(newest=broadcast.created_at - timedelta(days=1))
        candidates = self._candidates(broadcast, before)
        for copy in self._copies(broadcast, candidates):
            # Whatever an operator says: its list is the broadcast's.
            raise AlreadyStarted(broadcast=broadcast.key, campaign=copy.id, status=copy.status)
        possible = [candidate for candidate in candidates if candidate.id not in not_copies]
        if possible:
            raise CopyPossible(broadcast=broadcast.key, campaigns=_ids(possible))
        super().check_not_started(broadcast, evidence, not_copies=not_copies)
        return evidence is not None and evidence.may_be_taken

    def _candidates(self, broadcast: Broadcast, before: ClosedLoopUpload) -> list[SmartCampaign]:
        """Smart Campaigns that may be the copy.

        They are newer than the upload and named as the service names copies of the source. The ledger knows none of
        them as another broadcast's, and none carries the key of another one.
        """
        source = self._rest.get_smart_campaign(broadcast.source_campaign_id or 0)
        pattern = self._copy_name(broadcast).format(campaign=_literal(source.name), broadcast=_literal(broadcast.key))
        named = [
            campaign
            for campaign in self._newer(before)
            if campaign.id != source.id
            and fnmatchcase(campaign.name, pattern)
            and _keys(campaign.name) - _keys(source.name) <= {broadcast.key.lower()}
        ]
        owners = self._broadcasts.by_campaign(campaign.id for campaign in named)
        return [campaign for campaign in named if owners.get(campaign.id, broadcast.key) == broadcast.key]

    def _newer(self, before: ClosedLoopUpload) -> Iterator[SmartCampaign]:
        """Smart Campaigns that did not exist before the upload, newest first."""
        for campaign in self._rest.select_smart_campaigns(newest_first=True):
            if campaign.created is None or campaign.id in before.ids:
                continue
            if campaign.created < (before.newest or _LONG_AGO):
                return
            yield campaign

    def _copies(self, broadcast: Broadcast, candidates: Sequence[SmartCampaign]) -> list[SmartCampaign]:
        """The candidates that are proved to be the copy: by a name with the broadcast's key, or else by their list."""
        if len(candidates) == 1 and "{broadcast}" in self._copy_name(broadcast):
            return list(candidates)
        return [candidate for candidate in candidates if self._sends_list(candidate.id, broadcast)]

    def _sends_list(self, campaign_id: int, broadcast: Broadcast) -> bool:
        """Whether its only list holds the broadcast's key; or, without any key, exactly as many as were uploaded."""
        list_ids = self._rest.get_smart_campaign(campaign_id).recipient_list_ids
        if len(list_ids) != 1:
            return False
        keys = self._keys_on(list_ids[0])
        if keys:
            return broadcast.key in keys
        return self._rest.count_recipients(list_ids[0]) == _uploaded(broadcast) > 0

    def _keys_on(self, list_id: int) -> set[str]:
        """The keys of broadcasts that a list holds; none if it has no field for them, or no values are given."""
        field = find_field(self._rest.get_recipient_list_fields(list_id), BROADCAST_KEY)
        if field is None:
            return set()
        try:
            return set(self._rest.retrieve_distinct_values(list_id, field.internal_name)) - {""}
        except (OptimizelyRefused, OptimizelyLoginRefused):
            return set()

    def _copy_name(self, broadcast: Broadcast) -> str:
        return self._channels[broadcast.request.channel].closed_loop.copy_name

    # Send

    @override
    def send_status(self, broadcast: Broadcast) -> SendState:
        """How far the send of the copy is. The service starts a copy that still waits."""
        return self._campaign.send_status(broadcast, starts_by_itself=True)


def _uploaded(broadcast: Broadcast) -> int:
    return broadcast.rows.uploaded if broadcast.rows else 0


def _ids(campaigns: Iterable[SmartCampaign]) -> str:
    return ", ".join(str(campaign.id) for campaign in campaigns)


def _keys(name: str) -> set[str]:
    """The keys of broadcasts in a name."""
    return {key.lower() for key in _KEY.findall(name)}


def _literal(text: str) -> str:
    """Text in which `*`, `?` and `[` of a pattern stand for themselves."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in text)
