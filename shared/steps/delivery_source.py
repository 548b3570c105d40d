"""The delivery file of a broadcast: where it is read from, and the step and run of its delivery in PS_DB."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.bridge import Bridge
from shared.broadcast import Broadcast, BroadcastRequest, Intake, file_key, guid_in
from shared.errors import DeliveryFileChanged, DropMissing
from shared.files.locations import Location
from shared.storage import blob_names

if TYPE_CHECKING:
    from _typeshed import SupportsRead


def open_delivery_file(bridge: Bridge, broadcast: Broadcast) -> AbstractContextManager["SupportsRead[bytes]"]:
    """Open the delivery file where its intake left it.

    Raises:
        DeliveryFileMissing, StagedFileMissing: it is not there.
        DropMissing: it was dropped into a folder, and the channel watches none any more.
        DeliveryFileChanged: the version before took it in from a folder, and it has changed since.
    """
    request = broadcast.request
    match request.source:
        case Intake.JOB:
            return bridge.delivery_files.open(request.delivery_file)
        case Intake.CHANNEL:
            return nullcontext(bridge.lists.open(blob_names.delivery_file(request.key)))
        case Intake.FILE:
            return _drop_folder(bridge, broadcast).open(request.delivery_file)


def _drop_folder(bridge: Bridge, broadcast: Broadcast) -> Location:
    """The folder that the delivery file was dropped into. Without a GUID or a digest only its time shows a change."""
    request = broadcast.request
    drop = bridge.channels[request.channel].drop
    if drop is None:
        raise DropMissing(channel=request.channel)
    folder = bridge.locations.get(drop.place)
    known_by_time = broadcast.content_digest is None and guid_in(request.delivery_file) is None
    if known_by_time and not any(
        file_key(request.channel, file.name, file.size, file.modified) == request.key
        for file in folder.list_files(request.delivery_file)
    ):
        raise DeliveryFileChanged(file=request.delivery_file)
    return folder


def with_step_and_run(bridge: Bridge, request: BroadcastRequest) -> BroadcastRequest:
    """The request with the step and run of its delivery command, which join its responses to Communications.

    It is unchanged without PS_DB, a GUID or a command.

    Raises:
        SchemaMapMismatch: PS_DB does not match the schema map.
        DatabaseUnavailable: PS_DB did not answer.
    """
    guid = guid_in(request.delivery_file)
    if bridge.ps_db is None or guid is None:
        return request
    command = bridge.ps_db.find_delivery(guid)
    return request if command is None else replace(request, step_id=command.step_id, run=command.run)
