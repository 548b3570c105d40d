"""The import-job route: a list file on the SFTP site, taken by the list's scheduled import job.

The Smart Campaign is copied for the broadcast and pointed at the list; the list file is uploaded; the
import job clears the list and fills it; the count is verified; the copy is started. What must not
happen twice comes in pairs: a `find_…` that looks whether it has happened, and the act itself.

Source of the flow: `optimizely.md` 7.2 A. REST tells neither result nor counts of an import, so it is
followed by the running jobs and by the list's own time of change, compared with server times only.
"""

import posixpath
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.broadcast import Broadcast
from shared.errors import ListAmbiguous, ListUnknown, MessageAmbiguous, MessageUnknown
from shared.optimizely.rest import OptimizelyRest, RecipientListField, SmartCampaign, SmartCampaignReport
from shared.optimizely.sftp import SftpSite
from shared.staging import Readable

#: The name of a copy ends with the broadcast's key, by which it is found again.
_COPY = re.compile(r" \[J\d+-[0-9a-f]{8}\]$")
#: Statuses from which a Smart Campaign can be started (vendor's description, startSmartCampaign).
STARTABLE = frozenset({"activationRequired", "invalid", "paused"})
#: Statuses that only a started Smart Campaign has.
STARTED = frozenset({"running", "finished"})

