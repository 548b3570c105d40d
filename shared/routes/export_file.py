"""The export-file route: the delivery file, checked and converted as the channel says, uploaded to any SFTP site.

Optimizely is not involved, and nobody is sent a message: the receiver decides what it does with the file. So the file
is uploaded once. It has the columns of the delivery file, under the names that the channel gives them.
"""

from collections.abc import Mapping
from typing import override

from shared.broadcast import Broadcast
from shared.config.channels import Channels
from shared.routes.list_file import list_file_path
from shared.routes.route import ImportStatus
from shared.routes.single_upload import SingleUpload, SingleUploadRoute
from shared.sftp.site import SftpSite


class ExportFileRoute(SingleUploadRoute[SingleUpload]):
    """The export-file route."""

    transfer_evidence = SingleUpload

    def __init__(self, sites: Mapping[str, SftpSite], channels: Channels) -> None:
        self._sites = sites
        self._channels = channels

    @override
    def site(self, broadcast: Broadcast) -> SftpSite:
        """The site that the channel names."""
        return self._sites[self._channels[broadcast.request.channel].export_file.site]

    @override
    def destination(self, broadcast: Broadcast) -> str:
        channel = self._channels[broadcast.request.channel]
        return list_file_path(channel.export_file.folder, channel.list_file, broadcast)

    @override
    def import_status(self, broadcast: Broadcast, evidence: SingleUpload) -> ImportStatus:
        """Every row has arrived: the upload compared the sizes."""
        rows = broadcast.rows.uploaded if broadcast.rows else 0
        return ImportStatus(begun=True, recipients=rows, transferred=rows)
