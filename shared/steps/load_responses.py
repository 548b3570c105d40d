"""load_responses: read a gathered response file and move its new rows into RS_DB, all of them or none.

The reject file says which rows were refused and why, for an operator to download. It has line, reason and column, and
no value: the response file itself is kept, and personal data stays in one file. The values for which a column is
refused are in docs/reference/response-files.md.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.config.response_layouts import layout_of
from shared.database.rules import TransactionLostError, rules_at_commit
from shared.errors import (
    BridgeError,
    DatabaseRuleBroken,
    ResponseFileLayout,
    ResponseFileRefused,
    ResponseFileRows,
    ResponseFileUnknown,
    RowsUnaccounted,
)
from shared.files.reject_file import RejectFile
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.responses import ferg_files
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import record_load
from shared.ledger.responses.move import SetAside, move, sift
from shared.ledger.unfinished_lines import get_rejects, withdraw_reject
from shared.optimizely.responses.reader import ResponseReader
from shared.rejects import RejectReason, in_words
from shared.response import Response
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.row_counts import log_rejects, log_responses
from shared.steps.runner import Runner, Wait
from shared.steps.unfinished_lines import completed_by, is_completed, remove_from_reject_file
from shared.storage import blob_names
from shared.telemetry import log

#: Rules that a message names.
_MOST_RULES: Final = 3


def load_responses(bridge: Bridge, file_id: int) -> LoadCounts | None:
    """Load the gathered response file of a queue message.

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
        lease = LeaseName.for_response_file(file.name)
        super().__init__(bridge, lease, f"Response file {file.name}", file.log_context())
        self._file = file
        self._files = bridge.ledger.response_files
        #: What became of the rows; None unless they were loaded.
        self.counts: LoadCounts | None = None

    def read(self) -> ResponseFile:
        return self._files.get(self._file.id)

    def handles(self, item: ResponseFile) -> bool:
        return item.state is FileState.GATHERED

    def handle(self, item: ResponseFile) -> ResponseFile:
        loaded, self.counts = load(self.bridge, item, self.lease)
        return loaded

    def update(self, item: ResponseFile, **columns: object) -> ResponseFile:
        return self._files.update(item, lease=self.lease, **columns)

    def wait(self, item: ResponseFile, waiting_for: str | None, **columns: object) -> ResponseFile:
        return self._files.wait(item, waiting_for, owner=self.lease.owner, lease=self.lease, **columns)

    def fail(self, item: ResponseFile, error: BridgeError) -> tuple[ResponseFile, Wait | None]:
        return fail(self.bridge, item, error, owner=self.lease.owner), None

    def send_on(self, item: ResponseFile, pause: timedelta) -> None:
        if self.handles(item):
            queue = self.bridge.settings.load_responses_queue
            self.bridge.queues.send(queue, {"response_file": item.id}, delay=pause)

    def report_progress(self, before: ResponseFile, after: ResponseFile) -> None:
        """`load` has logged it."""


def load(bridge: Bridge, file: ResponseFile, lease: HeldLease) -> tuple[ResponseFile, LoadCounts]:
    """Load a gathered file whose lease is held; returns it, and what became of its rows in this load.

    Raises:
        BridgeError: it is not loaded, and nothing of it is in RS_DB; whether a retry can help, its class says.
    """
    responses.clear(bridge.rs_database, file)
    load_id = str(uuid.uuid4())
    found = layout_of(file.name, bridge.channels.responses)
    if found is None:
        raise ResponseFileLayout(file=file.name, reason="no layout in the channels file matches its name")
    reader = ResponseReader(bridge.responses.chunks(blob_names.response_file(file)), found[1], name=file.name)
    zone = ZoneInfo(bridge.settings.database_time_zone)
    columns: dict[str, None] = {}
    rows = _write_rejects(bridge, file, reader)
    responses.stage(bridge.bulk, file, load_id, _noting_details(rows, columns), zone)
    refused: SetAside = {}
    try:
        try:
            return _move(bridge, file, lease, load_id, reader, columns, refused)
        except TransactionLostError:
            sift(bridge.rs_database, load_id, bridge.rs_db, refused)
            return _move(bridge, file, lease, load_id, reader, columns, refused)
    except TransactionLostError as lost:
        # Each row alone is accepted, and together they are not: which of them it is, only the trigger knows.
        error = lost.error
    except DatabaseRuleBroken as broken:
        error = broken
    raise ResponseFileRefused(file=file.name, rule=f"{error.rule} of {error.table}")


