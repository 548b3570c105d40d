"""The reject file of a response file: where a row stands that was refused, and why, for an operator to download.

It names line, reason and column, and holds no value: the response file itself is kept beside it, so that no more places
than needed know of a person. The values that a column may be refused for stand in docs/reference/response-files.md.
"""

from collections.abc import Iterator

from shared.bridge import Bridge
from shared.files.reject_file import RejectFile
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from shared.response_file import ResponseFile
from shared.storage import blob_names
from shared.telemetry import log


def keeping_rejects(bridge: Bridge, file: ResponseFile, reader: ResponseReader) -> Iterator[tuple[int, Response]]:
    """The good rows of a response file; once they are read the reject file tells of the others.

    It takes the place of the one of an earlier load, and is removed where no row is refused. A file that is not read to
    its end leaves the earlier one.

    Args:
        bridge: the bridge.
        file: the response file.
        reader: its rows.

    Raises:
        StorageUnavailable: the reject file could not be written.
        TerminalError: what the reader raises.
    """
    blob, layout = blob_names.response_reject_file(file.id), RejectFile(("Column",))
    with bridge.rejects.writer(blob) as kept:
        kept.write(layout.header())
        for line, row in reader.rows():
            if isinstance(row, Response):
                yield line, row
            else:
                kept.write(layout.row(line, row, (reader.refused_field,)))
        if reader.rejects:
            kept.commit({"rows": str(reader.rejects.total())}, replace=True)
            log.warning(
                "Response file %s: %d rows rejected; lines and reasons are in %s/%s.",
                file.name,
                reader.rejects.total(),
                bridge.rejects.name,
                blob,
                extra={"action": "reject", "file": file.name},
            )
        else:
            bridge.rejects.remove(blob)