#: In place of the size of a list file that the import job has taken from the SFTP site.
TAKEN = -1


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the list and its import job looked like before the upload. Server times."""

    list_modified: datetime | None
    job_fired: datetime | None

    def as_evidence(self) -> dict[str, Any]:
        """For the ledger."""
        return {
            "list_modified": self.list_modified and self.list_modified.isoformat(),
            "job_fired": self.job_fired and self.job_fired.isoformat(),
        }

    @classmethod
    def from_evidence(cls, evidence: Any) -> "Baseline":  # noqa: ANN401 - JSON
        """From the ledger."""
        modified, fired = evidence.get("list_modified"), evidence.get("job_fired")
        return cls(
            list_modified=datetime.fromisoformat(modified) if modified else None,
            job_fired=datetime.fromisoformat(fired) if fired else None,
        )


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """How far the import is."""

    #: The import job was seen to run, or to have run.
    begun: bool
    #: Recipients on the list and its time of change, once the import has ended.
    recipients: int | None = None
    list_modified: datetime | None = None


class ImportJobRoute:
    """The import-job route.

    Args:
        rest: the REST API.
        site: the SFTP site.
        import_folder: folder from which the import jobs take their files.
        job_name: name of a list's import job, with `{list}` for the list name.
    """

    def __init__(self, rest: OptimizelyRest, site: SftpSite, *, import_folder: str, job_name: str) -> None:
        self._rest = rest
        self._site = site
        self._import_folder = import_folder
        self._job_name = job_name

    # Names to ids

    def find_list(self, list_name: str) -> int:
        """Id of the recipient list with this name.

        Raises:
            ListUnknown: there is none.
            ListAmbiguous: there are several.
        """
        found = [one for one in self._rest.select_recipient_lists() if one.name == list_name]
        if not found:
            raise ListUnknown(list=list_name)
        if len(found) > 1:
            raise ListAmbiguous(list=list_name, count=len(found))
        return found[0].id

    def list_fields(self, list_id: int) -> list[RecipientListField]:
        """The fields of a recipient list."""
        return list(self._rest.get_recipient_list_fields(list_id))

    def find_message(self, message_name: str) -> int:
        """Id of the Smart Campaign to copy: the one that can be sent and has a message of this name.

        Raises:
            MessageUnknown: there is none.
            MessageAmbiguous: there are several.
        """
        found = [
            campaign
            for campaign in self._rest.select_smart_campaigns(status="activationRequired", detailed=True)
            if not _COPY.search(campaign.name) and message_name in {message.name for message in campaign.messages}
        ]
        if not found:
            raise MessageUnknown(message=message_name)
        if len(found) > 1:
            raise MessageAmbiguous(message=message_name, count=len(found))
        return found[0].id

    # The copy of the Smart Campaign

    def copy_name(self, broadcast: Broadcast) -> str:
        """Name of the copy: the message name and the broadcast's key."""
        return f"{broadcast.request.message_name} [{broadcast.key}]"

    def find_copy(self, broadcast: Broadcast) -> SmartCampaign | None:
        """The copy made for this broadcast. Of several the first: the others were never started."""
        name = self.copy_name(broadcast)
        found = [campaign for campaign in self._rest.select_smart_campaigns() if campaign.name == name]
        return min(found, key=lambda campaign: campaign.id, default=None)

    def copy(self, broadcast: Broadcast, source_campaign_id: int, list_id: int) -> SmartCampaign:
        """Copy the Smart Campaign for this broadcast, pointed at the list."""
        return self._rest.copy_smart_campaign(source_campaign_id, self.copy_name(broadcast), [list_id])

    def mailing_id(self, campaign_id: int) -> int | None:
        """Id of the mailing in a Smart Campaign; None when it holds several (a split)."""
        messages = self._rest.get_messages(campaign_id)
        return messages[0].mailing_id if len(messages) == 1 else None

    # The upload and the import

    def file_path(self, broadcast: Broadcast) -> str:
        """Path of the list file: the list's id and the broadcast's key. ASSUMPTION: agreed with support."""
        return posixpath.join(self._import_folder, f"{broadcast.list_id}_{broadcast.key}.csv")

    def baseline(self, broadcast: Broadcast) -> Baseline:
        """What the list and its import job look like before the upload."""
        return Baseline(
            list_modified=self.list_modified(broadcast),
            job_fired=self._job_fired(broadcast),
        )

    def find_upload(self, broadcast: Broadcast, baseline: Baseline) -> int | None:
        """Size of the uploaded list file, or `TAKEN` when the import job has it; None when there is none."""
        with self._site.connect() as session:
            present = session.stat(self.file_path(broadcast))
        if present is not None:
            return present.size
        taken = self._list_changed(broadcast, baseline, self.list_modified(broadcast)) or self.job_runs(broadcast)
        return TAKEN if taken else None

    def upload(self, broadcast: Broadcast, content: Readable) -> int:
        """Upload the list file; it appears under its name when it is whole.

        Returns:
            Its size in bytes.
        """
        with self._site.connect() as session:
            return session.upload(content, self.file_path(broadcast), replace=True)

    def import_status(self, broadcast: Broadcast, baseline: Baseline) -> ImportStatus:
        """How far the import is."""
        # The order matters: a list that has changed while afterwards no job runs is full, for the job
        # had begun before the first look and ended before the second.
        changed = self._list_changed(broadcast, baseline, self.list_modified(broadcast))
        if self.job_runs(broadcast):
            return ImportStatus(begun=True)
        if not changed:
            return ImportStatus(begun=False)
        # Read again: the first look may have seen the list cleared, and not yet filled.
        modified = self.list_modified(broadcast)
        recipients = self._rest.count_recipients(_list_id(broadcast))
        return ImportStatus(begun=True, recipients=recipients, list_modified=modified)

    def list_modified(self, broadcast: Broadcast) -> datetime | None:
        """When the list was last changed. Server time."""
        return self._rest.get_recipient_list(_list_id(broadcast)).modified

    def job_runs(self, broadcast: Broadcast) -> bool:
        """Whether the list's import job runs now, for whatever file."""
        name = self._job_name.format(list=broadcast.request.list_name)
        return any(job.name == name for job in self._rest.select_all_running_jobs())

    def withdraw(self, broadcast: Broadcast) -> None:
        """Take the list file back if the import job has not taken it: nothing may be imported any more."""
        with self._site.connect() as session:
            session.remove(self.file_path(broadcast))

    def _list_changed(self, broadcast: Broadcast, baseline: Baseline, modified: datetime | None) -> bool:
        if modified is None or (baseline.list_modified is not None and modified <= baseline.list_modified):
            return False
        # Somebody can change a list by hand: without a firing of its job since, it was not the import.
        fired = self._job_fired(broadcast)
        return fired is None or baseline.job_fired is None or fired > baseline.job_fired

    def _job_fired(self, broadcast: Broadcast) -> datetime | None:
        name = self._job_name.format(list=broadcast.request.list_name)
        fired = [
            trigger.last_fired_time
            for job in self._rest.select_all_configured_jobs()
            if job.name == name
            for trigger in job.triggers
            if trigger.last_fired_time is not None
        ]
        return max(fired, default=None)

    # The send

    def campaign(self, campaign_id: int) -> SmartCampaign:
        """The Smart Campaign as it is now."""
        return self._rest.get_smart_campaign(campaign_id)

    def start(self, campaign_id: int) -> None:
        """Start the Smart Campaign."""
        self._rest.start_smart_campaign(campaign_id)

    def report(self, campaign_id: int) -> SmartCampaignReport:
        """The totals of the Smart Campaign."""
        return self._rest.get_report(campaign_id)


def _list_id(broadcast: Broadcast) -> int:
    if broadcast.list_id is None:
        msg = "the list is resolved before anything is done with it"
        raise AssertionError(msg)
    return broadcast.list_id
