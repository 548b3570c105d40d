"""Staging: the delivery file is checked row by row; what can be uploaded becomes the staged list.

Its recipients are remembered, so that responses without the broadcast's key find it. The reject file is written beside
it, with the rows that are not uploaded and the reasons. A staged list that is there already is adopted with its counts:
the rows that an interrupted step wrote are these.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import batched

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, RowCounts, Source, file_key, guid_in
from shared.errors import DeliveryFileChanged, DropMissing, NoRecipients, RowsUnaccounted
from shared.faststats.delivery_file import DeliveryFile
from shared.files.locations import Location
from shared.files.reject_file import RejectFile
from shared.ledger import recipients
from shared.ledger.suppressions import Suppressions
from shared.optimizely.lists.csv_file import CsvRows, ListRows
from shared.optimizely.lists.exported_columns import plan_export
from shared.optimizely.lists.fields import plan_columns
from shared.optimizely.lists.json_chunks import JsonRows
from shared.optimizely.lists.plan import ListPlan
from shared.optimizely.lists.reader import ListedRecipient, csv_recipients, json_recipients
from shared.rejects import DUPLICATES, SUPPRESSED, RejectReason
from shared.steps.runner import Work
from shared.storage import blob_names
from shared.storage.staging import Readable

#: Rows whose addresses are looked up among the suppressed ones at a time.
_LOOKED_UP = 1000
#: Rows whose recipients are remembered at a time.
_REMEMBERED = 5000
_COUNTS = "counts"
#: Position of the address in a row of the list.
_ADDRESS = "address"

#: A row: its line in the delivery file, its values, and its line in the list or why it has none.
type _Judged = tuple[int, Sequence[str], bytes | RejectReason]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What staging found out."""

    counts: RowCounts
    #: Rows that are not uploaded, by reason.
    reasons: dict[str, int]
    #: Columns of the delivery file for which the list has no field.
    left_out: Sequence[str] = ()


def stage(work: Work, *, list_id: int | None, mailing_id: int | None) -> Staged:
    """Check the delivery file; write the staged list and the reject file.

    Args:
        work: the broadcast.
        list_id: the list whose fields the rows must fit; None when they go into no list.
        mailing_id: the mailing that holds the message; None for upload only.

    Raises:
        DeliveryFileMissing: it is not in its place.
        NoRecipients: no row is left to upload.
        RowsUnaccounted: the sums do not hold.
        TerminalError: delivery file and list do not fit; see `DeliveryFile` and `plan_columns`.
    """
    bridge, request = work.bridge, work.broadcast.request
    adopted = find_staged(bridge, work.broadcast)
    if adopted is not None:
        return adopted
    with (
        _opened(work) as stream,
        DeliveryFile(stream, request, bridge.channels[request.channel].delivery_file) as delivery,
        bridge.lists.writer(blob_names.staged_list(request.key)) as list_file,
        bridge.rejects.writer(blob_names.reject_file(request.key)) as reject_file,
    ):
        plan = _plan(work, delivery, list_id=list_id, mailing_id=mailing_id)
        suppressions = bridge.ledger.suppressions if bridge.channels[request.channel].suppress else None
        rows = _list_rows(work, plan)
        rejects = RejectFile(delivery.columns)
        list_file.write(rows.pack(rows.header()))
        reject_file.write(rejects.header())
        uploaded, reasons = 0, Counter[RejectReason]()
        judged = _without_suppressed(_judged(delivery, rows), delivery, suppressions, list_id or 0)
        with recipients.remembering(bridge.bulk, work.broadcast.id) as remembered:
            for group in batched(judged, _REMEMBERED, strict=False):
                remember = []
                for line_number, values, outcome in group:
                    if isinstance(outcome, RejectReason):
                        reasons[outcome] += 1
                        reject_file.write(rejects.row(line_number, outcome, values))
                    else:
                        uploaded += 1
                        list_file.write(rows.pack(outcome))
                        key, urn = values[delivery.communication_key], values[delivery.urn]
                        remember.append(recipients.row(line_number, key, urn))
                work.lease.check()
                remembered.add(remember)
        list_file.write(rows.finish())
        counts = _counts(delivery.rows_read, uploaded, reasons)
        if counts.accounted != counts.read:
            raise RowsUnaccounted(what=request.delivery_file, read=counts.read, accounted=counts.accounted)
        work.lease.check()
        reject_file.commit({}, replace=True)
        if counts.uploaded == 0:
            raise NoRecipients(file=request.delivery_file, rows=counts.read)
        by_reason = {str(reason): number for reason, number in reasons.items()}
        kept = {"read": counts.read, "uploaded": uploaded, "by_reason": by_reason}
        list_file.commit({_COUNTS: json.dumps(kept), _ADDRESS: str(plan.address)})
    return Staged(counts=counts, reasons=by_reason, left_out=plan.left_out)


