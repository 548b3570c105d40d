"""The export-file route: the delivery file, checked and converted as the channel says, put on any SFTP site.

Nothing is asked of Optimizely and nobody is sent a message: what the receiver does with the file is its own affair. So
the file is handed over once. It carries the columns of the delivery file under the names that the channel gives them.
"""

import posixpath
from collections.abc import Callable, Mapping

from shared.broadcast import Broadcast
from shared.config.channels import Channels
from shared.errors import ImportNotSeen, TerminalError
from shared.optimizely.lists.csv_file import list_file_name
from shared.routes import single_upload as handover
from shared.routes.route import Evidence, ImportStatus, Look, SendStatus, StagedList
from shared.sftp.site import SftpSite


class ExportFileRoute:
    """The export-file route.

    Args:
        sites: the SFTP sites by name.
        channels: the channels.
    """

    held_until_sent = False

    def __init__(self, sites: Mapping[str, SftpSite], channels: Channels) -> None:
        self._sites = sites
        self._channels = channels

    def uses(self, broadcast: Broadcast) -> str | None:
        """Nothing that another could not use at the same time: every file has a name of its own."""
        del broadcast
        return None

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
        """Path of the file."""
        channel = self._channels[broadcast.request.channel]
        name = list_file_name(
            channel.list_file.name,
            list_id=None,
            list_name=broadcast.request.list_name,
            broadcast_key=broadcast.key,
            delivery_file=broadcast.request.delivery_file,
        )
        return posixpath.join(channel.export_file.folder, name)

    def is_free(self, broadcast: Broadcast) -> bool:
        """It always is."""
        del broadcast
        return True

    def before_transfer(self, broadcast: Broadcast) -> Evidence:
        """Nothing needs to be known."""
        del broadcast
        return {}

    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Evidence) -> Evidence | None:
        """The file under its final name, or that the receiver has it."""
        return handover.find(self._site(broadcast), self.place(broadcast), staged, evidence)

    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Evidence, note: Callable[[Evidence], None]
    ) -> Evidence:
        """Upload the file."""
        del evidence
        return handover.hand_over(self._site(broadcast), self.place(broadcast), staged, note)

    # Import

    def import_status(self, broadcast: Broadcast, evidence: Evidence) -> ImportStatus:
        """All of it has arrived: the upload has compared the sizes."""
        del evidence
        rows = broadcast.rows.uploaded if broadcast.rows else 0
        return ImportStatus(begun=True, recipients=rows, given=rows)

    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """Nobody waits for an import."""
        del broadcast
        return ImportNotSeen(minutes=minutes)

    def is_unchanged(self, broadcast: Broadcast, evidence: Evidence) -> bool:
        """Nobody starts anything, so nothing is looked at before."""
        del broadcast, evidence
        return True

    # Send

    def arm(self, broadcast: Broadcast) -> None:
        """Nothing is sent."""

    def start(self, broadcast: Broadcast) -> None:
        """Nothing is sent."""

    def send_status(self, broadcast: Broadcast) -> Look:
        """Nothing is sent."""
        del broadcast
        return Look(status=SendStatus.BROKEN, told="a file, which is not sent from here")

    def recall(self, broadcast: Broadcast, *, transferred: Evidence | None, started: bool) -> bool:
        """Take the file back, if the receiver has not taken it."""
        del started
        return transferred is None or handover.take_back(self._site(broadcast), self.place(broadcast), transferred)

    def _site(self, broadcast: Broadcast) -> SftpSite:
        return self._sites[self._channels[broadcast.request.channel].export_file.site]
