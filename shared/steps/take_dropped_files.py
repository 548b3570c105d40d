"""take_dropped_files: delivery files that appear in the folder of a channel become broadcasts of this channel."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import batched

from shared.bridge import Bridge, new_owner
from shared.broadcast import BroadcastRequest, Intake, SendMode, delivery_key, file_key, guid_in
from shared.config.channels import Channel, Drop
from shared.errors import BridgeError, UnexpectedError
from shared.files.locations import LocatedFile
from shared.steps.delivery_command import with_step_and_run
from shared.telemetry import log, traceback_location

#: Keys looked up in the ledger at a time.
_PAGE = 500


def take_dropped_files(bridge: Bridge) -> int:
    """Take in the delivery files that are new and whole. One folder that cannot be read stops no other.

    Returns:
        How many broadcasts were taken in.
    """
    taken = 0
    for name in bridge.channels.names():
        channel = bridge.channels[name]
        if channel.drop is None:
            continue
        try:
            taken += _take_from(bridge, name, channel, channel.drop)
        except BridgeError as error:
            log.error("Channel %s: %s", name, error, extra={"action": "drop-failed", "code": error.code})
        except Exception as error:  # noqa: BLE001 - whatever it is; the log has type and place
            extra = {"action": "unexpected", "code": UnexpectedError.code}
            log.error("Channel %s: %s", name, traceback_location(error), extra=extra)
    return taken


def _take_from(bridge: Bridge, name: str, channel: Channel, drop: Drop) -> int:
    taken, owner = 0, new_owner()
    for found, key in _new(bridge, name, drop):
        request = BroadcastRequest(
            key=key,
            source=Intake.FILE,
            system=bridge.settings.system_name,
            list_name=drop.list_name,
            message_name="" if channel.default_send_mode is SendMode.UPLOAD_ONLY else drop.message_name,
            delivery_file=found.name,
            urn_column=drop.urn_column,
            email_column=drop.email_column,
            communication_key_column=drop.communication_key_column,
            channel=name,
            route=channel.route,
            send_mode=channel.default_send_mode,
        )
        request = with_step_and_run(bridge, request)
        broadcast = bridge.ledger.broadcasts.add(request, owner=owner)
        if broadcast is None:
            continue  # somebody else was faster
        log.info(
            "A delivery file of channel %s is broadcast %s.", name, key, extra={"action": "claim", "broadcast": key}
        )
        bridge.send_on(broadcast)
        taken += 1
    return taken


def _new(bridge: Bridge, name: str, drop: Drop) -> Iterator[tuple[LocatedFile, str]]:
    """The files that are whole, are no broadcast yet, and are not too old, with the keys of their broadcasts."""
    youngest = bridge.clock.now() - timedelta(hours=drop.newest_hours)
    files = bridge.locations.get(drop.place).list_files(drop.pattern)
    keyed = ((file, _key(name, file)) for file in files if file.modified >= youngest)
    for page in batched(keyed, _PAGE, strict=False):
        known = bridge.ledger.broadcasts.known([key for _, key in page])
        for file, key in page:
            if key not in known and bridge.settled_files.is_settled(name, file, settle_seconds=drop.settle_seconds):
                yield file, key


def _key(channel: str, file: LocatedFile) -> str:
    guid = guid_in(file.name)
    return delivery_key(guid) if guid else file_key(channel, file.name, file.size, file.modified)
