"""Where the list file of a broadcast goes on an SFTP site."""

import posixpath

from shared.broadcast import Broadcast
from shared.config.channels import ListFileLayout
from shared.optimizely.lists.csv_file import list_file_name


def list_file_path(folder: str, layout: ListFileLayout, broadcast: Broadcast) -> str:
    """Path of the list file."""
    name = list_file_name(
        layout.name,
        list_id=broadcast.list_id,
        list_name=broadcast.request.list_name,
        broadcast_key=broadcast.key,
        delivery_file=broadcast.request.delivery_file,
        mailing_id=broadcast.source_mailing_id,
    )
    return posixpath.join(folder, name)
