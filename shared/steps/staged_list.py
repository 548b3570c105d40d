"""The staged list of a broadcast: how its route writes it, what is staged already, and its rows read again."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, RowCounts
from shared.faststats.delivery_file import DeliveryFile
from shared.files.only_mail import OnlyMail
from shared.optimizely.lists.csv_file import CsvRows
from shared.optimizely.lists.exported_columns import plan_export
from shared.optimizely.lists.fields import plan_columns
from shared.optimizely.lists.json_chunks import JsonRows
from shared.optimizely.lists.plan import ListPlan, ListRows
from shared.optimizely.lists.reader import StagedRow, read_csv_rows, read_json_rows
from shared.rejects import DUPLICATES, SUPPRESSED, RejectReason
from shared.storage import blob_names

#: Keys of the metadata: the counts as JSON, the position of the address in a row of the list, and the digest of the
#: delivery file.
_COUNTS: Final = "counts"
_ADDRESS: Final = "address"
_DIGEST: Final = "digest"
#: Key for the digest of the recipients that are allowed in a test installation.
_ONLY_MAIL: Final = "only_mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """The result of staging."""

    counts: RowCounts
    #: Rows that are not uploaded, by reason.
    reasons: dict[str, int]
    #: Columns of the delivery file that the list has no field for.
    left_out: Sequence[str] = ()
    #: SHA-256 of the delivery file; None if the version before staged the list.
    digest: bytes | None = None

    @classmethod
    def of(
        cls,
        read: int,
        uploaded: int,
        reasons: Mapping[RejectReason, int],
        left_out: Sequence[str] = (),
        *,
        digest: bytes | None = None,
    ) -> "Staged":
        """The result for these counts of rows."""
        duplicates = sum(rows for reason, rows in reasons.items() if reason in DUPLICATES)
        suppressed = sum(rows for reason, rows in reasons.items() if reason in SUPPRESSED)
        counts = RowCounts(
            read=read,
            uploaded=uploaded,
            rejected=sum(reasons.values()) - duplicates - suppressed,
            duplicates=duplicates,
            suppressed=suppressed,
        )
        by_reason = {str(reason): rows for reason, rows in reasons.items()}
        return cls(counts=counts, reasons=by_reason, left_out=left_out, digest=digest)

    def metadata(self, plan: ListPlan, only_mail: OnlyMail | None) -> dict[str, str]:
        """Metadata of the staged list, by which it is adopted and read again."""
        counts = {"read": self.counts.read, "uploaded": self.counts.uploaded, "by_reason": self.reasons}
        digest = {_DIGEST: self.digest.hex()} if self.digest else {}
        allowed = {} if only_mail is None else {_ONLY_MAIL: only_mail.digest}
        return {_COUNTS: json.dumps(counts), _ADDRESS: str(plan.address), **digest, **allowed}


def find_staged(bridge: Bridge, broadcast: Broadcast) -> Staged | None:
    """The result of an earlier staging, if its list is still there."""
    file = bridge.lists.find(blob_names.staged_list(broadcast.key))
    if file is None:
        return None
    counts = json.loads(file.metadata[_COUNTS])
    reasons = Counter({RejectReason(reason): rows for reason, rows in counts["by_reason"].items()})
    digest = bytes.fromhex(file.metadata.get(_DIGEST, "")) or None
    return Staged.of(counts["read"], counts["uploaded"], reasons, digest=digest)


def is_allowed(bridge: Bridge, broadcast: Broadcast) -> bool:
    """Whether this installation may mail the staged list.

    A test installation mails only a list that was staged for exactly its allowed recipients: it may have been staged
    before the setting, or the ledger may be a copy of that of another installation.
    """
    only_mail = bridge.only_mail
    if only_mail is None:
        return True
    file = bridge.lists.find(blob_names.staged_list(broadcast.key))
    return file is not None and file.metadata.get(_ONLY_MAIL) == only_mail.digest


def plan_list(
    bridge: Bridge, broadcast: Broadcast, delivery: DeliveryFile, *, list_id: int | None, mailing_id: int | None
) -> ListPlan:
    """How rows of the delivery file become rows of the list; without a list, of an exported file.

    Raises:
        TerminalError: delivery file and list do not fit; see `plan_columns`.
    """
    request = broadcast.request
    channel = bridge.channels[request.channel]
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
        fields=bridge.rest.get_recipient_list_fields(list_id),
        list_name=request.list_name,
        fixed={"BroadcastKey": request.key},
        extra={column: str(mailing_id)} if closed_loop and column else {},
        field_map=channel.fields,
        order=channel.list_file.columns,
    )


def list_rows(bridge: Bridge, broadcast: Broadcast, plan: ListPlan) -> ListRows:
    """Writes the rows of the list in the format of the route."""
    if broadcast.request.route is RouteKind.SENDING_BATCH:
        return JsonRows(plan)
    return CsvRows(plan, bridge.channels[broadcast.request.channel].list_file)


def listed_recipients(bridge: Bridge, broadcast: Broadcast) -> Iterator[StagedRow]:
    """The rows of the staged list; none if there is no list.

    Raises:
        TerminalError: the channel, whose layout the list has, no longer exists.
    """
    blob, request = blob_names.staged_list(broadcast.key), broadcast.request
    file = bridge.lists.find(blob)
    if file is None:
        return iter(())
    if request.route is RouteKind.SENDING_BATCH:
        return read_json_rows(bridge.lists.chunks(blob))
    layout = bridge.channels[request.channel].list_file
    return read_csv_rows(bridge.lists.chunks(blob), layout, address=int(file.metadata[_ADDRESS]))
