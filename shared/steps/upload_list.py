"""upload_list: check the delivery file and stage it, prepare the Smart Campaign, upload the list file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RowCounts, SendMode, State
from shared.errors import DeliveryFileChanged, DeliveryFileMissing, NoRecipients, RowsUnaccounted, StagedFileMissing
from shared.faststats.delivery_file import DeliveryFile
from shared.faststats.reject_file import RejectFile
from shared.ledger.broadcasts import count_rejects
from shared.ledger.effects import Effect, Kind
from shared.optimizely.list_file import ListPlan, plan_columns
from shared.optimizely.routes.import_job import TAKEN, Baseline
from shared.rejects import DUPLICATES, RejectReason
from shared.staging import StagedFileWriter
from shared.steps.work import Later, Work, carry_on


def upload_list(bridge: Bridge, key: str, version: int) -> None:
    """Take a broadcast from `claimed` to `uploaded`.

    Args:
        bridge: the bridge.
        key: the broadcast's key, from the queue message.
        version: the version for which the message was sent.
    """
    carry_on(bridge, key, version, {State.CLAIMED: _stage, State.STAGED: _prepare, State.PREPARED: _transfer})


def list_blob(broadcast: Broadcast) -> str:
    """Name of the staged list file."""
    return f"{broadcast.key}/list.csv"


def reject_blob(broadcast: Broadcast) -> str:
    """Name of the reject file, as an operator downloads it."""
    return f"{broadcast.key}/rejects.csv"


@dataclass(frozen=True, slots=True)
class _Staged:
    """What staging found out."""

    list_id: int
    counts: RowCounts
    #: Rows by reason; None: to upload.
    reasons: Counter[RejectReason | None]
    #: Columns of the delivery file for which the list has no field.
    left_out: Sequence[str]


def _stage(work: Work) -> Broadcast:
    """Check the delivery file and stage the list file."""
    request = work.broadcast.request
    if request.send_mode is not SendMode.UPLOAD_ONLY:
        work.bridge.route.find_message(request.message_name)  # fails now rather than after the upload
    staged = _write_staged_files(work)
    counts = staged.counts

    def count(connection: Connection) -> None:
        count_rejects(connection, work.broadcast, {reason: n for reason, n in staged.reasons.items() if reason})

    note = (
        f"{counts.read} rows read: {counts.uploaded} to upload, {counts.rejected} rejected, "
        f"{counts.duplicates} duplicates"
    )
    if staged.left_out:
        note += f"; the list has no field for {', '.join(staged.left_out)}"
    return work.advance(
        State.STAGED,
        note,
        count,
        list_id=staged.list_id,
        rows_read=counts.read,
        rows_uploaded=counts.uploaded,
        rows_rejected=counts.rejected,
        rows_duplicate=counts.duplicates,
        rows_suppressed=counts.suppressed,
    )


def _write_staged_files(work: Work) -> _Staged:
    """Check every row of the delivery file; write the good ones to the list file, the others to the reject file."""
    bridge, request = work.bridge, work.broadcast.request
    list_id = bridge.route.find_list(request.list_name)
    fields = bridge.route.list_fields(list_id)
    try:
        stream = (bridge.settings.delivery_folder / request.delivery_file).open("rb")
    except OSError:
        raise DeliveryFileMissing(file=request.delivery_file) from None
    with (
        stream,
        DeliveryFile(stream, request) as delivery,
        bridge.lists.writer(list_blob(work.broadcast)) as list_file,
        bridge.rejects.writer(reject_blob(work.broadcast)) as reject_file,
    ):
        plan = plan_columns(
            delivery.columns,
            urn=delivery.urn,
            email=delivery.email,
            communication_key=delivery.communication_key,
            fields=fields,
            list_name=request.list_name,
            broadcast_key=request.key,
        )
        reasons = _write_rows(delivery, plan, list_file, reject_file)
        counts = _counts(delivery.rows_read, reasons)
        if counts.accounted != counts.read:
            raise RowsUnaccounted(what=request.delivery_file, read=counts.read, accounted=counts.accounted)
        work.lease.check()
        reject_file.commit({})
        if counts.uploaded == 0:
            raise NoRecipients(file=request.delivery_file, rows=counts.read)
        # The same delivery file gives the same list file: one that is there already is this one.
        list_file.commit({"rows": str(counts.uploaded)})
    return _Staged(list_id=list_id, counts=counts, reasons=reasons, left_out=plan.left_out)


def _write_rows(
    delivery: DeliveryFile, plan: ListPlan, list_file: StagedFileWriter, reject_file: StagedFileWriter
) -> Counter[RejectReason | None]:
    """Write list file and reject file, a row at a time; rows by reason, None for those to upload."""
    reasons: Counter[RejectReason | None] = Counter()
    rejects = RejectFile(delivery.columns)
    list_file.write(plan.header())
    reject_file.write(rejects.header())
    for line_number, values, fault in delivery.rows():
        line = fault or plan.encode(values)
        reason = delivery.repetition(values) if isinstance(line, bytes) else line
        if reason is not None:
            reject_file.write(rejects.row(line_number, reason, values))
        elif isinstance(line, bytes):
            list_file.write(line)
        reasons[reason] += 1
    return reasons


def _counts(rows_read: int, reasons: Counter[RejectReason | None]) -> RowCounts:
    duplicates = sum(rows for reason, rows in reasons.items() if reason in DUPLICATES)
    uploaded = reasons[None]
    return RowCounts(
        read=rows_read,
        uploaded=uploaded,
        rejected=reasons.total() - uploaded - duplicates,
        duplicates=duplicates,
        suppressed=0,  # this channel leaves suppression to Optimizely, whose import does it
    )


def _prepare(work: Work) -> Broadcast | Later:
    """Lease the list, and copy the Smart Campaign for this broadcast."""
    bridge, broadcast = work.bridge, work.broadcast
    if not _lease_list(work):
        return _soon(work)
    if broadcast.request.send_mode is SendMode.UPLOAD_ONLY:
        return work.advance(State.PREPARED, "upload only: no Smart Campaign is needed")

    def look(_effect: Effect) -> dict[str, int] | None:
        found = bridge.route.find_copy(broadcast)
        return None if found is None else {"campaign": found.id}

    def act(_effect: Effect) -> dict[str, int]:
        source = bridge.route.find_message(broadcast.request.message_name)
        return {"campaign": bridge.route.copy(broadcast, source, broadcast.list_id or 0).id}

    copied = work.once(Kind.COPY, bridge.route.copy_name(broadcast), look=look, act=act)
    campaign_id = int(copied.evidence["campaign"])
    return work.advance(
        State.PREPARED,
        f"Smart Campaign copied as {campaign_id}",
        campaign_id=campaign_id,
        mailing_id=bridge.route.mailing_id(campaign_id),
    )


def _transfer(work: Work) -> Broadcast | Later:
    """Upload the list file."""
    bridge, broadcast = work.bridge, work.broadcast
    if not _lease_list(work):
        return _soon(work)
    if bridge.ledger.effects.find(broadcast, Kind.UPLOAD) is None and bridge.route.job_runs(broadcast):
        return _soon(work)  # it still imports a file of somebody else, and must not be taken for our import
    staged = _find_staged(work)

    def look(effect: Effect) -> dict[str, int] | None:
        size = bridge.route.find_upload(broadcast, Baseline.from_evidence(effect.evidence))
        return {"size": size} if size in {staged, TAKEN} else None

    def act(_effect: Effect) -> dict[str, int]:
        return {"size": bridge.route.upload(broadcast, bridge.lists.open(list_blob(broadcast)))}

    uploaded = work.once(
        Kind.UPLOAD,
        bridge.route.file_path(broadcast),
        before=lambda: bridge.route.baseline(broadcast).as_evidence(),
        look=look,
        act=act,
    )

    def record(connection: Connection) -> dict[str, object]:
        return {"rs_broadcast_id": broadcast.rs_broadcast_id or bridge.rs_db.record_prepared(connection, broadcast)}

    return work.advance(State.UPLOADED, f"list file uploaded as {uploaded.natural_key}", record)


def _find_staged(work: Work) -> int:
    """Size of the staged list file, which is staged again when it is gone."""
    bridge, broadcast = work.bridge, work.broadcast
    size = bridge.lists.size(list_blob(broadcast))
    if size is None:
        if _write_staged_files(work).counts != broadcast.rows:
            raise DeliveryFileChanged(file=broadcast.request.delivery_file)
        size = bridge.lists.size(list_blob(broadcast))
    if size is None:
        raise StagedFileMissing(blob=list_blob(broadcast))
    return size


def _lease_list(work: Work) -> bool:
    """Lease the list to this broadcast: the import clears it first, so one broadcast uses it at a time."""
    return work.bridge.ledger.leases.take_until_released(f"list:{work.broadcast.list_id}", work.broadcast.key)


def _soon(work: Work) -> Later:
    return Later(timedelta(seconds=work.bridge.settings.monitor_interval_seconds))
