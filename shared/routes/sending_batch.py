"""The sending-batch route: the list in chunks over REST, then a call that sends it.

Optimizely copies the Smart Campaign, takes a recipient list from the client's pool and pre-validates every chunk. The
batch is found again by its tag, the broadcast's key; a chunk by its name, which is its position in the list. After the
call that sends the batch, Optimizely imports the list and starts the copy by itself. Source: docs/why/sources.md,
Optimizely 1.3.

What happens to a chunk that is put twice under one name is not documented: a chunk that the batch already names is not
put again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, override

from shared.broadcast import Broadcast, SendMode
from shared.config.channels import Channels
from shared.errors import BatchInvalid, ListFieldMissing
from shared.optimizely.lists.json_chunks import batch_chunks
from shared.optimizely.names import Names
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign
from shared.routes.evidence import KEY, Evidence
from shared.routes.route import Confirm, ImportStatus, Route, SendState, SendStatus, StagedList

#: States in which a batch takes chunks.
_FILLABLE: Final = frozenset({"initiated", "has_recipients"})
#: States of a batch whose copy certainly exists.
_USABLE: Final = _FILLABLE | {"sent"}
#: Bytes read from the staged list at a time.
_BLOCK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBatch(Evidence):
    """Evidence of the batch."""

    #: Its id.
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTransfer(Evidence):
    """Evidence of the chunks."""

    #: Recipients in a chunk: a chunk means the same rows for as long as the batch exists.
    chunk_rows: int
    #: Recipients in the chunks that were answered. A chunk whose answer was lost counts neither here nor in `valid`.
    answered: int = field(default=0, metadata={KEY: "told"})
    #: Of them, recipients that Optimizely takes for valid.
    valid: int = 0
    #: How many chunks the batch has, once it has all of them.
    chunks: int | None = None


class SendingBatchRoute(Route[BatchTransfer, PreparedBatch]):
    """The sending-batch route. Nothing is exclusive: every batch has a list of its own, from the pool."""

    transfer_evidence = BatchTransfer
    prepared_evidence = PreparedBatch

    def __init__(self, rest: OptimizelyRest, names: Names, channels: Channels) -> None:
        self._rest = rest
        self._names = names
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    # Prepare

    @override
    def prepared_name(self, broadcast: Broadcast) -> str:
        """The tag of the batch."""
        return broadcast.key

    @override
    def find_prepared(self, broadcast: Broadcast) -> PreparedBatch | None:
        """The batch with this broadcast's tag and a copy. Of several, the first: the others were never filled."""
        batches = [
            batch
            for batch in self._rest.select_sending_batches()
            if batch.tag == broadcast.key and (batch.state in _USABLE or self._campaign.exists(batch.campaign_id))
        ]
        first = min(batches, key=lambda batch: batch.id, default=None)
        return None if first is None else PreparedBatch(batch=first.id)

    @override
    def prepare(self, broadcast: Broadcast, confirm: Confirm) -> PreparedBatch:
        """Prepare a batch, with a copy of the Smart Campaign."""
        source = self._names.get_message(broadcast.request.message_name)
        confirm()
        return PreparedBatch(batch=self._rest.prepare_new_batch(source.campaign_id, tag=broadcast.key).id)

    @override
    def apply_prepared(self, broadcast: Broadcast, prepared: PreparedBatch, confirm: Confirm) -> dict[str, object]:
        """Adopt the batch's list and copy, and give the copy the Wait node that its send mode needs."""
        batch = self._rest.get_sending_batch(prepared.batch)
        self._check_fields(broadcast, batch.recipient_list_id)
        if broadcast.request.send_mode is SendMode.AT_TIME:
            self._campaign.set_wait_node(batch.campaign_id, until=broadcast.request.send_at, confirm=confirm)
        return {
            "batch_id": batch.id,
            "list_id": batch.recipient_list_id,
            "campaign_id": batch.campaign_id,
            "mailing_id": self._campaign.find_mailing_id(batch.campaign_id),
        }

    @override
    def discard_prepared(self, broadcast: Broadcast, confirm: Confirm) -> None:
        """Delete the copy of every batch with this broadcast's tag: its list returns to the pool."""
        for batch in list(self._rest.select_sending_batches()):
            if batch.tag == broadcast.key and batch.state in _FILLABLE:
                confirm()
                self._rest.delete_smart_campaign(batch.campaign_id)

    def _check_fields(self, broadcast: Broadcast, pool_list_id: int) -> None:
        """Make sure that the batch's list has the fields of the list that the rows were checked against.

        Raises:
            ListFieldMissing: it lacks one, or has it with another type.
        """
        pool = {(field.internal_name, field.type) for field in self._rest.get_recipient_list_fields(pool_list_id)}
        checked_against = self._names.get_list_id(broadcast.request.list_name)
        for needed in self._rest.get_recipient_list_fields(checked_against):
            if (needed.internal_name, needed.type) not in pool:
                raise ListFieldMissing(list=f"of the pool, {pool_list_id}", field=needed.internal_name)

    # Transfer

    @override
    def destination(self, broadcast: Broadcast) -> str:
        """The batch."""
        return f"sending batch {broadcast.batch_id}"

    @override
    def before_transfer(self, broadcast: Broadcast) -> BatchTransfer:
        """How the list is divided into chunks."""
        return BatchTransfer(chunk_rows=self._channels[broadcast.request.channel].sending_batch.chunk_rows)

    @override
    def find_transferred(
        self, broadcast: Broadcast, staged: StagedList, evidence: BatchTransfer
    ) -> BatchTransfer | None:
        """That the batch names as many chunks as the list has."""
        chunks = len(self._rest.get_sending_batch(_batch_id(broadcast)).chunks)
        expected = -(-staged.rows // evidence.chunk_rows)
        return replace(evidence, chunks=chunks) if chunks == expected else None

    @override
    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: BatchTransfer, record: Callable[[BatchTransfer], None]
    ) -> BatchTransfer:
        """Put the chunks that the batch does not name yet.

        Raises:
            BatchInvalid: the batch takes no chunks.
        """
        batch = self._rest.get_sending_batch(_batch_id(broadcast))
        if batch.state not in _FILLABLE:
            raise BatchInvalid(batch=batch.id, state=batch.state)
        present = set(batch.chunks)
        content = staged.open_at(0)
        chunks = 0
        for name, recipients in batch_chunks(iter(lambda: content.read(_BLOCK), b""), evidence.chunk_rows):
            chunks += 1
            if name not in present:
                record(evidence)
                valid = self._rest.add_recipients_to_batch(batch.id, name, recipients)
                evidence = replace(evidence, answered=evidence.answered + len(recipients), valid=evidence.valid + valid)
        return replace(evidence, chunks=chunks)

    # Import

    @override
    def import_status(self, broadcast: Broadcast, evidence: BatchTransfer) -> ImportStatus:
        """Optimizely has pre-validated the recipients; it imports them after the call that sends the batch.

        Recipients of a chunk whose answer was lost count as valid.
        """
        transferred = broadcast.rows.uploaded if broadcast.rows else 0
        refused = evidence.answered - evidence.valid
        return ImportStatus(begun=True, recipients=transferred - refused, transferred=transferred)

    @override
    def is_unchanged(self, broadcast: Broadcast, evidence: BatchTransfer) -> bool:
        """Whether the batch still has the chunks that were put."""
        return len(self._rest.get_sending_batch(_batch_id(broadcast)).chunks) == evidence.chunks

    # Send

    @override
    def start(self, broadcast: Broadcast) -> None:
        """Send the batch: Optimizely imports it, then starts its copy."""
        self._rest.send_batch(_batch_id(broadcast))

    @override
    def send_status(self, broadcast: Broadcast) -> SendState:
        state = self._rest.get_sending_batch(_batch_id(broadcast)).state
        if state in _FILLABLE:
            return SendState(status=SendStatus.WAITING, vendor_status=f"batch {state}")
        if state != "sent":
            return SendState(status=SendStatus.BROKEN, vendor_status=f"batch {state}")
        return self._campaign.send_status(broadcast, starts_by_itself=True)

    @override
    def withdraw(
        self,
        broadcast: Broadcast,
        *,
        transferred: BatchTransfer | None,
        started: bool,
        record: Callable[[BatchTransfer], None],
        confirm: Confirm,
    ) -> bool:
        """A batch that no call has sent sends nothing. A batch that was sent cannot be taken back."""
        return not started


def _batch_id(broadcast: Broadcast) -> int:
    if broadcast.batch_id is None:
        raise AssertionError("the batch is not known yet")
    return broadcast.batch_id
