"""gather_responses: copy new response files from the SFTP site into blob storage and queue them."""

import hashlib
import posixpath
from collections.abc import Iterator

from shared.bridge import Bridge, new_owner, now
from shared.errors import BridgeError, ResponseFileChanged
from shared.ledger.response_files import FileState, ResponseFile, lease_name
from shared.response_layouts import layout_of
from shared.sftp.site import RemoteFile, SftpSession
from shared.telemetry import log


def gather_responses(bridge: Bridge) -> int:
    """Gather every response file that is complete.

    With RESPONSE_FILE_MARKER a file is complete when its marker stands beside it, otherwise when two looks
    in a row found it unchanged. A file that cannot be read, or changes while it is read, is left for the
    next round and does not stop the others.

    Returns:
        How many files were gathered.

    Raises:
        SftpUnavailable: the SFTP site cannot be reached; the next round tries again.
    """
    gathered = 0
    with bridge.site.connect() as session:
        for remote, complete in _candidates(bridge, session):
            try:
                gathered += _take(bridge, session, remote, complete=complete)
            except BridgeError as error:
                log.warning(
                    "Response file %s is left for the next round: %s",
                    remote.name,
                    error,
                    extra={"action": "gather-later", "file": remote.name, "code": error.code},
                )
    return gathered


def _candidates(bridge: Bridge, session: SftpSession) -> Iterator[tuple[RemoteFile, bool]]:
    """The response files on the site that may be taken, and whether their markers say that they are complete."""
    folder, marker = bridge.settings.sftp_response_folder, bridge.settings.response_file_marker
    # Two looks, markers first: the files of those that are there now are complete, so what is listed then is what they
    # are.
    markers = {file.name for file in session.list_files(folder, marker.format(name="*"))} if marker else set[str]()
    for remote in session.list_files(folder, "*"):
        if layout_of(remote.name, bridge.channels.responses) is None:
            continue
        # A marker's name may look like that of a response file.
        if marker is None or (remote.name not in markers and marker.format(name=remote.name) in markers):
            yield remote, marker is not None


def _take(bridge: Bridge, session: SftpSession, remote: RemoteFile, *, complete: bool) -> bool:
    files = bridge.ledger.response_files
    seen = files.find(remote.name, remote.size, remote.modified)
    if seen is None:
        files.see(remote.name, remote.size, remote.modified, now=now())
        if complete:
            seen = files.find(remote.name, remote.size, remote.modified)
    if seen is None:
        return False
    if seen.state is not FileState.SEEN:
        return False
    with bridge.ledger.leases.held(lease_name(seen.name), new_owner()) as lease:
        if lease is None:
            return False  # another gatherer is at it
        sha256 = _copy(bridge, session, seen)
        lease.check()
        if not files.gathered(seen, sha256=sha256, due_at=bridge.overdue_after(), now=now()):
            return False
    minutes = round((now() - seen.modified).total_seconds() / 60)
    extra = {"action": "gather", "file": seen.name, "minutes": minutes}
    log.info("Response file %s is gathered, %d minutes after its last change.", seen.name, minutes, extra=extra)
    bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": seen.id})
    return True


def _copy(bridge: Bridge, session: SftpSession, file: ResponseFile) -> str:
    """Stream the file into its container; its SHA-256."""
    path = posixpath.join(bridge.settings.sftp_response_folder, file.name)
    digest, size = hashlib.sha256(), 0
    with bridge.responses.writer(file.blob) as kept:
        for piece in session.read(path):
            digest.update(piece)
            size += len(piece)
            kept.write(piece)
        after = session.stat(path)
        if size != file.size or after is None or (after.size, after.modified) != (file.size, file.modified):
            raise ResponseFileChanged(file=file.name)
        # An earlier round may have stopped between the copy and the ledger: its copy is this one.
        kept.commit({"sha256": digest.hexdigest()})
    return digest.hexdigest()
