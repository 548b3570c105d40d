"""load_responses: read a gathered response file and move its new rows into RS_DB, all of them or none."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

from shared.bridge import Bridge
from shared.config.response_layouts import layout_of
from shared.errors import (
    BridgeError,
    ResponseFileLayout,
    ResponseFileRows,
    ResponseFileUnknown,
    RowsUnaccounted,
)
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.responses import ferg_files
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import record_load
from shared.ledger.responses.move import move
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.response_rejects import write_rejects
from shared.steps.row_counts import load_counts, log_rejects, log_responses
from shared.steps.runner import Runner, Wait
from shared.storage import blob_names
from shared.telemetry import log


def load_responses(bridge: Bridge, file_id: int) -> LoadCounts | None:
    """Load a gathered response file.

    Args:
        bridge: the bridge.
        file_id: the file's id, from the queue message.

    Returns:
        What became of its rows; None when there was nothing to do, or the file cannot be loaded now.

    Raises:
        DatabaseUnavailable: the ledger could not be written; the message comes again.
        SchemaMapMismatch: RS_DB is not as the schema map says; the sweep queues the file again until it is.
    """
    bridge.rs_check.require()
    try:
        file = bridge.ledger.response_files.get(file_id)
    except ResponseFileUnknown:
        return None  # the message is older than a restored ledger
    runner = _LoadRunner(bridge, file)
    runner.run()
    return runner.counts


class _LoadRunner(Runner[ResponseFile]):
    """Loads one response file."""

    def __init__(self, bridge: Bridge, file: ResponseFile) -> None:
        super().__init__(bridge, LeaseName.for_response_file(file.name), f"Response file {file.name}")
        self._file = file
        self._files = bridge.ledger.response_files
        #: What became of the rows; None unless they were loaded.
        self.counts: LoadCounts | None = None

    def find(self) -> ResponseFile | None:
        file = self._files.get(self._file.id)
        return file if self.handles(file) else None

    def find_again(self, item: ResponseFile) -> ResponseFile:
        return self._files.get(item.id)

    def handles(self, item: ResponseFile) -> bool:
        return item.state is FileState.GATHERED

    def handle(self, item: ResponseFile) -> ResponseFile:
        loaded, self.counts = load(self.bridge, item, self.lease)
        return loaded

    def update(self, item: ResponseFile, **columns: object) -> ResponseFile:
        return self._files.update(item, **columns)

    def fail(self, item: ResponseFile, error: BridgeError) -> tuple[ResponseFile, Wait | None]:
        return fail(self.bridge, item, error, owner=self.lease.owner), None

    def send_on(self, item: ResponseFile, pause: timedelta) -> None:
        if self.handles(item):
            queue = self.bridge.settings.load_responses_queue
            self.bridge.queues.send(queue, {"response_file": item.id}, delay=pause)

    def context(self) -> dict[str, str]:
        return self._file.log_context()

    def report_progress(self, before: ResponseFile, after: ResponseFile) -> None:
        """`load` has logged it."""


def load(bridge: Bridge, file: ResponseFile, lease: HeldLease) -> tuple[ResponseFile, LoadCounts]:
    """Load a gathered file whose lease is held.

    Returns:
        The loaded file, and what became of its rows in this load.

    Raises:
        BridgeError: it is not loaded, and nothing of it is in RS_DB; whether a retry can help, its class says.
    """
    responses.clear(bridge.rs_database, file)
    load_id = str(uuid.uuid4())
    found = layout_of(file.name, bridge.channels.responses)
    if found is None:
        raise ResponseFileLayout(file=file.name, reason="no layout of the channels file is for its name")
    reader = ResponseReader(bridge.responses.chunks(blob_names.response_file(file)), found[1], name=file.name)
    zone = ZoneInfo(bridge.settings.database_time_zone)
    columns: dict[str, None] = {}
    rows = write_rejects(bridge, file, reader)
    responses.stage(bridge.bulk, file, load_id, _noting_details(rows, columns), zone)
    with bridge.rs_database.writing() as connection:
        rs_db = bridge.rs_db if bridge.settings.responses_to != "files" else None
        new = move(connection, load_id, rs_db, now=bridge.clock.now())
        counts = LoadCounts(
            read=reader.rows_read,
            loaded=sum(one.rows for one in new),
            known=reader.rows_good - sum(one.rows for one in new),
            rejected=reader.rejects.total(),
            unmatched=sum(one.unmatched for one in new),
            by_type={one.message_type: one.rows for one in new},
        )
        if counts.read != counts.loaded + counts.known + counts.rejected:
            accounted = counts.loaded + counts.known + counts.rejected
            raise RowsUnaccounted(what=file.name, read=counts.read, accounted=accounted)
        to_file = bridge.settings.responses_to != "tables" and counts.loaded > 0
        if to_file:
            ferg_files.make(
                connection, file, load_id, columns=list(columns), rows=counts.loaded, now=bridge.clock.now()
            )
        refused = _refused(file, reader) if counts.rejected else None
        loaded = record_load(
            connection,
            file,
            counts,
            dict(reader.rejects),
            owner=lease.owner,
            now=bridge.clock.now(),
            refused=refused,
            keep_new=to_file,
        )
        lease.confirm(connection)
    log.info(
        "Response file %s: %d rows read, %d loaded, %d known, %d rejected.",
        file.name,
        counts.read,
        counts.loaded,
        counts.known,
        counts.rejected,
        extra={"action": "load", "file": file.name, **load_counts(counts)},
    )
    log_responses(counts.by_type, file=file.name)
    log_rejects(reader.rejects, file=file.name)
    if refused is not None and reader.rows_good == 0:
        # To whoever waits for its rows it has failed: a column or a date is written otherwise than its layout says.
        log.error("%s", refused, extra={"action": "fail", "file": file.name, "code": refused.code})
    return loaded, counts


def _refused(file: ResponseFile, reader: ResponseReader) -> ResponseFileRows:
    """What a file is marked with, rows of which were refused."""
    return ResponseFileRows(
        file=file.name,
        read=reader.rows_read,
        rejected=reader.rejects.total(),
        good=reader.rows_good,
        reasons=", ".join(f"{reason} {rows}" for reason, rows in reader.rejects.most_common()),
        reject_file=blob_names.response_reject_file(file.id),
    )


def _noting_details(rows: Iterable[tuple[int, Response]], columns: dict[str, None]) -> Iterator[tuple[int, Response]]:
    """The same rows; the names of their details are noted, in the order in which they come."""
    for line, response in rows:
        columns.update(dict.fromkeys(response.details))
        yield line, response


def fail(bridge: Bridge, file: ResponseFile, error: BridgeError, *, owner: str) -> ResponseFile:
    """Record that a gathered file cannot be loaded as it is.

    Raises:
        LeaseLost: somebody else changed the file first.
    """
    log.error("%s", error, extra={"action": "fail", **file.log_context(), "code": error.code})
    return bridge.ledger.response_files.fail(file, error, owner=owner)
