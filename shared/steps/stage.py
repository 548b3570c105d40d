"""Staging: the delivery file becomes the staged list, and the reject file beside it.

    parse | encode | deduplicate | suppress | write

Each row of the delivery file passes these five in this order. A row that one of them rejects keeps its reason through
the later ones. Rows stream: some thousand are in memory at a time.

The recipients of the list are remembered in the ledger, so that a response without the broadcast's key finds it. A list
that is already staged is adopted with its counts: these are the rows that an interrupted step wrote.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from typing import Final

from shared.broadcast import Broadcast, Intake, RowCounts, guid_in
from shared.errors import DeliveryFileChanged, NoRecipients, RowsUnaccounted
from shared.faststats.delivery_file import DeliveryFile
from shared.files.digests import DigestingReader
from shared.files.only_mail import OnlyMail
from shared.files.reject_file import RejectFile
from shared.ledger import recipients
from shared.ledger.broadcasts import record_rejects
from shared.ledger.suppressions import Suppressions
from shared.optimizely.lists.plan import ListRows
from shared.rejects import RejectReason, in_words
from shared.steps.broadcast_step import BroadcastStep
from shared.steps.delivery_source import open_delivery_file
from shared.steps.row_counts import log_rejects
from shared.steps.staged_list import Staged, find_staged, is_allowed, list_rows, plan_list
from shared.storage import blob_names
from shared.storage.staging import StagedFileWriter

#: Rows whose addresses are looked up among the suppressed ones at a time.
_LOOKUP: Final = 1000
#: Rows that are written between two checks of the lease.
_WRITE: Final = 5000

#: A row: its line in the delivery file, its values, and why it is rejected (None: it is not).
type Parsed = tuple[int, Sequence[str], RejectReason | None]
#: A row: its line in the delivery file, its values, and its line in the list or why it is rejected.
type Encoded = tuple[int, Sequence[str], bytes | RejectReason]


def stage(step: BroadcastStep, *, list_id: int | None, mailing_id: int | None) -> Staged:
    """Check the delivery file; write the staged list and the reject file.

    A broadcast that was staged before is staged anew: its delivery file must be the same as before. The rows must fit
    the fields of the list, if they go into one. The mailing holds the message; an upload only has none.

    Raises:
        DeliveryFileMissing: it is not in its folder.
        DeliveryFileChanged: it is not the file that was taken in, or that was staged before.
        NoRecipients: no row is left to upload.
        RowsUnaccounted: the sums do not hold.
        TerminalError: delivery file and list do not fit; see `DeliveryFile` and `plan_columns`.
    """
    bridge, broadcast, request = step.bridge, step.broadcast, step.broadcast.request
    adopted = find_staged(bridge, broadcast)
    if adopted is not None:
        if is_allowed(bridge, broadcast):
            return adopted
        bridge.lists.remove(blob_names.staged_list(request.key))
    channel = bridge.channels[request.channel]
    with (
        open_delivery_file(bridge, broadcast) as opened,
        DeliveryFile(stream := DigestingReader(opened), request, channel.delivery_file) as delivery,
        bridge.lists.writer(blob_names.staged_list(request.key)) as list_file,
        bridge.rejects.writer(blob_names.reject_file(request.key)) as reject_file,
    ):
        plan = plan_list(bridge, broadcast, delivery, list_id=list_id, mailing_id=mailing_id)
        listed = list_rows(bridge, broadcast, plan)

        parsed = delivery.rows()
        encoded = encode(parsed, listed)
        unique = deduplicate(encoded, delivery)
        allowed = unique if bridge.only_mail is None else put_aside(unique, delivery, bridge.only_mail)
        accepted = suppress(allowed, delivery, bridge.ledger.suppressions, list_id) if channel.suppress else allowed
        uploaded, reasons = write(accepted, step, delivery, listed, list_file, reject_file)

        staged = Staged.of(delivery.rows_read, uploaded, reasons, plan.left_out, digest=stream.digest())
        counts = staged.counts
        if counts.accounted != counts.read:
            raise RowsUnaccounted(what=request.delivery_file, read=counts.read, accounted=counts.accounted)
        if _must_be_unchanged(broadcast) and broadcast.content_digest not in {None, staged.digest}:
            raise DeliveryFileChanged(file=request.delivery_file)
        step.lease.renew()
        reject_file.commit({}, replace=True)
        if uploaded == 0:
            with step.lease.writing() as connection:
                record_rejects(connection, broadcast, staged.reasons)
            log_rejects(staged.reasons, file=request.delivery_file)
            by_reason = f": {in_words(staged.reasons)}" if staged.reasons else ""
            raise NoRecipients(file=request.delivery_file, rows=counts.read, reasons=by_reason)
        # Who is suppressed may have changed since an earlier staging; everything else may not.
        if broadcast.rows is not None and _before_suppression(counts) != _before_suppression(broadcast.rows):
            raise DeliveryFileChanged(file=request.delivery_file)
        list_file.commit(staged.metadata(plan, bridge.only_mail))
    return staged


def encode(rows: Iterable[Parsed], listed: ListRows) -> Iterator[Encoded]:
    """Write each row as a line of the list; reject those that the list cannot take."""
    for line, values, reason in rows:
        yield line, values, reason or listed.encode(values)


def deduplicate(rows: Iterable[Encoded], delivery: DeliveryFile) -> Iterator[Encoded]:
    """Reject the rows that repeat an address or a Communication Key of an accepted row."""
    for line, values, outcome in rows:
        if isinstance(outcome, RejectReason):
            yield line, values, outcome
        else:
            yield line, values, delivery.repetition(values) or outcome


def put_aside(rows: Iterable[Encoded], delivery: DeliveryFile, only_mail: OnlyMail) -> Iterator[Encoded]:
    """Reject the rows of recipients whom a test installation does not mail."""
    for line, values, outcome in rows:
        if isinstance(outcome, RejectReason) or only_mail.includes(values[delivery.email]):
            yield line, values, outcome
        else:
            yield line, values, RejectReason.TEST_INSTALLATION


def suppress(
    rows: Iterable[Encoded], delivery: DeliveryFile, suppressions: Suppressions, list_id: int | None
) -> Iterator[Encoded]:
    """Reject the rows of recipients to whom Optimizely sends nothing."""
    for batch in batched(rows, _LOOKUP, strict=False):
        addresses = [values[delivery.email] for _, values, outcome in batch if not isinstance(outcome, RejectReason)]
        suppressed = suppressions.among(list_id or 0, addresses)
        for line, values, outcome in batch:
            if isinstance(outcome, RejectReason):
                yield line, values, outcome
            else:
                yield line, values, suppressed.get(values[delivery.email]) or outcome


def write(
    rows: Iterable[Encoded],
    step: BroadcastStep,
    delivery: DeliveryFile,
    listed: ListRows,
    list_file: StagedFileWriter,
    reject_file: StagedFileWriter,
) -> tuple[int, Counter[RejectReason]]:
    """Write each row to the list or to the reject file, and remember the recipients of the list.

    Returns how many rows are in the list, and how many are rejected by reason.
    """
    uploaded, reasons = 0, Counter[RejectReason]()
    rejects = RejectFile(delivery.columns)
    list_file.write(listed.pack(listed.header()))
    reject_file.write(rejects.header())
    with recipients.remembering(step.bridge.bulk, step.broadcast.id) as remembered:
        for batch in batched(rows, _WRITE, strict=False):
            keys = []
            for line, values, outcome in batch:
                if isinstance(outcome, RejectReason):
                    reasons[outcome] += 1
                    reject_file.write(rejects.row(line, outcome, values))
                else:
                    uploaded += 1
                    list_file.write(listed.pack(outcome))
                    keys.append(recipients.row(line, values[delivery.communication_key], values[delivery.urn]))
            step.lease.check()
            remembered.add(keys)
    list_file.write(listed.finish())
    return uploaded, reasons


def _must_be_unchanged(broadcast: Broadcast) -> bool:
    """Whether the delivery file was staged before, or is known by nothing but its content."""
    request = broadcast.request
    return broadcast.rows is not None or (request.source is Intake.FILE and guid_in(request.delivery_file) is None)


def _before_suppression(counts: RowCounts) -> tuple[int, ...]:
    return counts.read, counts.rejected, counts.duplicates, counts.uploaded + counts.suppressed
