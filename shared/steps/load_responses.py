"""load_responses: read a gathered response file and move its new rows into RS_DB, all of them or none."""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from shared.bridge import Bridge, new_owner
from shared.config.response_layouts import layout_of
from shared.database.locks import acquire_lock
from shared.errors import (
    BridgeError,
    ResponseFileLayout,
    ResponseFileRows,
    RowsUnaccounted,
    TerminalError,
    TransientError,
    UnexpectedError,
)
from shared.faststats.rs_db import RsDb
from shared.ledger.leases import HeldLease
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses import ferg_files
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import FileState, LoadCounts, ResponseFile, lease_name, record_load
from shared.ledger.responses.staging import NewOfType
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from shared.steps.response_rejects import keeping_rejects
from shared.steps.row_counts import load_figures, tell_rejects, tell_responses
from shared.steps.runner import LONGEST_PAUSE
from shared.storage import blob_names
from shared.telemetry import log, traceback_location


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
    file = bridge.ledger.response_files.get(file_id)
    if file is None:
        return None
    with bridge.ledger.leases.held(lease_name(file.name), new_owner()) as lease:
        file = bridge.ledger.response_files.get(file_id)
        if lease is None or file is None or file.state is not FileState.GATHERED:
            log.info("Response file %d needs no load now.", file_id, extra={"action": "aside"})
            return None
        bridge.ledger.response_files.try_load(file, due_at=bridge.overdue_after())
        try:
            return load(bridge, file, lease)
        except TerminalError as error:
            give_up(bridge, file, error)
            return None
        except TransientError as error:
            later: BridgeError = error
        except Exception as error:  # noqa: BLE001 - nothing may stop the other files; the log has type and place
            log.error("Response file %s: %s", file.name, traceback_location(error), extra={"action": "unexpected"})
            later = UnexpectedError(step="load_responses", kind=type(error).__name__)
    _try_later(bridge, file, later)
    return None


def load(bridge: Bridge, file: ResponseFile, lease: HeldLease) -> LoadCounts:
    """Load a gathered file whose lease is held.

    Returns:
        What became of its rows.

    Raises:
        BridgeError: it is not loaded, and nothing of it is in RS_DB; whether a retry can help, its class says.
    """
    responses.clear(bridge.rs_database, file)
    load_id = str(uuid.uuid4())
    found = layout_of(file.name, bridge.channels.responses)
    if found is None:
        raise ResponseFileLayout(file=file.name, reason="no layout of the channels file is for its name")
    reader = ResponseReader(bridge.responses.chunks(file.blob), found[1], name=file.name)
    zone = ZoneInfo(bridge.settings.database_time_zone)
    columns: dict[str, None] = {}
    rows = keeping_rejects(bridge, file, reader)
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
        record_load(
            connection, file, counts, dict(reader.rejects), refused=refused, keep_new=to_file, now=bridge.clock.now()
        )
        lease.confirm(connection)
    log.info(
        "Response file %s: %d rows read, %d loaded, %d known, %d rejected.",
        file.name,
        counts.read,
        counts.loaded,
        counts.known,
        counts.rejected,
        extra={"action": "load", "file": file.name, **load_figures(counts)},
    )
    tell_responses(counts.by_type, file=file.name)
    tell_rejects(reader.rejects, file=file.name)
    if refused is not None and reader.rows_good == 0:
        # To whoever waits for its rows it has failed: a column or a date is written otherwise than its layout says.
        log.error("%s", refused, extra={"action": "fail", "file": file.name, "code": refused.code})
    return counts


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


def move(connection: Connection, load_id: str, rs_db: RsDb | None, *, now: datetime) -> list[NewOfType]:
    """Move the new rows of a load, within a transaction: all of them or none. One load at a time does.

    Args:
        connection: the transaction.
        load_id: the load; all of its rows are staged.
        rs_db: where they go; None: their events are recorded, but no row is written.
        now: the time.

    Returns:
        How many there were, by message type.

    Raises:
        DatabaseUnavailable: another load does not get ready.
        RowsUnaccounted: not every new row was moved.
    """
    # Two loads that move side by side would both take an event for new.
    acquire_lock(connection, "bridge.responses")
    responses.number_new(connection, load_id)
    new = responses.count_new(connection, load_id)
    moved = 0
    for batch in responses.batches(connection, load_id):
        if rs_db is None:
            responses.record_without_response(connection, batch)
        else:
            responses.record(connection, batch, rs_db.add_responses(connection, batch), now=now)
        moved += batch.size
    response_counts.count_load(connection, load_id, now=now)
    if moved != sum(one.rows for one in new):
        raise RowsUnaccounted(what="a load of responses", read=sum(one.rows for one in new), accounted=moved)
    return new


def _noting_details(rows: Iterable[tuple[int, Response]], columns: dict[str, None]) -> Iterator[tuple[int, Response]]:
    """The same rows; the names of their details are noted, in the order in which they come."""
    for line, response in rows:
        columns.update(dict.fromkeys(response.details))
        yield line, response


def give_up(bridge: Bridge, file: ResponseFile, error: BridgeError) -> None:
    """Record that a gathered file cannot be loaded as it is."""
    log.error("%s", error, extra={"action": "fail", "file": file.name, "code": error.code})
    bridge.ledger.response_files.failed(file, code=error.code, sentence=error.sentence)


def _try_later(bridge: Bridge, file: ResponseFile, error: BridgeError) -> None:
    if file.attempts + 1 >= bridge.settings.max_attempts:
        give_up(bridge, file, error)
        return
    log.warning(
        "Response file %s: %s", file.name, error, extra={"action": "retry", "file": file.name, "code": error.code}
    )
    pause = min(timedelta(seconds=bridge.settings.retry_seconds * 2**file.attempts), LONGEST_PAUSE)
    bridge.ledger.response_files.put_off(file, due_at=bridge.overdue_after(pause))
    bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": file.id}, delay=pause)
