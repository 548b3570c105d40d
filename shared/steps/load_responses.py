"""load_responses: read a gathered response file and move its new rows into RS_DB, all of them or none."""

import uuid
from collections import Counter
from datetime import timedelta

from shared.bridge import Bridge, new_owner, now
from shared.errors import (
    BridgeError,
    ResponseFileLayout,
    RowsUnaccounted,
    TerminalError,
    TransientError,
    UnexpectedError,
)
from shared.ledger import responses
from shared.ledger.leases import HeldLease
from shared.ledger.response_files import FileState, LoadCounts, ResponseFile, lease_name, record_load
from shared.optimizely.response_file import ResponseReader
from shared.response_layouts import layout_of
from shared.steps.work import LONGEST_PAUSE
from shared.telemetry import log, place_of


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
            counts = _load(bridge, file, lease)
        except TerminalError as error:
            _give_up(bridge, file, error)
            return None
        except TransientError as error:
            later: BridgeError = error
        except Exception as error:  # noqa: BLE001 - nothing may stop the other files; the log has type and place
            log.error("Response file %s: %s", file.name, place_of(error), extra={"action": "unexpected"})
            later = UnexpectedError(step="load_responses", kind=type(error).__name__)
        else:
            log.info(
                "Response file %s: %d rows read, %d loaded, %d known, %d rejected.",
                file.name,
                counts.read,
                counts.loaded,
                counts.known,
                counts.rejected,
                extra={"action": "load", "file": file.name},
            )
            return counts
    _try_later(bridge, file, later)
    return None


def _load(bridge: Bridge, file: ResponseFile, lease: HeldLease) -> LoadCounts:
    responses.clear(bridge.rs_database, file)
    load_id = str(uuid.uuid4())
    found = layout_of(file.name, bridge.channels.responses)
    if found is None:
        raise ResponseFileLayout(file=file.name, reason="no layout of the channels file is for its name")
    reader = ResponseReader(bridge.responses.chunks(file.blob), found[1], name=file.name)
    responses.stage(bridge.bulk, file, load_id, reader)
    with bridge.rs_database.writing() as connection:
        # Only now: the wait for the write lock can be longer than the lease.
        lease.check()
        loaded: Counter[str] = Counter()
        unmatched = 0
        for new in responses.new(connection, load_id):
            responses.record(connection, new, bridge.rs_db.add_responses(connection, new))
            loaded.update(one.response.message_type for one in new)
            unmatched += sum(one.rs_broadcast_id is None for one in new)
        counts = LoadCounts(
            read=reader.rows_read,
            loaded=loaded.total(),
            known=reader.rows_good - loaded.total(),
            rejected=reader.rejects.total(),
            unmatched=unmatched,
            by_type=loaded,
        )
        if counts.read != counts.loaded + counts.known + counts.rejected:
            accounted = counts.loaded + counts.known + counts.rejected
            raise RowsUnaccounted(what=file.name, read=counts.read, accounted=accounted)
        record_load(connection, file, counts, dict(reader.rejects), now=now())
    return counts


def _give_up(bridge: Bridge, file: ResponseFile, error: BridgeError) -> None:
    log.error("%s", error, extra={"action": "fail", "file": file.name, "code": error.code})
    bridge.ledger.response_files.failed(file, code=error.code, sentence=error.sentence)


def _try_later(bridge: Bridge, file: ResponseFile, error: BridgeError) -> None:
    if file.attempts + 1 >= bridge.settings.max_attempts:
        _give_up(bridge, file, error)
        return
    log.warning("Response file %s: %s", file.name, error, extra={"action": "retry", "code": error.code})
    pause = min(timedelta(seconds=bridge.settings.retry_seconds * 2**file.attempts), LONGEST_PAUSE)
    bridge.ledger.response_files.put_off(file, due_at=bridge.overdue_after(pause))
    bridge.queues.send(bridge.settings.load_responses_queue, {"response_file": file.id}, delay=pause)
