"""Last lines without their end: the reject is withdrawn once another file of the same name has the complete line.

A response file that was gathered half-written and the complete file that follows it have the line in the same position:
there it begins with what the first one has, and has its end.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from shared.bridge import Bridge
from shared.config.response_layouts import layout_of
from shared.errors import ResponseFileError, StagedFileMissing
from shared.files.reject_file import remove_reason
from shared.ledger.unfinished_lines import find_unfinished
from shared.optimizely.responses.rows import raw_lines
from shared.rejects import RejectReason
from shared.response_file import FileState, ResponseFile
from shared.storage import blob_names
from shared.telemetry import log

#: How many files of a name are compared, the newest ones: each is read to the line.
_COMPARED: Final = 5


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    content: bytes
    has_end: bool


def is_completed(bridge: Bridge, file: ResponseFile) -> bool:
    """Whether a loaded file of the same name that came later has the complete last line of this one."""
    others = _loaded(other for other in bridge.ledger.response_files.named(file.name) if other.id > file.id)
    last = _last_line(bridge, file) if others else None
    return last is not None and any(_has_complete(bridge, other, last) for other in others)


def completed_by(bridge: Bridge, file: ResponseFile) -> list[ResponseFile]:
    """The loaded files of the same name that came earlier, and whose unfinished last lines this one has complete."""
    files = bridge.ledger.response_files
    rejected = [files.get(number) for number in find_unfinished(bridge.rs_database, file.name) if number < file.id]
    return [
        other
        for other in _loaded(rejected)
        if (last := _last_line(bridge, other)) is not None and _has_complete(bridge, file, last)
    ]


def remove_from_reject_file(bridge: Bridge, file: ResponseFile, by: ResponseFile) -> None:
    """Remove the row of a withdrawn reject from the reject file of its response file."""
    blob = blob_names.response_reject_file(file.id)
    if file.counts is not None and file.counts.rejected == 0:
        bridge.rejects.remove(blob)
    else:
        with suppress(StagedFileMissing), bridge.rejects.writer(blob) as kept:
            for piece in remove_reason(bridge.rejects.chunks(blob), RejectReason.LINE_UNFINISHED):
                kept.write(piece)
            kept.commit({}, replace=True)
    text = "Response file %s: the unfinished last line of file %d is complete in file %d; its reject is withdrawn."
    log.info(text, file.name, file.id, by.id, extra={"action": "reject-withdrawn", **file.log_context()})


def _loaded(files: Iterable[ResponseFile]) -> list[ResponseFile]:
    return [file for file in files if file.state is FileState.LOADED and file.removed_at is None][-_COMPARED:]


def _last_line(bridge: Bridge, file: ResponseFile) -> _Line | None:
    """The last line of a kept file, if it has no end."""
    last = None
    for line in _lines(bridge, file):
        last = line
    return last if last is not None and not last.has_end else None


def _has_complete(bridge: Bridge, file: ResponseFile, last: _Line) -> bool:
    line = next(islice(_lines(bridge, file), last.number - 1, None), None)
    return line is not None and line.has_end and line.content.startswith(last.content)


def _lines(bridge: Bridge, file: ResponseFile) -> Iterator[_Line]:
    """The lines of a kept file; fewer if it cannot be read to its end."""
    found = layout_of(file.name, bridge.channels.responses)
    if found is None:
        return
    with suppress(ResponseFileError, StagedFileMissing):
        raw = raw_lines(bridge.responses.chunks(blob_names.response_file(file)), found[1], name=file.name)
        line_feed = "\n".encode(raw.encoding)
        for number, content in enumerate(raw.lines, 1):
            yield _Line(number, content, content.endswith(line_feed))
