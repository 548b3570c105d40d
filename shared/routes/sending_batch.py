"""The sending-batch route: the list in chunks over REST, then a call that sends it.

Optimizely copies the Smart Campaign, takes a recipient list from the client's pool, and pre-validates
every chunk. The batch is found again by its tag, the broadcast's key; a chunk by its name, which is its
place in the list. After the call that sends it, Optimizely imports the list and starts the copy by
itself. Source: docs/why/sources.md, Optimizely 1.3.

What a chunk that is put twice under one name does is not documented: a chunk that the batch names is
not put again.
"""

from collections.abc import Callable, Mapping

from shared.broadcast import Broadcast, SendMode
from shared.config.channels import Channels
from shared.errors import BatchInvalid, ImportNotSeen, ListFieldMissing, TerminalError
from shared.optimizely.lists.json_chunks import batch_chunks
from shared.optimizely.names import Names
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign
from shared.routes.route import Evidence, ImportStatus, Look, SendStatus, StagedList

_FILLABLE = frozenset({"initiated", "has_recipients"})
#: Bytes read from the staged list at a time.
_BLOCK = 1024 * 1024


class SendingBatchRoute:
    """The sending-batch route.

    Args:
        rest: the REST API.
        names: resolves message names.
        channels: the channels.
    """

    #: Nothing is held: every batch has a list of its own.
    held_until_sent = False

    def __init__(self, rest: OptimizelyRest, names: Names, channels: Channels) -> None:
        self._rest = rest
        self._names = names
        self._channels = channels
        self._campaign = BroadcastCampaign(rest)

    def uses(self, broadcast: Broadcast) -> str | None:
        """Nothing that others use too: the list comes from the pool."""
        del broadcast
        return None

    # Prepare

    def preparation(self, broadcast: Broadcast) -> str | None:
        """The batch's tag."""
        return broadcast.key

    def find_prepared(self, broadcast: Broadcast) -> Evidence | None:
        """The batch with this broadcast's tag. Of several the first: the others were never filled."""
        found = [batch for batch in self._rest.select_sending_batches() if batch.tag == broadcast.key]
        first = min(found, key=lambda batch: batch.id, default=None)
        return None if first is None else {"batch": first.id}

    def prepare(self, broadcast: Broadcast) -> Evidence:
        """Prepare a batch, with a copy of the Smart Campaign."""
        source = self._names.find_message(broadcast.request.message_name)
        return {"batch": self._rest.prepare_new_batch(source.campaign_id, tag=broadcast.key).id}

    def furnish(self, broadcast: Broadcast, prepared: Evidence) -> Mapping[str, object]:
        """Take over the batch's list and copy, and give the copy the Wait node that its send mode needs."""
        batch = self._rest.get_sending_batch(int(prepared["batch"]))
        self._check_fields(broadcast, batch.recipient_list_id)
        if broadcast.request.send_mode is SendMode.AT_TIME:
            self._campaign.wait(batch.campaign_id, until=broadcast.request.send_at)
        return {
            "batch_id": batch.id,
            "list_id": batch.recipient_list_id,
            "campaign_id": batch.campaign_id,
            "mailing_id": self._campaign.mailing_id(batch.campaign_id),
        }

    def _check_fields(self, broadcast: Broadcast, pool_list_id: int) -> None:
        """The batch's list must have the fields of the list against which the rows were checked.

        Raises:
            ListFieldMissing: it lacks one, or has it with another type.
        """
        pool = {(field.internal_name, field.type) for field in self._rest.get_recipient_list_fields(pool_list_id)}
        checked_against = self._names.find_list(broadcast.request.list_name)
        for field in self._rest.get_recipient_list_fields(checked_against):
            if (field.internal_name, field.type) not in pool:
                raise ListFieldMissing(list=f"of the pool, {pool_list_id}", field=field.internal_name)

    # Transfer

    def place(self, broadcast: Broadcast) -> str:
        """The batch."""
        return f"sending batch {broadcast.batch_id}"

    def is_free(self, broadcast: Broadcast) -> bool:
        """It always is: the batch is this broadcast's own."""
        del broadcast
        return True

    def before_transfer(self, broadcast: Broadcast) -> Evidence:
        """How the list is cut: a chunk must mean the same rows for as long as the batch lives."""
        return {"chunk_rows": self._channels[broadcast.request.channel].sending_batch.chunk_rows}

    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Evidence) -> Evidence | None:
        """That the batch names as many chunks as the list has."""
        chunks = self._rest.get_sending_batch(_batch_id(broadcast)).chunks
        wanted = -(-staged.rows // int(evidence["chunk_rows"]))
        return {"chunks": len(chunks)} if len(chunks) == wanted else None

    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Evidence, note: Callable[[Evidence], None]
    ) -> Evidence:
        """Put the chunks that the batch does not name yet.

        Raises:
            BatchInvalid: the batch takes no chunks.
        """
        batch = self._rest.get_sending_batch(_batch_id(broadcast))
        if batch.state not in _FILLABLE:
            raise BatchInvalid(batch=batch.id, state=batch.state)
        there = set(batch.chunks)
        # Of how many recipients the answers told how many are valid. An answer that was lost is in neither sum.
        told, valid = int(evidence.get("told", 0)), int(evidence.get("valid", 0))
        source = staged.open_at(0)
        pieces = iter(lambda: source.read(_BLOCK), b"")
        names = 0
        for name, recipients in batch_chunks(pieces, int(evidence["chunk_rows"])):
            names += 1
            if name not in there:
                valid += self._rest.add_recipients_to_batch(batch.id, name, recipients)
                told += len(recipients)
                note({"told": told, "valid": valid})
        return {"chunks": names}

    # Import

    def import_status(self, broadcast: Broadcast, evidence: Evidence) -> ImportStatus:
        """Optimizely has pre-validated the recipients; it imports them after the call that sends.

        Recipients of a chunk whose answer was lost count as valid.
        """
        given = broadcast.rows.uploaded if broadcast.rows else 0
        refused = int(evidence.get("told", 0)) - int(evidence.get("valid", 0))
        return ImportStatus(begun=True, recipients=given - refused, given=given)

    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """Never happens: the answers to the chunks tell."""
        del broadcast
        return ImportNotSeen(minutes=minutes)

    def is_unchanged(self, broadcast: Broadcast, evidence: Evidence) -> bool:
        """Whether the batch still has the chunks that were put."""
        return len(self._rest.get_sending_batch(_batch_id(broadcast)).chunks) == evidence.get("chunks")

    # Send

    def arm(self, broadcast: Broadcast) -> None:
        """Not in the send modes of this route."""

    def start(self, broadcast: Broadcast) -> None:
        """Send the batch: Optimizely imports it, then starts its copy."""
        self._rest.send_batch(_batch_id(broadcast))

    def send_status(self, broadcast: Broadcast) -> Look:
        """How far the batch's send is."""
        batch = self._rest.get_sending_batch(_batch_id(broadcast))
        if batch.state in _FILLABLE:
            return Look(status=SendStatus.WAITING, told=f"batch {batch.state}")
        if batch.state != "sent":
            return Look(status=SendStatus.BROKEN, told=f"batch {batch.state}")
        look = self._campaign.look(broadcast)
        return Look(status=SendStatus.ARMED, told=look.told) if look.status is SendStatus.WAITING else look

    def recall(self, broadcast: Broadcast, *, transferred: Evidence | None, started: bool) -> bool:
        """A batch that no call has sent sends nothing. Once it was sent, nothing takes it back."""
        del broadcast, transferred
        return not started


def _batch_id(broadcast: Broadcast) -> int:
    if broadcast.batch_id is None:
        msg = "the batch is known before anything is done with it"
        raise AssertionError(msg)
    return broadcast.batch_id
