"""The import-job route: a list file on the SFTP site, imported by the list's scheduled import job.

The Smart Campaign is copied for the broadcast and pointed at the list; the list file is uploaded; the import job clears
the list and fills it; the count is verified; the copy is started. Or the copy is activated before the upload, with a
Wait node that lets it start when the import has ended.

Source: docs/why/sources.md, Optimizely 7.2 A. REST reports neither result nor counts of an import, so the import is
followed by the running jobs and by the list's own time of change. Both are compared with server times only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, override

from shared.broadcast import Broadcast, SendMode
from shared.config.channels import Channels, ImportJob
from shared.errors import UploadOutcomeUnknown
from shared.ledger.leases import LeaseName
from shared.optimizely.import_jobs import require_job
from shared.optimizely.names import Names
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign, campaign_id
from shared.routes.evidence import Evidence
from shared.routes.list_file import (
    ListFileUpload,
    find_direct,
    list_file_path,
    remove_unfinished,
    take_away,
    take_away_direct,
    upload_list_file,
)
from shared.routes.route import Confirm, ImportStatus, Route, SendState, StagedList
from shared.sftp.site import SftpSite, unfinished_path
from shared.telemetry import log

#: In place of a size: the list file is complete and is not on the SFTP site, so that the import job may have it.
_TAKEN: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignCopy(Evidence):
    """Evidence of the copy of the Smart Campaign."""

    #: Its id.
    campaign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportJobUpload(ListFileUpload):
    """Evidence of the upload. All times are the server's. The size is -1 once the import job may have the file."""

    #: When the list was last changed before the upload.
    list_modified: datetime | None = None
    #: When the import job last fired before the upload.
    job_fired: datetime | None = None
    #: When the list was last changed before its count was verified.
    verified: datetime | None = None