def _move(
    bridge: Bridge,
    file: ResponseFile,
    lease: HeldLease,
    load_id: str,
    reader: ResponseReader,
    columns: Mapping[str, None],
    refused: SetAside,
) -> tuple[ResponseFile, LoadCounts]:
    """Move the staged rows in one transaction, but for those that a rule refuses, which are added to `refused`."""
    completed = [(other, get_rejects(bridge.rs_database, other)) for other in completed_by(bridge, file)]
    with (
        rules_at_commit(bridge.rs_database.engine, bridge.rs_db.response, "RS_DB"),
        lease.writing() as connection,
    ):
        rs_db = bridge.rs_db if bridge.settings.responses_to != "files" else None
        new = move(connection, load_id, rs_db, now=bridge.clock.now(), set_aside=refused)
        new_rows = sum(of_type.rows for of_type in new)
        rejects = reader.rejects + Counter({RejectReason.DATABASE_RULE: len(refused)})
        counts = LoadCounts(
            read=reader.rows_read,
            loaded=new_rows,
            known=reader.rows_good - len(refused) - new_rows,
            rejected=rejects.total(),
            unmatched=sum(of_type.unmatched for of_type in new),
            by_type={of_type.message_type: of_type.rows for of_type in new},
        )
        if refused and counts.loaded + counts.known == 0:
            raise ResponseFileRefused(file=file.name, rule=_rules(refused))
        accounted = counts.loaded + counts.known + counts.rejected
        if counts.read != accounted:
            raise RowsUnaccounted(what=file.name, read=counts.read, accounted=accounted)
        to_file = bridge.settings.responses_to != "tables" and counts.loaded > 0
        error, now = _error(file, counts, rejects, refused), bridge.clock.now()
        if to_file:
            ferg_files.make(connection, file, load_id, columns=list(columns), rows=counts.loaded, now=now)
        loaded = record_load(
            connection, file, counts, rejects, owner=lease.owner, now=now, refused=error, keep_new=to_file
        )
        withdrawn = [
            _withdraw(connection, other, of_other, by=file, owner=lease.owner, now=now) for other, of_other in completed
        ]
        if refused:
            _add_rejects(bridge, file, refused)
    for other in withdrawn:
        remove_from_reject_file(bridge, other, file)
    outcome = f"{counts.read} rows read, {counts.loaded} loaded, {counts.known} known, {counts.rejected} rejected"
    extra = {"action": "load", **file.log_context(), **counts.log_context()}
    log.info("Response file %s: %s.", file.name, outcome, extra=extra)
    log_responses(counts.by_type, file=file.name)
    log_rejects(rejects, file=file.name)
    if error is not None and counts.loaded + counts.known == 0:
        # To whoever waits for its rows it has failed: a column or a date is written otherwise than its layout says.
        log.error("%s", error, extra={"action": "fail", **file.log_context(), **error.log_context()})
    return loaded, counts


def _error(
    file: ResponseFile, counts: LoadCounts, rejects: Mapping[RejectReason, int], refused: SetAside
) -> ResponseFileRows | None:
    """What a file is marked with, rows of which were refused."""
    if not rejects:
        return None
    return ResponseFileRows(
        file=file.name,
        read=counts.read,
        rejected=counts.rejected,
        good=counts.loaded + counts.known,
        reasons=f"{in_words(rejects)}: {_rules(refused)}" if refused else in_words(rejects),
        reject_file=blob_names.response_reject_file(file.id),
    )


def _withdraw(
    connection: Connection,
    file: ResponseFile,
    rejects: Mapping[RejectReason, int],
    *,
    by: ResponseFile,
    owner: str,
    now: datetime,
) -> ResponseFile:
    """Withdraw the reject of a last line without end: the file that is being loaded has the complete line."""
    counts = file.counts
    if counts is None:
        raise ResponseFileUnknown(file=file.id)
    left = replace(counts, read=counts.read - 1, rejected=counts.rejected - 1)
    note = f"its last line, which had no end, is complete in response file {by.id}: the reject is withdrawn"
    error = _error(
        file, left, {kept: rows for kept, rows in rejects.items() if kept is not RejectReason.LINE_UNFINISHED}, {}
    )
    return withdraw_reject(connection, file, note=note, owner=owner, now=now, refused=error)


def _rules(refused: SetAside) -> str:
    """The rules that refused rows, the most frequent first."""
    rules = [rule for rule, _ in Counter(refused.values()).most_common()]
    return "; ".join(rules[:_MOST_RULES]) + (" and others" if len(rules) > _MOST_RULES else "")


def _add_rejects(bridge: Bridge, file: ResponseFile, refused: SetAside) -> None:
    """Append to the reject file the rows that a rule of RS_DB refuses; the rule is where others have a column.

    This is done before the transaction ends that leaves them out: each rejected row is in the file.
    """
    blob, layout = blob_names.response_reject_file(file.id), RejectFile(("Column",))
    before = bridge.rejects.find(blob)
    rows = len(refused) + (0 if before is None else int(before.metadata["rows"]))
    with bridge.rejects.writer(blob) as reject_file:
        for piece in [layout.header()] if before is None else bridge.rejects.chunks(blob):
            reject_file.write(piece)
        for line, rule in sorted(refused.items()):
            reject_file.write(layout.row(line, RejectReason.DATABASE_RULE, (rule,)))
        reject_file.commit({"rows": str(rows)}, replace=True)
    path, extra = f"{bridge.rejects.name}/{blob}", {"action": "reject", **file.log_context()}
    log.warning(
        "Response file %s: RS_DB refuses %d rows (%s); lines and rules are in %s.",
        *(file.name, len(refused), _rules(refused), path),
        extra=extra,
    )


def _write_rejects(bridge: Bridge, file: ResponseFile, reader: ResponseReader) -> Iterator[tuple[int, Response]]:
    """The valid rows of a response file; once all are read, the reject file has the others.

    It replaces the reject file of an earlier load, and is removed if no row is refused. If the file is not read to its
    end, the earlier one remains.
    """
    blob, layout = blob_names.response_reject_file(file.id), RejectFile(("Column",))
    with bridge.rejects.writer(blob) as reject_file:
        reject_file.write(layout.header())
        for line, row in reader.rows():
            if isinstance(row, Response):
                yield line, row
            elif row is RejectReason.LINE_UNFINISHED and is_completed(bridge, file):
                reader.withdraw(row)
            else:
                reject_file.write(layout.row(line, row, (reader.refused_field,)))
        rejected = reader.rejects.total()
        if not rejected:
            bridge.rejects.remove(blob)
            return
        reject_file.commit({"rows": str(rejected)}, replace=True)
        path, extra = f"{bridge.rejects.name}/{blob}", {"action": "reject", **file.log_context()}
        log.warning(
            "Response file %s: %d rows rejected; lines and reasons are in %s.", file.name, rejected, path, extra=extra
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
    log.error("%s", error, extra={"action": "fail", **file.log_context(), **error.log_context()})
    return bridge.ledger.response_files.fail(file, error, owner=owner)