def _opened(work: Work) -> AbstractContextManager[Readable]:
    """The delivery file, from where its source has put it."""
    bridge, request = work.bridge, work.broadcast.request
    match request.source:
        case Source.JOB:
            return bridge.delivery_files.open(request.delivery_file)
        case Source.CHANNEL:
            return nullcontext(bridge.lists.open(blob_names.delivery_file(request.key)))
        case Source.FILE:
            return _dropped(work).open(request.delivery_file)


def _dropped(work: Work) -> Location:
    """The folder in which the delivery file was dropped, and is as it was taken in.

    Raises:
        DropMissing: the channel watches none any more.
        DeliveryFileChanged: the file is another.
    """
    bridge, request = work.bridge, work.broadcast.request
    drop = bridge.channels[request.channel].drop
    if drop is None:
        raise DropMissing(channel=request.channel)
    location = bridge.locations.get(drop.place)
    if guid_in(request.delivery_file) is None and not any(
        file_key(request.channel, file.name, file.size, file.modified) == request.key
        for file in location.list_files(request.delivery_file)
    ):
        raise DeliveryFileChanged(file=request.delivery_file)
    return location


def find_staged(bridge: Bridge, broadcast: Broadcast) -> Staged | None:
    """What is staged already; None when nothing is."""
    found = bridge.lists.find(blob_names.staged_list(broadcast.key))
    if found is None:
        return None
    kept = json.loads(found.metadata[_COUNTS])
    reasons = Counter({RejectReason(reason): rows for reason, rows in kept["by_reason"].items()})
    return Staged(counts=_counts(kept["read"], kept["uploaded"], reasons), reasons=kept["by_reason"])


def listed_recipients(bridge: Bridge, broadcast: Broadcast) -> Iterator[ListedRecipient]:
    """The rows of the staged list; none where there is no list.

    Raises:
        TerminalError: the channel is gone, by whose layout it is written.
    """
    found, request = bridge.lists.find(blob_names.staged_list(broadcast.key)), broadcast.request
    if found is None:
        return iter(())
    chunks = bridge.lists.chunks(blob_names.staged_list(broadcast.key))
    if request.route is RouteKind.SENDING_BATCH:
        return json_recipients(chunks)
    return csv_recipients(chunks, bridge.channels[request.channel].list_file, address=int(found.metadata[_ADDRESS]))


def _plan(work: Work, delivery: DeliveryFile, *, list_id: int | None, mailing_id: int | None) -> ListPlan:
    request = work.broadcast.request
    channel = work.bridge.channels[request.channel]
    if list_id is None:
        return plan_export(
            delivery.columns,
            email=delivery.email,
            name=request.delivery_file,
            field_map=channel.fields,
            order=channel.list_file.columns,
        )
    column = channel.closed_loop.mailing_column
    closed_loop = request.route is RouteKind.CLOSED_LOOP
    return plan_columns(
        delivery.columns,
        urn=delivery.urn,
        email=delivery.email,
        communication_key=delivery.communication_key,
        fields=work.bridge.rest.get_recipient_list_fields(list_id),
        list_name=request.list_name,
        fixed={"BroadcastKey": request.key},
        extra={column: str(mailing_id)} if closed_loop and column else {},
        field_map=channel.fields,
        order=channel.list_file.columns,
    )


def _list_rows(work: Work, plan: ListPlan) -> ListRows:
    request = work.broadcast.request
    if request.route is RouteKind.SENDING_BATCH:
        return JsonRows(plan)
    return CsvRows(plan, work.bridge.channels[request.channel].list_file)


def _judged(delivery: DeliveryFile, rows: ListRows) -> Iterator[_Judged]:
    """Every row of the delivery file, judged by itself and by the rows before it."""
    for line_number, values, fault in delivery.rows():
        outcome = fault or rows.encode(values)
        if not isinstance(outcome, RejectReason):
            outcome = delivery.repetition(values) or outcome
        yield line_number, values, outcome


def _without_suppressed(
    judged: Iterator[_Judged], delivery: DeliveryFile, suppressions: Suppressions | None, list_id: int
) -> Iterator[_Judged]:
    """The same, where the rows of suppressed recipients are judged so."""
    if suppressions is None:
        yield from judged
        return
    for group in batched(judged, _LOOKED_UP, strict=False):
        good = [values[delivery.email] for _, values, outcome in group if not isinstance(outcome, RejectReason)]
        found = suppressions.among(list_id, good)
        for line_number, values, outcome in group:
            suppressed = None if isinstance(outcome, RejectReason) else found.get(values[delivery.email])
            yield line_number, values, suppressed or outcome


def _counts(rows_read: int, uploaded: int, reasons: Counter[RejectReason]) -> RowCounts:
    duplicates = sum(rows for reason, rows in reasons.items() if reason in DUPLICATES)
    suppressed = sum(rows for reason, rows in reasons.items() if reason in SUPPRESSED)
    return RowCounts(
        read=rows_read,
        uploaded=uploaded,
        rejected=reasons.total() - duplicates - suppressed,
        duplicates=duplicates,
        suppressed=suppressed,
    )