class ImportJobRoute(Route[ImportJobUpload, CampaignCopy]):
    """The import-job route."""

    transfer_evidence = ImportJobUpload
    prepared_evidence = CampaignCopy
    #: The next import would clear the list during the send.
    held_until_sent = True

    def __init__(self, rest: OptimizelyRest, site: SftpSite, names: Names, channels: Channels) -> None:
        self._rest = rest
        self._site = site
        self._names = names
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    @override
    def exclusive_resource(self, broadcast: Broadcast) -> LeaseName:
        """The list: the import clears it first, so one broadcast uses it at a time."""
        return LeaseName.for_list(broadcast.list_id)

    # Prepare

    @override
    def check_ready(self, broadcast: Broadcast) -> None:
        """Make sure that the list has its import job: one of another name would never be seen to run.

        Raises:
            ImportJobUnknown: REST does not know it.
            ScheduledJobsHidden: REST lists no jobs at all.
        """
        require_job(self._rest, self._job_name(broadcast))

    @override
    def prepared_name(self, broadcast: Broadcast) -> str | None:
        """Name of the copy: the message name and the broadcast's key."""
        request = broadcast.request
        return None if request.send_mode is SendMode.UPLOAD_ONLY else f"{request.message_name} [{request.key}]"

    @override
    def find_prepared(self, broadcast: Broadcast) -> CampaignCopy | None:
        """The copy made for this broadcast."""
        campaign = self._campaign.find_by_name(self.prepared_name(broadcast) or "")
        return None if campaign is None else CampaignCopy(campaign=campaign.id)

    @override
    def prepare(self, broadcast: Broadcast, confirm: Confirm) -> CampaignCopy:
        """Copy the Smart Campaign for this broadcast, pointed at the list."""
        source = self._names.get_message(broadcast.request.message_name)
        name = self.prepared_name(broadcast) or ""
        confirm()
        return CampaignCopy(campaign=self._rest.copy_smart_campaign(source.campaign_id, name, [_list_id(broadcast)]).id)

    @override
    def apply_prepared(self, broadcast: Broadcast, prepared: CampaignCopy, confirm: Confirm) -> dict[str, object]:
        """Give the copy the Wait node that its send mode needs."""
        copy = prepared.campaign
        if broadcast.request.send_mode in {SendMode.AFTER_IMPORT, SendMode.AT_TIME}:
            self._campaign.set_wait_node(copy, until=broadcast.request.send_at, confirm=confirm)
        return {"campaign_id": copy, "mailing_id": self._campaign.find_mailing_id(copy)}

    # Transfer

    @override
    def destination(self, broadcast: Broadcast) -> str:
        channel = self._channels[broadcast.request.channel]
        return list_file_path(channel.import_job.folder, channel.list_file, broadcast)

    @override
    def upload_slot_free(self, broadcast: Broadcast) -> bool:
        """Whether no import runs: an import of another file must not be mistaken for ours."""
        return not self._job_runs(broadcast)

    @override
    def before_transfer(self, broadcast: Broadcast) -> ImportJobUpload:
        """The times of the list and of its import job before the upload."""
        fired, modified = self._job_fired(broadcast), self._list_modified(broadcast)
        return ImportJobUpload(list_modified=modified, job_fired=fired, renaming=False)

    @override
    def find_transferred(
        self, broadcast: Broadcast, staged: StagedList, evidence: ImportJobUpload
    ) -> ImportJobUpload | None:
        """The uploaded list file, or that the import job may have it: then the import shows whether it has."""
        if evidence.renaming is False and not evidence.closing:
            return None
        path = self.destination(broadcast)
        if evidence.direct:
            try:
                return find_direct(self._site, path, staged, evidence)
            except UploadOutcomeUnknown:
                return replace(evidence, size=_TAKEN)
        with self._site.connect() as session:
            size = session.wait_for_size(path, staged.size) if session.find(path) else None
            unfinished = session.find(unfinished_path(path, staged.tag))
        if size is not None:
            return replace(evidence, size=size) if size == staged.size else None
        if unfinished is not None:
            return None  # it was not renamed, whatever the import job does now
        # Of old evidence it is not known whether the file was ever complete.
        complete = evidence.renaming or evidence.closing
        taken = (
            complete
            or self._list_changed(broadcast, evidence, self._list_modified(broadcast))
            or self._job_runs(broadcast)
        )
        return replace(evidence, size=_TAKEN) if taken else None

    @override
    def transfer(
        self,
        broadcast: Broadcast,
        staged: StagedList,
        evidence: ImportJobUpload,
        record: Callable[[ImportJobUpload], None],
    ) -> ImportJobUpload:
        """Upload the list file; it gets its final name when it is complete.

        If the complete file vanishes, it may have been taken: the import shows whether it was.
        """
        path = self.destination(broadcast)
        try:
            return upload_list_file(self._site, path, staged, evidence, record, replace_existing=True)
        except UploadOutcomeUnknown as unknown:
            log.warning("%s", unknown, extra={"action": "note", **broadcast.log_context(), "code": unknown.code})
            return replace(evidence, closing=True, renaming=True, size=_TAKEN)

    # Import

    @override
    def import_status(self, broadcast: Broadcast, evidence: ImportJobUpload) -> ImportStatus:
        # The order matters: a list that has changed while afterwards no job runs is full, for the job
        # had begun before the first request and ended before the second.
        changed = self._list_changed(broadcast, evidence, self._list_modified(broadcast))
        if self._job_runs(broadcast):
            return ImportStatus(begun=True)
        if not changed:
            return ImportStatus()
        # Read again: the first request may have found the list cleared and not yet filled.
        modified = self._list_modified(broadcast)
        return ImportStatus(
            begun=True,
            recipients=self._rest.count_recipients(_list_id(broadcast)),
            transferred=broadcast.rows.uploaded if broadcast.rows else 0,
            evidence=replace(evidence, verified=modified),
        )

    @override
    def is_unchanged(self, broadcast: Broadcast, evidence: ImportJobUpload) -> bool:
        """Whether the list has not changed since its count was verified."""
        return self._list_modified(broadcast) == evidence.verified

    def _list_modified(self, broadcast: Broadcast) -> datetime | None:
        return self._rest.get_recipient_list(_list_id(broadcast)).modified

    def _job_runs(self, broadcast: Broadcast) -> bool:
        """Whether the list's import job runs now, for whatever file."""
        name = self._job_name(broadcast)
        return any(job.name == name for job in self._rest.select_all_running_jobs())

    def _list_changed(self, broadcast: Broadcast, before: ImportJobUpload, modified: datetime | None) -> bool:
        if modified is None or (before.list_modified is not None and modified <= before.list_modified):
            return False
        # Somebody can change a list by hand: unless its job has fired since, it was not the import. A job that has
        # never fired, or is not listed, has not.
        fired = self._job_fired(broadcast)
        return fired is not None and (before.job_fired is None or fired > before.job_fired)

    def _job_fired(self, broadcast: Broadcast) -> datetime | None:
        name = self._job_name(broadcast)
        fired = [
            trigger.last_fired_time
            for job in self._rest.select_all_configured_jobs()
            if job.name == name
            for trigger in job.triggers
            if trigger.last_fired_time is not None
        ]
        return max(fired, default=None)

    def _job_name(self, broadcast: Broadcast) -> str:
        job: ImportJob = self._channels[broadcast.request.channel].import_job
        return job.job_name.format(list=broadcast.request.list_name)

    # Send

    @override
    def arm(self, broadcast: Broadcast) -> None:
        """Activate the copy, whose Wait node lets it start when the import has ended."""
        self._rest.activate_smart_campaign(campaign_id(broadcast))

    @override
    def start(self, broadcast: Broadcast) -> None:
        """Start the copy, or activate it if its Wait node lets it start at its time."""
        if broadcast.request.send_mode is SendMode.AT_TIME:
            self._rest.activate_smart_campaign(campaign_id(broadcast))
        else:
            self._rest.start_smart_campaign(campaign_id(broadcast))

    @override
    def send_status(self, broadcast: Broadcast) -> SendState:
        return self._campaign.send_status(broadcast)

    @override
    def withdraw(
        self,
        broadcast: Broadcast,
        *,
        transferred: ImportJobUpload | None,
        started: bool,
        record: Callable[[ImportJobUpload], None],
        confirm: Confirm,
    ) -> bool:
        """Remove the list file unless the import job has taken it, and take back an activation.

        Nothing is asked of the site if the ledger knows that the list file never had its final name.
        """
        if transferred is not None:
            path = self.destination(broadcast)
            if transferred.direct:
                take_away_direct(self._site, path, confirm)
            elif transferred.renaming is not False:
                with self._site.connect() as session:
                    if session.exists(path) is not False:
                        confirm()
                        take_away(session, path)
            remove_unfinished(self._site, path, broadcast, confirm)
        if not started:
            return True
        if broadcast.request.send_mode is SendMode.VERIFY_THEN_START:
            return False  # a start cannot be taken back, and one without an answer may still take effect
        return self._campaign.deactivate(broadcast, confirm)


def _list_id(broadcast: Broadcast) -> int:
    if broadcast.list_id is None:
        raise AssertionError("the list is not known yet")
    return broadcast.list_id
