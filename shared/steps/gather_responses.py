"""gather_responses: copy new response files from the SFTP site into blob storage and queue them.

Afterwards the files whose load is confirmed are archived or removed on the site, where their layout says so.
"""

import hashlib
import posixpath
import re
from collections.abc import Collection
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import layout_of
from shared.config.unfinished_names import is_unfinished
from shared.errors import (
    BridgeError,
    DatabaseUnavailable,
    LeaseLost,
    ResponseFileChanged,
    ResponseFileName,
    ResponseFileSize,
    ResponseFileVanished,
    SftpRefused,
)
from shared.files.line_end import FileEnds
from shared.ledger.alerts import AlertKind
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.waiting import begins
from shared.response_file import FileState, ResponseFile
from shared.sftp.remote_file import UNKNOWN_TIME, RemoteFile
from shared.sftp.session import SftpSession, is_safe_name
from shared.steps.archive_responses import archive_responses
from shared.storage import blob_names
from shared.telemetry import fenced, log

_EVERY_NAME: Final = re.compile(".*", re.DOTALL)
#: What an alert calls files whose names are not repeated: they may hold anything.
_UNNAMED: Final = "files with unusual names"
#: Errors of one file after which the session can be used for the others.
_SESSION_GOES_ON: Final = (SftpRefused, ResponseFileChanged, ResponseFileSize, LeaseLost)


def gather_responses(bridge: Bridge) -> int:
    """Gather every response file that is complete, and archive those that are loaded.

    With RESPONSE_FILE_MARKER a file is complete when its marker is beside it, otherwise when two rounds
    RESPONSE_FILE_SETTLE_SECONDS apart found it unchanged: gatherers side by side can list within a second. It
    waits twice as long for the end of its last line (rule 11).
    A file that grows, vanishes or cannot be read is left for the next round and does not stop the others; when that
    happens RESPONSE_FILE_ROUNDS times in a row, an alert is raised. Returns how many files were gathered.

    Raises:
        SftpUnavailable: the SFTP site cannot be reached; the next round tries again.
        SftpRefused: the folder of response files cannot be listed.
        DatabaseUnavailable: the ledger did not answer.
    """
    folder, marker = bridge.settings.sftp_response_folder, bridge.settings.response_file_marker
    with bridge.site.connect() as session:
        # Markers first: the files of those that are there now are complete, so what is listed then is what they are.
        markers = {file.name for file in session.list_files(folder, marker.format(name="*"))} if marker else None
        listed = session.list_files(folder, "*", names=_EVERY_NAME)
    _fail_vanished(bridge, {file.name for file in listed})
    waiting = _complete(bridge, listed, markers)
    gathered = 0
    while waiting:
        # A file may break the connection every time: the others go on with a new one.
        with bridge.site.connect() as session:
            gathered += _gather_all(bridge, session, waiting)
    archive_responses(bridge)
    return gathered


def _fail_vanished(bridge: Bridge, present: Collection[str]) -> None:
    """Fail the files that were seen, but removed from the site before they were gathered."""
    files = bridge.ledger.response_files
    for file in files.seen():
        if file.name not in present:
            with fenced(
                f"Response file {file.name}, which vanished, is not marked yet",
                DatabaseUnavailable,
                action="gather-later",
                **file.log_context(),
            ):
                _fail(bridge, file)


def _fail(bridge: Bridge, file: ResponseFile) -> None:
    files, error = bridge.ledger.response_files, ResponseFileVanished(file=file.name)
    if files.count_left_round(file, code=error.code) >= bridge.settings.response_file_rounds:
        log.error("%s", error, extra={"action": "fail", **file.log_context(), "code": error.code})
        marks = {"error_code": error.code, "error": error.sentence}
        files.advance(file, FileState.FAILED, owner=new_owner(), note=error.sentence, **marks)
        bridge.ledger.alerts.clear(AlertKind.RESPONSE_FILE_LEFT, file.name)


