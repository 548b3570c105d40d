"""take_dropped_files: delivery files that appear in the folder of a channel become broadcasts of the channel.

A file is known by its bytes (rule 10): touched, renamed, copied or written again it is the same file, and nobody is
mailed because of it.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import batched, islice
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.broadcast import BroadcastRequest, Intake, SendMode, delivery_key, file_key, guid_in
from shared.config.channels import Channel, Drop
from shared.config.unfinished_names import is_unfinished
from shared.files.digests import DigestingReader
from shared.files.line_end import FileEnds
from shared.files.locations import LocatedFile, Location
from shared.steps.delivery_source import with_step_and_run
from shared.telemetry import fenced, log

#: Files looked up in the ledger at a time; a file can have two keys.
_PAGE: Final = 250
#: Files of the version before that are read in one round.
_UNREAD: Final = 20


def take_dropped_files(bridge: Bridge) -> int:
    """Take in the delivery files that are new and complete; returns how many broadcasts they became."""
    taken = 0
    for name in bridge.channels.names():
        channel = bridge.channels[name]
        if channel.drop is None:
            continue
        with fenced(f"Dropped files of channel {name} cannot be claimed", action="drop-failed"):
            folder = bridge.locations.get(channel.drop.place)
            more = bridge.settings.unfinished_names
            files = [file for file in folder.list_files(channel.drop.pattern) if not is_unfinished(file.name, more)]
            oldest = bridge.clock.now() - timedelta(hours=channel.drop.newest_hours)
            for page in batched((file for file in files if file.modified >= oldest), _PAGE, strict=False):
                for file in _new_files(bridge, name, channel.drop, page):
                    with fenced(f"Dropped file {file.name} cannot be claimed", action="drop-failed", channel=name):
                        taken += _take_in(bridge, name, channel, channel.drop, folder, file)
            _report_old(bridge, name, channel.drop, [file for file in files if file.modified < oldest])
            _read_known_files(bridge, name, folder, files)
    return taken


def _report_old(bridge: Bridge, name: str, drop: Drop, files: Sequence[LocatedFile]) -> None:
    """Report files that are not claimed for their age, once: a copy may have kept the time of its original."""
    if not bridge.settled_files.is_news(name, frozenset(file.name for file in files)):
        return
    keys = {file: {_key(name, file), _time_key(name, file)} for file in files}
    known = set[str]()
    for page in batched(files, _PAGE, strict=False):
        known |= bridge.ledger.dropped_files.known([key for file in page for key in keys[file]])
    unknown = sorted((file for file in files if known.isdisjoint(keys[file])), key=lambda file: file.modified)
    if unknown:
        extra = {"action": "drop-ignored", "channel": name}
        text = (
            "Channel %s: %d files in its folder are not claimed because they were last changed more than %g hours ago "
            "(drop.newest_hours). The newest is %s. To send it, copy it so that it gets a new time."
        )
        log.warning(text, name, len(unknown), drop.newest_hours, unknown[-1].name, extra=extra)


def _new_files(bridge: Bridge, name: str, drop: Drop, files: Sequence[LocatedFile]) -> list[LocatedFile]:
    """Those of the files that are complete and not known by a key."""
    keys = {file: {_key(name, file), _time_key(name, file)} for file in files}
    known = bridge.ledger.dropped_files.known(list(set().union(*keys.values())))
    return [
        file
        for file in files
        if known.isdisjoint(keys[file])
        and bridge.settled_files.is_settled(name, file, settle_seconds=drop.settle_seconds)
    ]


def _take_in(bridge: Bridge, name: str, channel: Channel, drop: Drop, folder: Location, file: LocatedFile) -> bool:
    content = _read(folder, file)
    if content is None:
        return False
    digest, ends = content
    known = bridge.ledger.dropped_files.find(name, digest)
    if known is not None:
        _record_again(bridge, known, name, file)
        return False
    may_end_without = ends.last_line_ends or channel.delivery_file.last_line == "may-end-without"
    if not may_end_without and bridge.settled_files.settles_again(name, file):
        extra = {"action": "waits", "channel": name}
        text = "Dropped file %s of channel %s waits for the end of its last line, for another %g s."
        log.info(text, file.name, name, drop.settle_seconds, extra=extra)
        return False
    request = BroadcastRequest(
        key=_key(name, file),
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
        requested_at=file.modified,
    )
    broadcast = bridge.ledger.broadcasts.add(
        with_step_and_run(bridge, request), owner=new_owner(), content_digest=digest
    )
    if broadcast is None:
        return False  # another poller took it in
    extra = {"action": "claim", **broadcast.log_context()}
    log.info("A delivery file of channel %s is broadcast %s.", name, broadcast.key, extra=extra)
    bridge.send_on(broadcast)
    return True


def _record_again(bridge: Bridge, key: str, name: str, file: LocatedFile) -> None:
    """The file is that of a broadcast: it was touched, renamed, copied or written again."""
    broadcast = bridge.ledger.broadcasts.get(key)
    if not bridge.ledger.dropped_files.add(_time_key(name, file), broadcast):
        return
    note = f"its delivery file came again as {file.name}, changed at {file.modified:%Y-%m-%d %H:%M:%S} UTC: not sent"
    bridge.ledger.broadcasts.record(broadcast, note, owner=new_owner())
    extra = {"action": "known", **broadcast.log_context()}
    text = "The dropped file %s of channel %s is the delivery file of broadcast %s, which is %s: nothing is sent."
    log.warning(text, file.name, name, broadcast.key, broadcast.state, extra=extra)


def _read_known_files(bridge: Bridge, name: str, folder: Location, files: Sequence[LocatedFile]) -> None:
    """Read files that the version before took in and that are still there, so that their bytes are known too."""
    by_key = {_key(name, file): file for file in files}
    present = (unread for unread in bridge.ledger.dropped_files.unread(name) if unread.key in by_key)
    for unread in islice(present, _UNREAD):
        file = by_key[unread.key]
        with fenced(f"Dropped file {file.name} is not read again yet", action="drop-failed", channel=name):
            content = _read(folder, file)
            if content is not None:
                bridge.ledger.dropped_files.set_digest(unread, content[0])


def _read(folder: Location, file: LocatedFile) -> tuple[bytes, FileEnds] | None:
    """SHA-256 and ends of a file; None if it is no longer as it was listed."""
    with folder.open(file.name) as stream:
        reader = DigestingReader(stream)
        digest = reader.digest()
    return (digest, reader.ends) if reader.size == file.size else None


def _key(channel: str, file: LocatedFile) -> str:
    """Key of the broadcast that the file becomes."""
    guid = guid_in(file.name)
    return delivery_key(guid) if guid else _time_key(channel, file)


def _time_key(channel: str, file: LocatedFile) -> str:
    return file_key(channel, file.name, file.size, file.modified)
