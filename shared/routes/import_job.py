"""The import-job route: a list file on the SFTP site, taken by the list's scheduled import job.

The Smart Campaign is copied for the broadcast and pointed at the list; the list file is uploaded; the
import job clears the list and fills it; the count is verified; the copy is started. Or the copy is
activated before the upload, with a Wait node that lets it start when the import has ended.

Source of the flow: docs/why/sources.md, Optimizely 7.2 A. REST tells neither result nor counts of an import, so it is
followed by the running jobs and by the list's own time of change, compared with server times only.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

from shared.broadcast import Broadcast, SendMode
from shared.config.channels import Channels, ImportJob
from shared.errors import ImportNotSeen, TerminalError
from shared.optimizely.names import Names
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign, campaign_id, list_file_path, list_id
from shared.routes.route import Evidence, ImportStatus, Look, StagedList
from shared.sftp.site import SftpSite

#: In place of the size of a list file that the import job has taken from the SFTP site.
_TAKEN = -1


class ImportJobRoute:
    """The import-job route.

    Args:
        rest: the REST API.
        site: the SFTP site.
        names: resolves list and message names.
        channels: the channels.
    """

    #: The next import would clear the list while it is being sent to.
    held_until_sent = True

    def __init__(self, rest: OptimizelyRest, site: SftpSite, names: Names, channels: Channels) -> None:
        self._rest = rest
        self._site = site
        self._names = names
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    def uses(self, broadcast: Broadcast) -> str | None:
        """The list: the import clears it first, so one broadcast uses it at a time."""
        return f"list:{broadcast.list_id}"

    # Prepare

    def preparation(self, broadcast: Broadcast) -> str | None:
        """Name of the copy: the message name and the broadcast's key."""
        request = broadcast.request
        return None if request.send_mode is SendMode.UPLOAD_ONLY else f"{request.message_name} [{request.key}]"

    def find_prepared(self, broadcast: Broadcast) -> Evidence | None:
        """The copy made for this broadcast."""
        found = self._campaign.find_by_name(self.preparation(broadcast) or "")
        return None if found is None else {"campaign": found.id}

    def prepare(self, broadcast: Broadcast) -> Evidence:
        """Copy the Smart Campaign for this broadcast, pointed at the list."""
        source = self._names.find_message(broadcast.request.message_name)
        copy = self._rest.copy_smart_campaign(
            source.campaign_id, self.preparation(broadcast) or "", [list_id(broadcast)]
        )
        return {"campaign": copy.id}

    def furnish(self, broadcast: Broadcast, prepared: Evidence) -> Mapping[str, object]:
        """Give the copy the Wait node that its send mode needs."""
        copy = int(prepared["campaign"])
        if broadcast.request.send_mode in {SendMode.AFTER_IMPORT, SendMode.AT_TIME}:
            self._campaign.wait(copy, until=broadcast.request.send_at)
        return {"campaign_id": copy, "mailing_id": self._campaign.mailing_id(copy)}

    # Transfer

    def place(self, broadcast: Broadcast) -> str:
        """Path of the list file."""
        channel = self._channels[broadcast.request.channel]
        return list_file_path(channel.import_job.folder, channel.list_file, broadcast)

    def is_free(self, broadcast: Broadcast) -> bool:
        """Whether no import runs: one of somebody else's file must not be taken for ours."""
        return not self._job_runs(broadcast)

    def before_transfer(self, broadcast: Broadcast) -> Evidence:
        """What the list and its import job look like before the upload. Server times."""
        fired, modified = self._job_fired(broadcast), self._list_modified(broadcast)
        return {
            "list_modified": modified and modified.isoformat(),
            "job_fired": fired and fired.isoformat(),
        }

    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Evidence) -> Evidence | None:
        """The uploaded list file, or that the import job has it."""
        with self._site.connect() as session:
            present = session.stat(self.place(broadcast))
        if present is not None:
            return {"size": present.size} if present.size == staged.size else None
        taken = self._list_changed(broadcast, evidence, self._list_modified(broadcast)) or self._job_runs(broadcast)
        return {"size": _TAKEN} if taken else None

    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Evidence, note: Callable[[Evidence], None]
    ) -> Evidence:
        """Upload the list file; it appears under its name when it is whole."""
        del evidence, note
        sent = self._site.upload(staged.open_at, self.place(broadcast), size=staged.size, tag=staged.tag, replace=True)
        return {"size": sent}

    # Import

    def import_status(self, broadcast: Broadcast, evidence: Evidence) -> ImportStatus:
        """How far the import is."""
        # The order matters: a list that has changed while afterwards no job runs is full, for the job
        # had begun before the first look and ended before the second.
        changed = self._list_changed(broadcast, evidence, self._list_modified(broadcast))
        if self._job_runs(broadcast):
            return ImportStatus(begun=True)
        if not changed:
            return ImportStatus()
        # Read again: the first look may have seen the list cleared, and not yet filled.
        modified = self._list_modified(broadcast)
        recipients = self._rest.count_recipients(list_id(broadcast))
        return ImportStatus(
            begun=True,
            recipients=recipients,
            given=broadcast.rows.uploaded if broadcast.rows else 0,
            evidence={"verified": modified and modified.isoformat()},
        )

    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """No import within the time."""
        del broadcast
        return ImportNotSeen(minutes=minutes)

    def is_unchanged(self, broadcast: Broadcast, evidence: Evidence) -> bool:
        """Whether the list was not changed since its count was verified."""
        modified = self._list_modified(broadcast)
        return (modified and modified.isoformat()) == evidence.get("verified")

    def _list_modified(self, broadcast: Broadcast) -> datetime | None:
        return self._rest.get_recipient_list(list_id(broadcast)).modified

    def _job_runs(self, broadcast: Broadcast) -> bool:
        """Whether the list's import job runs now, for whatever file."""
        name = self._job_name(broadcast)
        return any(job.name == name for job in self._rest.select_all_running_jobs())

    def _list_changed(self, broadcast: Broadcast, before: Evidence, modified: datetime | None) -> bool:
        was, had_fired = before.get("list_modified"), before.get("job_fired")
        if modified is None or (was and modified <= datetime.fromisoformat(was)):
            return False
        # Somebody can change a list by hand: without a firing of its job since, it was not the import.
        fired = self._job_fired(broadcast)
        return fired is None or had_fired is None or fired > datetime.fromisoformat(had_fired)

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

    def arm(self, broadcast: Broadcast) -> None:
        """Activate the copy, whose Wait node lets it start when the import has ended."""
        self._rest.activate_smart_campaign(campaign_id(broadcast))

    def start(self, broadcast: Broadcast) -> None:
        """Start the copy, or activate it, whose Wait node lets it start at its time."""
        if broadcast.request.send_mode is SendMode.AT_TIME:
            self._rest.activate_smart_campaign(campaign_id(broadcast))
        else:
            self._rest.start_smart_campaign(campaign_id(broadcast))

    def send_status(self, broadcast: Broadcast) -> Look:
        """How far the copy's send is."""
        return self._campaign.look(broadcast)

    def recall(self, broadcast: Broadcast, *, transferred: Evidence | None, started: bool) -> bool:
        """Take the list file back if the import job has not taken it, and an activation."""
        if transferred is not None:
            with self._site.connect() as session:
                session.remove(self.place(broadcast))
                session.remove_unfinished(self.place(broadcast))
        if not started:
            return True
        if broadcast.request.send_mode is SendMode.VERIFY_THEN_START:
            return False  # a start cannot be taken back, and one without an answer may still take effect
        return self._campaign.disarm(broadcast)
