"""A person in the blobs of broadcasts: staged lists, copies of delivery files, reject files.

Only a retry needs the list of a broadcast that has ended, and it stages the list again from the delivery file. So the
whole list is removed together with the copy of the delivery file; from a reject file only the person's rows are.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shared.bridge import Bridge, new_owner
from shared.broadcast import ENDED, Broadcast, BroadcastRequest
from shared.config.header_names import key_column_name
from shared.errors import BroadcastUnknown, ChannelUnknown, DeliveryFileError, ErasureBusy, StagedFileMissing
from shared.faststats.delivery_file_text import utf8_text
from shared.files.email_address import deliverable
from shared.files.reject_file import remove_rows
from shared.ledger import person_rows
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.person import GivenBy, Person
from shared.ledger.recipients import key_hash
from shared.ledger.suppressions import address_hash
from shared.optimizely.lists.reader import StagedRow
from shared.steps.staged_list import listed_recipients
from shared.storage import blob_names

#: What can separate values in a line of a delivery file.
_SEPARATORS = re.compile("[\\t\\r\\n;,|\"'\0]+")


@dataclass(frozen=True, slots=True)
class BroadcastHit:
    """A broadcast with a person in its files, and their number of rows in each."""

    broadcast: Broadcast
    listed: int
    rejected: int
    #: The copy of the delivery file is only searched where there is neither a list nor a reject file.
    delivered: int

    @property
    def rows(self) -> int:
        """The number of rows in all files."""
        return self.listed + self.rejected + self.delivered


class PersonInLists:
    """Searches the files of broadcasts for a person, and removes them there.

    Attributes:
        unread: keys of the broadcasts whose files cannot be read, so that the person may be in them.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.unread: set[str] = set()

    def search(self, person: Person) -> list[BroadcastHit]:
        """The broadcasts with the person in a file; `person` learns by what else they are known.

        Raises:
            ErasureUnclear: what is known leads to too much.
        """
        sent_to = person_rows.broadcasts_of(self._bridge.ledger.database, person)
        hits = []
        for broadcast in self._broadcasts():
            try:
                hit = self._search(broadcast, person, is_recipient=broadcast.id in sent_to)
            except StagedFileMissing:
                continue  # it has expired meanwhile
            # Without its channel the format of a list is unknown. That stops no other.
            except (DeliveryFileError, ChannelUnknown, KeyError, ValueError):
                self.unread.add(broadcast.key)
                continue
            if hit.rows:
                hits.append(hit)
        return hits

    def erase(self, person: Person) -> int:
        """Remove the lists with the person, and their rows of reject files; returns how many of their rows are gone.

        Raises:
            ErasureBusy: a step works on a broadcast, or an operator has restarted it; those before it are done.
            LeaseLost: another process may work on a broadcast by now; its files are unchanged.
        """
        erased = 0
        for hit in self.search(person):
            key = hit.broadcast.key
            with self._bridge.ledger.leases.held(LeaseName.for_broadcast(key), new_owner()) as lease:
                if lease is None or self._bridge.ledger.broadcasts.get(key).state not in ENDED:
                    raise ErasureBusy(what=f"broadcast {key}")
                if hit.rejected:
                    self._rewrite_rejects(hit.broadcast, person, lease)
                lease.renew()
                self._bridge.lists.remove(blob_names.delivery_file(key))
                if hit.listed:
                    self._bridge.lists.remove(blob_names.staged_list(key))
            erased += hit.rows
        return erased

    def _broadcasts(self) -> Iterator[Broadcast]:
        """The broadcasts with a blob, in the order of their keys."""
        names = (*self._bridge.lists.names(), *self._bridge.rejects.names())
        for key in sorted({blob_names.broadcast_key(name) for name in names}):
            try:
                yield self._bridge.ledger.broadcasts.get(key)
            except BroadcastUnknown:
                continue  # a reject file of response files, which contains no person

    def _search(self, broadcast: Broadcast, person: Person, *, is_recipient: bool) -> BroadcastHit:
        has_list = self._bridge.lists.find(blob_names.staged_list(broadcast.key)) is not None
        has_rejects = self._bridge.rejects.find(blob_names.reject_file(broadcast.key)) is not None
        delivered = 0
        if (
            not (has_list or has_rejects)
            and self._bridge.lists.find(blob_names.delivery_file(broadcast.key)) is not None
        ):
            delivered = self._count_in_delivery(broadcast, person)
        return BroadcastHit(
            broadcast,
            listed=self._count_in_list(broadcast, person, is_recipient=is_recipient) if has_list else 0,
            rejected=self._count_in_rejects(broadcast, person) if has_rejects else 0,
            delivered=delivered,
        )

    def _count_in_list(self, broadcast: Broadcast, person: Person, *, is_recipient: bool) -> int:
        """The number of their rows. The n-th row belongs to the n-th recipient in the ledger."""
        recipients = person_rows.recipients_of(self._bridge.ledger.database, broadcast.id)
        recipient = next(recipients, None)
        if recipient is not None and not is_recipient and person.given_by is not GivenBy.ADDRESS:
            return 0
        count = 0
        for row in listed_recipients(self._bridge, broadcast):
            if recipient is None:
                # The list was never uploaded, or its recipients have expired.
                count += person.named_in(row.values)
                continue
            address = address_hash(row.address) if row.address.strip() else None
            if person.owns_hashes(address, recipient.urn, recipient.communication_key):
                count += 1
                person.learn_hashes(recipient.urn, recipient.communication_key)
                urn, key = _value(row, recipient.urn), _value(row, recipient.communication_key)
                person.take(address=row.address, urn=urn, communication_key=key)
            recipient = next(recipients, None)
        return count

    def _count_in_rejects(self, broadcast: Broadcast, person: Person) -> int:
        count = 0
        belongs = _belongs_to(person, broadcast.request)

        def count_row(columns: Sequence[str], values: Sequence[str]) -> bool:
            nonlocal count
            count += belongs(columns, values)
            return False

        for _ in remove_rows(self._bridge.rejects.chunks(blob_names.reject_file(broadcast.key)), count_row):
            pass
        return count

    def _count_in_delivery(self, broadcast: Broadcast, person: Person) -> int:
        layout = self._bridge.channels[broadcast.request.channel].delivery_file
        stream = self._bridge.lists.open(blob_names.delivery_file(broadcast.key))
        _, pieces = utf8_text(stream, layout, name=broadcast.request.delivery_file)
        count, unfinished = 0, b""
        for piece in pieces:
            *lines, unfinished = (unfinished + piece).split(b"\n")
            count += sum(person.named_in(_SEPARATORS.split(line.decode(errors="replace"))) for line in lines)
        return count + person.named_in(_SEPARATORS.split(unfinished.decode(errors="replace")))

    def _rewrite_rejects(self, broadcast: Broadcast, person: Person, lease: HeldLease) -> None:
        blob = blob_names.reject_file(broadcast.key)
        with self._bridge.rejects.writer(blob) as kept:
            for piece in remove_rows(self._bridge.rejects.chunks(blob), _belongs_to(person, broadcast.request)):
                kept.write(piece)
            lease.renew()
            kept.commit({}, replace=True)


def _belongs_to(person: Person, request: BroadcastRequest) -> Callable[[Sequence[str], Sequence[str]], bool]:
    """A predicate on the columns and values of a row in a reject file: whether the row is the person's."""
    key_columns = [
        key_column_name(name) for name in (request.email_column, request.urn_column, request.communication_key_column)
    ]

    def belongs(columns: Sequence[str], values: Sequence[str]) -> bool:
        names = [key_column_name(column) for column in columns]
        if len(values) != len(columns) or not set(key_columns) <= set(names):
            return person.named_in(values)
        address, urn, key = (values[names.index(name)] for name in key_columns)
        return person.learn(deliverable(address) or address, urn, key)

    return belongs


def _value(row: StagedRow, hashed: bytes | None) -> str:
    """The value of the row with this hash; empty where the list does not contain it."""
    return next((value for value in row.values if hashed is not None and key_hash(value) == hashed), "")
