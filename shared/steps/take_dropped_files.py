"""take_dropped_files: delivery files that appear in the folder of a channel become broadcasts of the channel."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import batched

from shared.bridge import Bridge, new_owner
from shared.broadcast import BroadcastRequest, Intake, SendMode, delivery_key, file_key, guid_in
from shared.config.channels import Channel, Drop
from shared.files.locations import LocatedFile
from shared.steps.delivery_source import with_step_and_run
from shared.telemetry import fenced, log

#: Keys looked up in the ledger at a time.
_PAGE = 500


def take_dropped_files(bridge: Bridge) -> int:
    """Take in the delivery files that are new and complete; returns how many broadcasts they became."""
    taken = 0
    for name in bridge.channels.names():
        channel = bridge.channels[name]
        if channel.drop is None:
            continue
        with fenced(f"Dropped files of channel {name} cannot be claimed", action="drop-failed"):
            for request in _new_requests(bridge, name, channel, channel.drop):
                taken += _take_in(bridge, request)
    return taken


def _take_in(bridge: Bridge, request: BroadcastRequest) -> bool:
    broadcast = bridge.ledger.broadcasts.add(with_step_and_run(bridge, request), owner=new_owner())
    if broadcast is None:
        return False  # another poller took it in
    extra = {"action": "claim", **broadcast.log_context()}
    log.info("A delivery file of channel %s is broadcast %s.", request.channel, broadcast.key, extra=extra)
    bridge.send_on(broadcast)
    return True


def _new_requests(bridge: Bridge, name: str, channel: Channel, drop: Drop) -> Iterator[BroadcastRequest]:
    """A request for each file that is complete, not too old, and not yet a broadcast."""
    oldest = bridge.clock.now() - timedelta(hours=drop.newest_hours)
    files = bridge.locations.get(drop.place).list_files(drop.pattern)
    keyed = ((file, _key(name, file)) for file in files if file.modified >= oldest)
    for page in batched(keyed, _PAGE, strict=False):
        known = bridge.ledger.broadcasts.known([key for _, key in page])
        for file, key in page:
            if key not in known and bridge.settled_files.is_settled(name, file, settle_seconds=drop.settle_seconds):
                yield BroadcastRequest(
                    key=key,
                    source=Intake.FILE,
                    system=bridge.settings.system_name,
                    list_name=drop.list_name,
                    message_name="" if channel.default_send_mode is SendMode.UPLOAD_ONLY else drop.message_name,
                    delivery_file=file.name,
                    urn_column=drop.urn_column,
                    email_column=drop.email_column,
                    communication_key_column=drop.communication_key_column,
                    channel=name,
                    route=channel.route,
                    send_mode=channel.default_send_mode,
                )


def _key(channel: str, file: LocatedFile) -> str:
    guid = guid_in(file.name)
    return delivery_key(guid) if guid else file_key(channel, file.name, file.size, file.modified)
