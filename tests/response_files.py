"""Response files as the tests need them: seen, and gathered."""

from datetime import UTC, datetime
from typing import Any

from shared.ledger.responses.files import ResponseFiles
from shared.response_file import FileState, ResponseFile

OWNER = "test"
_MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_response_file(**columns: Any) -> ResponseFile:
    """A gathered response file that no ledger has."""
    usual: dict[str, Any] = {
        "id": 1,
        "name": "Response1.csv",
        "size": 1,
        "modified": _MOMENT,
        "state": FileState.GATHERED,
        "version": 2,
        "sha256": "00",
        "seen_at": _MOMENT,
        "gathered_at": _MOMENT,
        "loaded_at": None,
        "due_at": _MOMENT,
        "attempts": 0,
        "counts": None,
        "error_code": None,
        "error": None,
        "layout": "default",
        "left_rounds": 0,
        "removed_at": None,
    }
    return ResponseFile(**usual | columns)


def add_file(files: ResponseFiles, name: str, size: int, modified: datetime) -> ResponseFile:
    """A file that was seen on the SFTP site, unless it is known already."""
    files.add(name, size, modified, layout="default", owner=OWNER, note="seen")
    file = files.find(name, size, modified)
    assert file is not None
    return file


def gather_file(files: ResponseFiles, file: ResponseFile, *, due_at: datetime) -> ResponseFile:
    """The seen file, gathered."""
    kept = {"sha256": "00", "gathered_at": due_at, "due_at": due_at}
    return files.advance(file, FileState.GATHERED, owner=OWNER, note="gathered", **kept)
