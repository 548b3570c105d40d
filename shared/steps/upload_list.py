"""upload_list: check the delivery file and stage it, prepare the Smart Campaign, upload the list file."""

import hashlib
from collections import Counter
from datetime import timedelta

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RowCounts, SendMode, State
from shared.errors import DeliveryFileMissing, NoRecipients, RowsUnaccounted, StagedFileMissing
from shared.faststats.delivery_file import DeliveryFile
from shared.faststats.reject_file import RejectFile
from shared.ledger.broadcasts import count_rejects
from shared.ledger.effects import Effect, Kind
from shared.optimizely.list_file import ListPlan, plan_columns
from shared.optimizely.routes.import_job import Baseline
from shared.rejects import DUPLICATES, RejectReason
from shared.staging import StagedFileWriter
from shared.steps.work import Later, Work, carry_on


def upload_list(bridge: Bridge, key: str) -> None:
    """Take a broadcast from `claimed` to `uploaded`.

    Args:
        bridge: the bridge.
        key: the broadcast's key, from the queue message.
    """
    carry_on(bridge, key, {State.CLAIMED: _stage, State.STAGED: _prepare, State.PREPARED: _transfer})


def list_blob(broadcast: Broadcast) -> str:
    """Name of the staged list file."""
    return f"{broadcast.key}/list.csv"


def reject_blob(broadcast: Broadcast) -> str:
    """Name of the reject file, as an operator downloads it."""
    return f"{broadcast.key}/rejects.csv"


def _stage(work: Work) -> Broadcast:
    """Check every row of the delivery file; write the good ones to the list file, the others to the reject file."""
    bridge, request = work.bridge, work.broadcast.request
    if request.send_mode is not SendMode.UPLOAD_ONLY:
        bridge.route.find_message(request.message_name)  # fails now rather than after the upload
    list_id = bridge.route.find_list(request.list_name)
    fields = bridge.route.list_fields(list_id)
    path = bridge.settings.delivery_folder / request.delivery_file
    try:
        stream = path.open("rb")
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
        sha256, reasons = _write_rows(delivery, plan, list_file, reject_file)
        counts = _counts(delivery.rows_read, reasons)
        if counts.accounted != counts.read:
            raise RowsUnaccounted(what=request.delivery_file, read=counts.read, accounted=counts.accounted)
        if counts.uploaded == 0:
            reject_file.commit({})
            raise NoRecipients(file=request.delivery_file, rows=counts.read)
        work.lease.check()
        reject_file.commit({})
        # The same delivery file gives the same list file: one that is there already is this one.
        list_file.commit({"sha256": sha256, "rows": str(counts.uploaded)})

    def count(connection: Connection) -> None:
        count_rejects(connection, work.broadcast, {reason: rows for reason, rows in reasons.items() if reason})

    return work.advance(
        State.STAGED,
        f"{counts.read} rows read: {counts.uploaded} to upload, {counts.rejected} rejected, "
        f"{counts.duplicates} duplicates"
        + (f"; no list field for {', '.join(plan.left_out)}" if plan.left_out else ""),
        count,
        list_id=list_id,
        rows_read=counts.read,
        rows_uploaded=counts.uploaded,
        rows_rejected=counts.rejected,
        rows_duplicate=counts.duplicates,
        rows_suppressed=counts.suppressed,
    )


def _write_rows(
    delivery: DeliveryFile, plan: ListPlan, list_file: StagedFileWriter, reject_file: StagedFileWriter
) -> tuple[str, Counter[RejectReason | None]]:
    """Write list file and reject file; the digest of the first, and rows by reason (None: to upload)."""
    digest = hashlib.sha256()
    reasons: Counter[RejectReason | None] = Counter()
    rejects = RejectFile(delivery.columns)

    def write(line: bytes) -> None:
        digest.update(line)
        list_file.write(line)

    write(plan.header())
    reject_file.write(rejects.header())
    for line_number, values, found in delivery.rows():
        reason = found
        if reason is None:
            encoded = plan.encode(values)
            if isinstance(encoded, bytes):
                write(encoded)
            else:
                reason = encoded
        if reason is not None:
            reject_file.write(rejects.row(line_number, reason, values))
        reasons[reason] += 1
    return digest.hexdigest(), reasons


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
        return Later(timedelta(seconds=bridge.settings.monitor_interval_seconds))
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
        return Later(timedelta(seconds=bridge.settings.monitor_interval_seconds))
    staged = bridge.lists.metadata(list_blob(broadcast))
    if staged is None:
        raise StagedFileMissing(blob=list_blob(broadcast))

    def look(effect: Effect) -> dict[str, int] | None:
        size = bridge.route.find_upload(broadcast, Baseline.from_evidence(effect.evidence))
        return None if size is None else {"size": size}

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


def _lease_list(work: Work) -> bool:
    """Lease the list to this broadcast: the import clears it first, so one broadcast uses it at a time."""
    return work.bridge.ledger.leases.take_until_released(f"list:{work.broadcast.list_id}", work.broadcast.key)
