"""A person in what broadcasts left in blob storage: staged lists, copies of delivery files, reject files.

The list of a broadcast that has ended is not needed any more, but for a retry, which stages it again from the delivery
file. So it is removed as a whole, and the copy of the delivery file with it; of a reject file only the person's rows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.bridge import Bridge, new_owner
from shared.broadcast import ENDED, Broadcast
from shared.config.header_names import key_column_name
from shared.errors import BroadcastUnknown, ChannelUnknown, DeliveryFileError, ErasureBusy, StagedFileMissing
from shared.faststats.delivery_file_text import utf8_text
from shared.files.email_address import deliverable
from shared.files.reject_file import remove_rows
from shared.ledger import person_rows
from shared.ledger.broadcasts import lease_name
from shared.ledger.leases import HeldLease
from shared.ledger.person import GivenBy, Person
from shared.ledger.recipients import key_hash
from shared.ledger.suppressions import address_hash
from shared.optimizely.lists.reader import StagedRow
from shared.steps.staged_list import listed_recipients
from shared.storage import blob_names

_AROUND = re.compile("[\\t\\r\\n;,|\"'\0]+")


@dataclass(frozen=True, slots=True)
class InBroadcast:
    """Where a person is in the files of a broadcast: rows."""

    broadcast: Broadcast
    listed: int
    rejected: int
    #: Only looked at where there is neither a list nor a reject file.
    delivered: int


class PersonInLists:
    """Looks for a person in the files of broadcasts, and removes them there.

    Attributes:
        unread: keys of the broadcasts whose files cannot be read: nobody knows whether the person is in them.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.unread: set[str] = set()

    def look(self, person: Person) -> list[InBroadcast]:
        """The broadcasts that have them in a file; what else they are known by is learnt.

        Raises:
            ErasureUnclear: what is known leads to too much.
        """
        remembered = person_rows.broadcasts_of(self._bridge.ledger.database, person)
        found = []
        for broadcast in self._broadcasts():
            try:
                one = self._look(broadcast, person, remembered=broadcast.id in remembered)
            except StagedFileMissing:
                continue  # its time was over meanwhile
            # Without its channel nobody knows how a list is written. That stops no other.
            except (DeliveryFileError, ChannelUnknown, KeyError, ValueError):
                self.unread.add(broadcast.key)
                continue
            if one.listed or one.rejected or one.delivered:
                found.append(one)
        return found

    def erase(self, person: Person) -> int:
        """Remove the lists with them, and their rows of reject files; returns how many rows of theirs are gone.

        Raises:
            ErasureBusy: a step works on a broadcast, or an operator lets it go on meanwhile; others are done.
            LeaseLost: somebody else may work on a broadcast by now; its files are as they were.
        """
        erased = 0
        for one in self.look(person):
            key = one.broadcast.key
            with self._bridge.ledger.leases.held(lease_name(key), new_owner()) as lease:
                if lease is None or self._bridge.ledger.broadcasts.get(key).state not in ENDED:
                    raise ErasureBusy(what=f"broadcast {key}")
                if one.rejected:
                    self._rewrite_rejects(one.broadcast, person, lease)
                lease.check()
                self._bridge.lists.remove(blob_names.delivery_file(key))
                if one.listed:
                    self._bridge.lists.remove(blob_names.staged_list(key))
            erased += one.listed + one.rejected + one.delivered
        return erased

    def _broadcasts(self) -> Iterator[Broadcast]:
        """Those that have a file, oldest name first."""
        names = (*self._bridge.lists.names(), *self._bridge.rejects.names())
        for key in sorted({blob_names.broadcast_key(name) for name in names}):
            try:
                yield self._bridge.ledger.broadcasts.get(key)
            except BroadcastUnknown:
                continue  # a reject file of response files, which names nobody

    def _look(self, broadcast: Broadcast, person: Person, *, remembered: bool) -> InBroadcast:
        has_list = self._bridge.lists.find(blob_names.staged_list(broadcast.key)) is not None
        has_rejects = self._bridge.rejects.find(blob_names.reject_file(broadcast.key)) is not None
        delivered = 0
        if (
            not (has_list or has_rejects)
            and self._bridge.lists.find(blob_names.delivery_file(broadcast.key)) is not None
        ):
            delivered = self._look_in_delivery(broadcast, person)
        return InBroadcast(
            broadcast,
            listed=self._look_in_list(broadcast, person, remembered=remembered) if has_list else 0,
            rejected=self._look_in_rejects(broadcast, person) if has_rejects else 0,
            delivered=delivered,
        )

    def _look_in_list(self, broadcast: Broadcast, person: Person, *, remembered: bool) -> int:
        """In how many rows they are. The n-th row is that of the n-th recipient whom the ledger remembers."""
        recipients = person_rows.recipients_of(self._bridge.ledger.database, broadcast.id)
        first = next(recipients, None)
        if first is not None and not remembered and person.given_by is not GivenBy.ADDRESS:
            return 0
        found, one = 0, first
        for row in listed_recipients(self._bridge, broadcast):
            if one is None:
                # It was never uploaded, or its recipients were removed after their time.
                found += person.named_in(row.values)
                continue
            if person.owns_hashes(
                address_hash(row.address) if row.address.strip() else None, one.urn, one.communication_key
            ):
                found += 1
                person.learn_hashes(one.urn, one.communication_key)
                urn, key = _value(row, one.urn), _value(row, one.communication_key)
                person.take(address=row.address, urn=urn, communication_key=key)
            one = next(recipients, None)
        return found

    def _look_in_rejects(self, broadcast: Broadcast, person: Person) -> int:
        found = 0
        leave_out = _Theirs(broadcast, person)

        def count(columns: Sequence[str], values: Sequence[str]) -> bool:
            nonlocal found
            theirs = leave_out(columns, values)
            found += theirs
            return theirs

        for _ in remove_rows(self._bridge.rejects.chunks(blob_names.reject_file(broadcast.key)), count):
            pass
        return found

    def _look_in_delivery(self, broadcast: Broadcast, person: Person) -> int:
        layout = self._bridge.channels[broadcast.request.channel].delivery_file
        stream = self._bridge.lists.open(blob_names.delivery_file(broadcast.key))
        _, pieces = utf8_text(stream, layout, name=broadcast.request.delivery_file)
        found, begun = 0, b""
        for piece in pieces:
            *lines, begun = (begun + piece).split(b"\n")
            found += sum(person.named_in(_AROUND.split(line.decode(errors="replace"))) for line in lines)
        return found + person.named_in(_AROUND.split(begun.decode(errors="replace")))

    def _rewrite_rejects(self, broadcast: Broadcast, person: Person, lease: HeldLease) -> None:
        blob = blob_names.reject_file(broadcast.key)
        with self._bridge.rejects.writer(blob) as kept:
            for piece in remove_rows(self._bridge.rejects.chunks(blob), _Theirs(broadcast, person)):
                kept.write(piece)
            lease.check()
            kept.commit({}, replace=True)


class _Theirs:
    """Whether a row of a reject file is the person's."""

    def __init__(self, broadcast: Broadcast, person: Person) -> None:
        request = broadcast.request
        self._person = person
        self._names = (request.email_column, request.urn_column, request.communication_key_column)

    def __call__(self, columns: Sequence[str], values: Sequence[str]) -> bool:
        here = [key_column_name(column) for column in columns]
        wanted = [key_column_name(name) for name in self._names]
        if len(values) != len(columns) or not set(wanted) <= set(here):
            return self._person.named_in(values)
        address, urn, key = (values[here.index(name)] for name in wanted)
        return self._person.learn(deliverable(address) or address, urn, key)


def _value(row: StagedRow, hashed: bytes | None) -> str:
    """The value of a row that has this hash; empty where the list does not carry it."""
    return next((value for value in row.values if hashed is not None and key_hash(value) == hashed), "")
