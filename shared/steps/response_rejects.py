"""The reject file of a response file: which rows were refused and why, for an operator to download.

It has line, reason and column, and no value: the response file itself is kept, and personal data stays in one file. The
values for which a column is refused are in docs/reference/response-files.md.
"""

from collections.abc import Iterator

from shared.bridge import Bridge
from shared.files.reject_file import RejectFile
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from shared.response_file import ResponseFile
from shared.storage import blob_names
from shared.telemetry import log


def write_rejects(bridge: Bridge, file: ResponseFile, reader: ResponseReader) -> Iterator[tuple[int, Response]]:
    """The valid rows of a response file; once all are read, the reject file has the others.

    It replaces the reject file of an earlier load, and is removed if no row is refused. If the file is not read to its
    end, the earlier one remains.

    Args:
        bridge: the bridge.
        file: the response file.
        reader: its rows.

    Raises:
        StorageUnavailable: the reject file could not be written.
        TerminalError: what the reader raises.
    """
    blob, layout = blob_names.response_reject_file(file.id), RejectFile(("Column",))
    with bridge.rejects.writer(blob) as reject_file:
        reject_file.write(layout.header())
        for line, row in reader.rows():
            if isinstance(row, Response):
                yield line, row
            else:
                reject_file.write(layout.row(line, row, (reader.refused_field,)))
        if reader.rejects:
            reject_file.commit({"rows": str(reader.rejects.total())}, replace=True)
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
