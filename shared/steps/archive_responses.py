"""archive_responses: move loaded response files to an archive folder of the SFTP site, or remove them.

Only loaded files are moved or removed. The site may write another file with the same name at any time, so a file is
first renamed to a name of our own; then it is compared with the file that was loaded, and renamed back if it differs.
"""

import hashlib
import posixpath
from collections.abc import Mapping
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import AfterLoad, ResponseLayout
from shared.errors import SftpRefused, SftpUnavailable
from shared.ledger.alerts import AlertKind
from shared.ledger.leases import LeaseName
from shared.response_file import ResponseFile
from shared.sftp.remote_file import UNKNOWN_TIME, RemoteFile
from shared.sftp.session import SftpSession
from shared.telemetry import fenced, log

#: Maximum number of files of one run.
_MAX_FILES: Final = 100


def archive_responses(bridge: Bridge) -> None:
    """Archive or remove every loaded file whose layout says so.

    A failure is retried in the next run; after RESPONSE_FILE_ROUNDS of them an alert is raised.
    """
    layouts = {
        name: layout for name, layout in bridge.channels.responses.items() if layout.after_load is not AfterLoad.LEAVE
    }
    files = bridge.ledger.response_files.to_archive(layouts, _MAX_FILES) if layouts else []
    if not files:
        return
    while files:
        subject = "Loaded response files are archived in the next run"
        # An error may have broken the session: the others go on with a new one.
        with fenced(subject, action="put-away-later") as fence, bridge.site.connect() as session:
            _archive_all(bridge, session, files, layouts)
        if fence.error is not None:
            return


def _archive_all(
    bridge: Bridge, session: SftpSession, files: list[ResponseFile], layouts: Mapping[str, ResponseLayout]
) -> None:
    """Archive or remove the files, taking them from the list; ends early when the session may be broken."""
    while files:
        file = files.pop(0)
        subject = f"Response file {file.name} is archived in the next run"
        with fenced(subject, SftpUnavailable, action="put-away-later", **file.log_context()) as fence:
            _try(bridge, session, file, layouts[file.layout or ""])
        if fence.error is not None:
            return


def _try(bridge: Bridge, session: SftpSession, file: ResponseFile, layout: ResponseLayout) -> None:
    ledger = bridge.ledger
    with ledger.leases.held(LeaseName.for_response_file(file.name), new_owner()) as lease:
        if lease is None:
            return  # another process gathers a new file with this name, or archives this one
        try:
            _archive(bridge, session, file, layout)
        except SftpRefused as error:
            rounds = ledger.response_files.count_left_round(file, code=error.code)
            if rounds >= bridge.settings.response_file_rounds:
                text = f"The response file {file.name} is loaded, but could not be archived in {rounds} runs. {error}"
                ledger.alerts.report(AlertKind.RESPONSE_FILE_LEFT, file.name, text)
            return
        archived = layout.after_load is AfterLoad.ARCHIVE
        note = "archived on the SFTP site" if archived else "removed from the SFTP site"
        archived_at = bridge.clock.now()
        ledger.response_files.record(
            file, note, owner=lease.owner, lease=lease, put_away_at=archived_at, left_rounds=0, left_code=None
        )
        ledger.alerts.clear(AlertKind.RESPONSE_FILE_LEFT, file.name)


def _archive(bridge: Bridge, session: SftpSession, file: ResponseFile, layout: ResponseLayout) -> None:
    path = posixpath.join(bridge.settings.sftp_response_folder, file.name)
    aside = _aside(path, file)
    marker = bridge.settings.response_file_marker
    marker_path = None if marker is None else posixpath.join(posixpath.dirname(path), marker.format(name=file.name))
    held = session.find(path)
    # A run that was interrupted may have left it there.
    if session.find(aside) is None and (held is None or held.size != file.size):
        return
    # The marker first: a new file has its own.
    if marker_path is not None:
        _move(session, marker_path, _aside(marker_path, file))
    _move(session, path, aside)
    if not _is_loaded(session, aside, file):
        _move(session, aside, path)
        if marker_path is not None and not _move(session, _aside(marker_path, file), marker_path):
            session.remove(_aside(marker_path, file))
        return
    if layout.after_load is AfterLoad.ARCHIVE:
        session.rename(aside, _archive_path(session, file, layout.archive_folder), replace=False)
    else:
        session.remove(aside)
    if marker_path is not None:
        session.remove(_aside(marker_path, file))
    extra = {"action": "put-away", "file": file.name}
    log.info("Response file %s is archived or removed on the SFTP site: %s.", file.name, layout.after_load, extra=extra)


def _aside(path: str, file: ResponseFile) -> str:
    """A name in the same folder that nobody else uses and that is no name of a response file."""
    return f"{path}.{file.id}.tmp"


def _archive_path(session: SftpSession, file: ResponseFile, folder: str) -> str:
    path = posixpath.join(folder, file.name)
    return path if session.find(path) is None else posixpath.join(folder, f"{file.id}-{file.name}")


def _move(session: SftpSession, source: str, target: str) -> bool:
    """Move a file, unless it is missing or the target exists; whether it was moved."""
    if session.find(source) is None or session.find(target) is not None:
        return False
    session.rename(source, target, replace=False)
    return True


def _is_loaded(session: SftpSession, path: str, file: ResponseFile) -> bool:
    """Whether the file here is the one that was loaded; some sites change the time of a file that is renamed."""
    held: RemoteFile | None = session.find(path)
    if held is None or held.size != file.size:
        return False
    if held.modified == file.modified != UNKNOWN_TIME:
        return True
    digest = hashlib.sha256()
    for piece in session.read(path, held.size):
        digest.update(piece)
    return digest.hexdigest() == file.sha256