def _complete(bridge: Bridge, listed: list[RemoteFile], markers: Collection[str] | None) -> list[ResponseFile]:
    """The listed files that are complete and not gathered yet; those that are not complete are noted."""
    pattern = bridge.settings.response_file_marker
    alerts = bridge.ledger.alerts
    complete, unusual = [], 0
    for remote in listed:
        layout = layout_of(remote.name, bridge.channels.responses)
        if layout is None or is_unfinished(remote.name, bridge.settings.unfinished_names):
            continue
        # A marker's name may look like that of a response file.
        if pattern is not None and fnmatchcase(remote.name, pattern.format(name="*")):
            continue
        if not is_safe_name(remote.name):
            unusual += 1
        elif remote.size is None:
            refused = SftpRefused(operation=f"read {remote.name}", reason="it reports no size of it either")
            alerts.report(AlertKind.RESPONSE_FILE_LEFT, remote.name, str(refused))
        else:
            marker = None if pattern is None else pattern.format(name=remote.name)
            with fenced(
                f"Response file {remote.name} is left for the next round", DatabaseUnavailable, action="gather-later"
            ):
                complete += _seen(bridge, remote, remote.size, layout[0], marker, markers or ())
    if unusual:
        alerts.report(AlertKind.RESPONSE_FILE_LEFT, _UNNAMED, str(ResponseFileName(files=unusual)))
    else:
        alerts.clear(AlertKind.RESPONSE_FILE_LEFT, _UNNAMED)
    return complete


def _seen(
    bridge: Bridge, remote: RemoteFile, size: int, layout: str, marker: str | None, markers: Collection[str]
) -> list[ResponseFile]:
    """The file if it is to be gathered now: its marker is there, or without one it is unchanged for long enough."""
    files = bridge.ledger.response_files
    seen = files.find(remote.name, size, remote.modified)
    if seen is None:
        note = f"seen on the SFTP site: {size} bytes"
        rounds = files.add(remote.name, size, remote.modified, layout=layout, owner=new_owner(), note=note)
        # Without its marker it is still being written.
        if rounds and (marker is None or marker in markers):
            detail = f"each run finds another size or time of it, now {size} bytes"
            _alert_when_left_often(bridge, remote.name, rounds, ResponseFileChanged(file=remote.name, detail=detail))
        seen = files.find(remote.name, size, remote.modified)
    elif seen.has_vanished:
        reset = {"seen_at": bridge.clock.now(), "error_code": None, "error": None, "left_rounds": 0}
        seen = files.advance(seen, FileState.SEEN, owner=new_owner(), note="on the SFTP site again", **reset)
    if seen is None or seen.state is not FileState.SEEN:
        return []
    if marker is not None:
        if marker in markers:
            return [seen]
        _wait(bridge, seen, f"its marker, {marker}")
        return []
    settle_seconds = bridge.settings.response_file_settle_seconds
    if seen.waiting_for == _last_line(bridge):
        return [seen] if _settled_twice(bridge, seen) else []
    if bridge.clock.now() - seen.seen_at >= timedelta(seconds=settle_seconds) and seen.waiting_for is not None:
        return [seen]
    _wait(bridge, seen, f"being unchanged, for {settle_seconds:g} s and two rounds")
    return []


def _last_line(bridge: Bridge) -> str:
    """What a file waits for whose last line has no end."""
    return f"the end of its last line, for {2 * bridge.settings.response_file_settle_seconds:g} s"


def _settled_twice(bridge: Bridge, file: ResponseFile) -> bool:
    settle = timedelta(seconds=bridge.settings.response_file_settle_seconds)
    return bridge.clock.now() - file.seen_at >= 2 * settle


def _may_be_half(bridge: Bridge, file: ResponseFile, ends: FileEnds) -> bool:
    """Whether a file waits longer for the end of its last line: neither its layout nor a marker says it is complete."""
    found = layout_of(file.name, bridge.channels.responses)
    if ends.last_line_ends or bridge.settings.response_file_marker is not None or found is None:
        return False
    return found[1].last_line != "may-end-without" and not _settled_twice(bridge, file)


def _wait(bridge: Bridge, file: ResponseFile, waiting_for: str) -> None:
    """Keep what a file on the site waits for."""
    if file.waiting_for == waiting_for:
        return
    try:
        bridge.ledger.response_files.wait(file, waiting_for, owner=new_owner())
    except LeaseLost:
        return  # another gatherer has noted it, or gathers it
    if begins(file, waiting_for):
        extra = {"action": "waits", **file.log_context()}
        log.info("Response file %s waits for %s.", file.name, waiting_for, extra=extra)


