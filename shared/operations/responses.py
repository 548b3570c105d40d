"""replay_responses: kept response files are loaded again, and files from elsewhere are taken in and loaded.

Loading a file again changes nothing that is there already (rule 6). It brings in what an earlier load refused, once the
layout is mended, and what is missing in RS_DB after the ledger and RS_DB were restored from a backup.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import layout_of
from shared.errors import (
    ResponseFileBusy,
    ResponseFileDiffers,
    ResponseFileLayout,
    ResponseFileNotKept,
    ResponseFileUnknown,
    TerminalError,
)
from shared.ledger.responses import ferg_files
from shared.ledger.responses.files import lease_name
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.load_responses import fail, load
from shared.storage import blob_names

#: Bytes read at a time.
_PIECE: Final = 1024 * 1024


def load_again(bridge: Bridge, file_id: int) -> LoadCounts:
    """Load a kept response file now, whether it was loaded before or not.

    Args:
        bridge: the bridge.
        file_id: the file's id.

    Returns:
        What became of its rows in this load; those that were there already are known.

    Raises:
        ResponseFileUnknown: there is no such file, or it is not gathered yet.
        ResponseFileNotKept: it was removed after its time.
        ResponseFileBusy: somebody else works on it, or its new rows are still to be put for FERG.
        BridgeError: it could not be loaded; what was there before is as it was. Where a retry can help, `housekeeping`
            sees to it.
    """
    bridge.rs_check.require()
    file = _gathered(bridge, file_id)
    with bridge.ledger.leases.held(lease_name(file.name), new_owner()) as lease:
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


def take_in(bridge: Bridge, path: Path) -> ResponseFile:
    """Keep a response file of this machine as if it had been gathered.

    A file that is known by name, size and time of change stays as it is; if it was removed after its time it is kept
    once more.

    Args:
        bridge: the bridge.
        path: the file.

    Returns:
        The file as the ledger has it.

    Raises:
        ResponseFileLayout: no layout of the channels file is for its name.
        ResponseFileDiffers: the known file of this name, size and time has another content.
        ResponseFileBusy: somebody else works on it.
    """
    found = layout_of(path.name, bridge.channels.responses)
    if found is None:
        raise ResponseFileLayout(file=path.name, reason="no layout of the channels file is for its name")
    files, about = bridge.ledger.response_files, path.stat()
    of_file = (path.name, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))
    with bridge.ledger.leases.held(lease_name(path.name), new_owner()) as lease:
        if lease is None:
            raise ResponseFileBusy(file=path.name)
        if files.find(*of_file) is None:
            note = "taken in by hand"
            files.add(*of_file, layout=found[0], owner=lease.owner, note=note)
        file = files.find(*of_file)
        if file is None:
            raise ResponseFileBusy(file=path.name)
        sha256 = _sha256(path)
        if file.sha256 not in {None, sha256}:
            raise ResponseFileDiffers(file=path.name)
        if file.state is FileState.SEEN or file.removed_at is not None:
            with bridge.responses.writer(blob_names.response_file(file)) as kept:
                for piece in _pieces(path):
                    kept.write(piece)
                # What an interrupted copy left gives way: it may be of another content.
                lease.check()
                kept.commit({"sha256": sha256}, replace=True)
            lease.check()
            if file.state is FileState.SEEN:
                due_at, gathered_at = bridge.overdue_after(), bridge.clock.now()
                kept_as = {"sha256": sha256, "gathered_at": gathered_at, "due_at": due_at, "left_rounds": 0}
                files.advance(file, FileState.GATHERED, owner=lease.owner, note="taken in by hand", **kept_as)
            else:
                again = {"gathered_at": bridge.clock.now(), "removed_at": None}
                files.record(file, "taken in by hand; it is kept again", owner=lease.owner, **again)
    return _gathered(bridge, file.id)


def _gathered(bridge: Bridge, file_id: int) -> ResponseFile:
    file = bridge.ledger.response_files.get(file_id)
    if file.state is FileState.SEEN:
        raise ResponseFileUnknown(file=file_id)
    return file


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece
