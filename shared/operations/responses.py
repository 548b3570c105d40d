"""Loads kept response files again, and adds response files from elsewhere.

Loading a file again changes nothing that is loaded already (rule 6). It loads what an earlier load refused, once the
layout is fixed, and what is missing in RS_DB after the ledger and RS_DB were restored from a backup.
"""

import hashlib
from pathlib import Path
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.clock import file_time
from shared.config.response_layouts import layout_of
from shared.errors import (
    ResponseFileBusy,
    ResponseFileDiffers,
    ResponseFileLayout,
    ResponseFileNotKept,
    ResponseFileUnknown,
    TerminalError,
)
from shared.ledger.leases import LeaseName
from shared.ledger.responses import ferg_files
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.load_responses import fail, load
from shared.storage import blob_names

#: Bytes read at a time.
_PIECE: Final = 1024 * 1024


def load_again(bridge: Bridge, file_id: int) -> LoadCounts:
    """Load a kept response file now, whether or not it was loaded before: rows that were count as known.

    Raises:
        ResponseFileUnknown: there is no such file, or it is not gathered yet.
        ResponseFileNotKept: it was removed after its time.
        ResponseFileBusy: another process works on it, or its new rows are not delivered to FERG yet.
        BridgeError: it could not be loaded; what was loaded before is unchanged. Where a retry can help, `housekeeping`
            tries it again.
    """
    bridge.rs_check.require()
    file = _gathered(bridge, file_id)
    with bridge.ledger.leases.held(LeaseName.for_response_file(file.name), new_owner()) as lease:
        if lease is None or ferg_files.is_waiting(bridge.rs_database, file.id):
            raise ResponseFileBusy(file=file.name)
        file = _gathered(bridge, file_id)
        if file.removed_at is not None:
            raise ResponseFileNotKept(file=file.name)
        file = bridge.ledger.response_files.load_again(file, due_at=bridge.overdue_after(), owner=lease.owner)
        try:
            return load(bridge, file, lease)[1]
        except TerminalError as error:
            fail(bridge, file, error, owner=lease.owner)
            raise


def add_file(bridge: Bridge, path: Path) -> ResponseFile:
    """Add a response file of this machine as if it had been gathered.

    A file that is known by name, size and time of change is left as it is; if it has expired, it is kept again.

    Raises:
        ResponseFileLayout: its name matches no layout of the channels file.
        ResponseFileDiffers: the known file of this name, size and time has another content.
        ResponseFileBusy: another process works on it.
    """
    named_layout = layout_of(path.name, bridge.channels.responses)
    if named_layout is None:
        raise ResponseFileLayout(file=path.name, reason="no layout in the channels file matches its name")
    files, stat = bridge.ledger.response_files, path.stat()
    identity = (path.name, stat.st_size, file_time(stat.st_mtime))
    with bridge.ledger.leases.held(LeaseName.for_response_file(path.name), new_owner()) as lease:
        if lease is None:
            raise ResponseFileBusy(file=path.name)
        if files.find(*identity) is None:
            files.add(*identity, layout=named_layout[0], owner=lease.owner, note="added by hand")
        file = files.find(*identity)
        if file is None:
            raise ResponseFileBusy(file=path.name)
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        if file.sha256 not in {None, sha256}:
            raise ResponseFileDiffers(file=path.name)
        if file.state is FileState.SEEN or file.removed_at is not None:
            with path.open("rb") as stream, bridge.responses.writer(blob_names.response_file(file)) as blob:
                while piece := stream.read(_PIECE):
                    blob.write(piece)
                # Replaces what an interrupted copy left, which may have another content.
                lease.renew()
                blob.commit({"sha256": sha256}, replace=True)
            lease.check()
            if file.state is FileState.SEEN:
                due_at, gathered_at = bridge.overdue_after(), bridge.clock.now()
                kept_as = {"sha256": sha256, "gathered_at": gathered_at, "due_at": due_at, "left_rounds": 0}
                files.advance(file, FileState.GATHERED, owner=lease.owner, note="added by hand", **kept_as)
            else:
                note, now = "added by hand; it is kept again", bridge.clock.now()
                files.record(file, note, owner=lease.owner, lease=lease, gathered_at=now, removed_at=None)
    return _gathered(bridge, file.id)


def _gathered(bridge: Bridge, file_id: int) -> ResponseFile:
    file = bridge.ledger.response_files.get(file_id)
    if file.state is FileState.SEEN:
        raise ResponseFileUnknown(file=file_id)
    return file