def _gather_all(bridge: Bridge, session: SftpSession, waiting: list[ResponseFile]) -> int:
    """Gather the waiting files, taking them from the list; ends early when the session may be broken."""
    gathered = 0
    while waiting:
        file = waiting.pop(0)
        subject = f"Response file {file.name} is left for the next round"
        with fenced(subject, DatabaseUnavailable, action="gather-later", **file.log_context()) as fence:
            gathered += _gather(bridge, session, file)
        if fence.error is None:
            continue
        with fenced(
            f"The round of {file.name} is not counted", DatabaseUnavailable, action="gather-later", **file.log_context()
        ):
            rounds = bridge.ledger.response_files.count_left_round(file, code=fence.error.code)
            _alert_when_left_often(bridge, file.name, rounds, fence.error)
            left = bridge.ledger.response_files.get(file.id)
            if left.state is FileState.SEEN:
                _wait(bridge, left, f"another round, after {rounds} in which it was left: {fence.error}")
        if not isinstance(fence.error, _SESSION_GOES_ON):
            break
    return gathered


def _gather(bridge: Bridge, session: SftpSession, file: ResponseFile) -> bool:
    ledger = bridge.ledger
    with ledger.leases.held(LeaseName.for_response_file(file.name), new_owner()) as lease:
        if lease is None:
            return False  # another gatherer works on it
        current = ledger.response_files.find(file.name, file.size, file.modified)
        if current is None or current.state is not FileState.SEEN:
            return False  # another gatherer was faster
        sha256 = _copy(bridge, session, current, lease)
        if sha256 is None:
            _wait(bridge, current, _last_line(bridge))
            return False
        lease.check()
        note, now, due_at = "copied from the SFTP site", bridge.clock.now(), bridge.overdue_after()
        columns = {"sha256": sha256, "gathered_at": now, "due_at": due_at, "left_rounds": 0, "left_code": None}
        ledger.response_files.advance(current, FileState.GATHERED, owner=lease.owner, note=note, **columns)
    changed_at = file.seen_at if file.modified == UNKNOWN_TIME else file.modified
    minutes = round((bridge.clock.now() - changed_at).total_seconds() / 60)
    extra = {"action": "gather", "file": file.name, "minutes": minutes}
    log.info("Response file %s is gathered, %d minutes after its last change.", file.name, minutes, extra=extra)
    ledger.alerts.clear(AlertKind.RESPONSE_FILE_LEFT, file.name)
    bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": file.id})
    return True


def _copy(bridge: Bridge, session: SftpSession, file: ResponseFile, lease: HeldLease) -> str | None:
    """Stream the file into its container; its SHA-256, or None if it is left because its last line has no end yet.

    Raises:
        ResponseFileChanged: the site reports it differently before and after.
        ResponseFileSize: it has another size than its listing has.
    """
    path = posixpath.join(bridge.settings.sftp_response_folder, file.name)
    digest, size, ends = hashlib.sha256(), 0, FileEnds()
    with bridge.responses.writer(blob_names.response_file(file)) as kept:
        before = session.stat(path)
        for piece in session.read(path, file.size):
            digest.update(piece)
            ends.add(piece)
            size += len(piece)
            kept.write(piece)
        after = session.stat(path)
        # What agrees with its listing is kept, even if the site has removed the file meanwhile, or does not report it.
        if None not in (before, after) and before != after:
            detail = f"{file.size} bytes were listed, {size} were read"
            raise ResponseFileChanged(file=file.name, detail=detail)
        if size != file.size:
            read = "more" if size > file.size else str(size)
            raise ResponseFileSize(file=file.name, listed=file.size, read=read)
        if _may_be_half(bridge, file, ends):
            return None
        # An earlier round may have stopped between the copy and the ledger, and the file may have changed since: what
        # it left gives way. Nobody loads it yet, and nobody else gathers it.
        lease.renew()
        kept.commit({"sha256": digest.hexdigest()}, replace=True)
    return digest.hexdigest()


def _alert_when_left_often(bridge: Bridge, name: str, rounds: int, error: BridgeError) -> None:
    if rounds >= bridge.settings.response_file_rounds:
        text = f"The response file {name} could not be gathered in {rounds} rounds. {error}"
        bridge.ledger.alerts.report(AlertKind.RESPONSE_FILE_LEFT, name, text)
