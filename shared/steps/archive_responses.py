"""put_away: move response files that are loaded to an archive folder of the SFTP site, or remove them, as is set.

Nothing is taken away that is not loaded. The site may put another file of the same name at any time, so a file gets a
name of our own first; what lies there then is compared with what was loaded, and goes back if it is something else.
"""

import hashlib
import posixpath
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import AfterLoad, ResponseLayout
from shared.errors import SftpRefused, SftpUnavailable
from shared.ledger.alerts import AlertKind
from shared.ledger.responses.files import lease_name
from shared.response_file import ResponseFile
from shared.sftp.session import RemoteFile, SftpSession
from shared.telemetry import log

#: Most files of a round.
_MOST: Final = 100


def put_away(bridge: Bridge) -> None:
    """Put away every loaded file whose layout says so.

    What does not succeed is tried again in the next round; after RESPONSE_FILE_ROUNDS of them an alert tells of it.

    Raises:
        DatabaseUnavailable: the ledger could not be read or written.
    """
    layouts = {
        name: layout for name, layout in bridge.channels.responses.items() if layout.after_load is not AfterLoad.LEAVE
    }
    files = bridge.ledger.response_files.to_archive(layouts, _MOST) if layouts else []
    if not files:
        return
    try:
        with bridge.site.connect() as session:
            for file in files:
                _try(bridge, session, file, layouts[file.layout or ""])
    except SftpUnavailable as error:
        extra = {"action": "put-away-later", "code": error.code}
        log.warning("Loaded response files are put away in the next round: %s", error, extra=extra)


def _try(bridge: Bridge, session: SftpSession, file: ResponseFile, layout: ResponseLayout) -> None:
    ledger = bridge.ledger
    with ledger.leases.held(lease_name(file.name), new_owner()) as lease:
        if lease is None:
            return  # somebody gathers a new file of this name, or puts this one away
        try:
            _put_away(bridge, session, file, layout)
        except SftpRefused as error:
            rounds = ledger.response_files.count_left_round(file, code=error.code)
            if rounds >= bridge.settings.response_file_rounds:
                text = f"The response file {file.name} is loaded, but could not be put away in {rounds} rounds. {error}"
                ledger.alerts.stand(AlertKind.RESPONSE_FILE_LEFT, file.name, text)
            return
        ledger.response_files.record(
            file,
            "archived on the SFTP site" if layout.after_load is AfterLoad.ARCHIVE else "removed from the SFTP site",
            owner=lease.owner,
            put_away_at=bridge.clock.now(),
            left_rounds=0,
            left_code=None,
        )
        ledger.alerts.clear(AlertKind.RESPONSE_FILE_LEFT, file.name)


def _put_away(bridge: Bridge, session: SftpSession, file: ResponseFile, layout: ResponseLayout) -> None:
    path = posixpath.join(bridge.settings.sftp_response_folder, file.name)
    aside = _aside(path, file)
    marker = bridge.settings.response_file_marker
    marker_path = None if marker is None else posixpath.join(posixpath.dirname(path), marker.format(name=file.name))
    held = session.stat(path)
    # A round that broke off may have left it aside.
    if session.stat(aside) is None and (held is None or held.size != file.size):
        return
    # The marker first: a file that comes now brings its own.
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
    log.info("Response file %s is put away on the SFTP site: %s.", file.name, layout.after_load, extra=extra)


def _aside(path: str, file: ResponseFile) -> str:
    """A name beside a path that nobody else uses, nor takes for that of a response file."""
    return f"{path}.{file.id}.tmp"


def _archive_path(session: SftpSession, file: ResponseFile, folder: str) -> str:
    path = posixpath.join(folder, file.name)
    return path if session.stat(path) is None else posixpath.join(folder, f"{file.id}-{file.name}")


def _move(session: SftpSession, source: str, target: str) -> bool:
    """Move a file, unless there is none or the target is taken; whether it was moved."""
    if session.stat(source) is None or session.stat(target) is not None:
        return False
    session.rename(source, target, replace=False)
    return True


def _is_loaded(session: SftpSession, path: str, file: ResponseFile) -> bool:
    """Whether the file here is the one that was loaded; some sites change the time of a file that is renamed."""
    held: RemoteFile | None = session.stat(path)
    if held is None or held.size != file.size:
        return False
    if held.modified == file.modified:
        return True
    digest = hashlib.sha256()
    for piece in session.read(path):
        digest.update(piece)
    return digest.hexdigest() == file.sha256
