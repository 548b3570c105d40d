"""Which recorded events the rows of a response file are (rule 6). Pure: no I/O.

Rows and recorded events seldom state everything: a file may lack the Communication Key, the broadcast may be unknown.
What one of two does not state cannot distinguish them.
"""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What is known of an event beside the word for its type and its time."""

    #: `shared.response.recipient_event` by each identifier of the recipient.
    by_communication_key: bytes | None
    by_urn: bytes | None
    by_email: bytes | None
    #: `shared.response.url_hash`.
    url_hash: bytes | None
    #: Id of the broadcast that it matches.
    broadcast_id: int | None
    #: Key and mailing of the broadcast, where the file stated one of them.
    broadcast_key: str | None
    mailing_id: str | None

    @property
    def recipient(self) -> tuple[bytes | None, bytes | None, bytes | None]:
        """The keys by recipient, the one that decides first in front."""
        return self.by_communication_key, self.by_urn, self.by_email

    @property
    def broadcast(self) -> tuple[int | str | None, ...]:
        """What identifies the broadcast, the value that decides first in front."""
        return self.broadcast_id, self.broadcast_key, self.mailing_id

    def is_alike(self, other: "Identity") -> bool:
        """Whether both may be one event: they share an identifier of the recipient, and nothing contradicts it."""
        return (
            _agree(self.recipient, other.recipient) is True
            and _agree(self.broadcast, other.broadcast) is not False
            and _agree((self.url_hash,), (other.url_hash,)) is not False
        )

    def closeness(self, other: "Identity") -> tuple[bool, bool, int]:
        """How much two alike events have in common; greater is closer."""
        return (
            self.broadcast_id == other.broadcast_id,
            self.url_hash == other.url_hash,
            _equal(self.recipient, other.recipient) + _equal(self.broadcast, other.broadcast),
        )

    def precision(self) -> tuple[bool, bool, int, int]:
        """How precisely the event is identified; greater is more precise."""
        return (
            self.broadcast_id is not None,
            self.url_hash is not None,
            sum(value is not None for value in self.broadcast),
            sum(key is not None for key in self.recipient),
        )


#: Key and ordinal under which an event is recorded.
type Place = tuple[bytes, int]


def pair(rows: Sequence[tuple[int, Place, Identity]], recorded: Mapping[Place, Identity | None]) -> dict[int, Place]:
    """Find the recorded event that each row is; each event is one row at most.

    The most precise rows choose first, so that what is left for a row with few values is whatever it may be.

    Args:
        rows: line, key and rank in the file, and identity.
        recorded: the events; None: recorded by code that knew the key alone.

    Returns:
        The places of the events, by line. A row that is not in it is a new event.
    """
    places: dict[Identity, deque[Place]] = defaultdict(deque)
    for place in sorted(recorded):
        if (identity := recorded[place]) is not None:
            places[identity].append(place)
    by_key: dict[bytes, list[Identity]] = defaultdict(list)
    for identity in places:
        for key in identity.recipient:
            if key is not None:
                by_key[key].append(identity)
    pairs = {}
    for line, own, identity in sorted(rows, key=lambda row: (*(-part for part in row[2].precision()), row[0])):
        if recorded.get(own, identity) is None:
            pairs[line] = own
            continue
        alike = {
            other: None
            for key in identity.recipient
            if key is not None
            for other in by_key.get(key, ())
            if places[other] and identity.is_alike(other)
        }
        if alike:
            pairs[line] = places[max(alike, key=identity.closeness)].popleft()
    return pairs


def _agree(values: Sequence[object], others: Sequence[object]) -> bool | None:
    """Whether the first value that both have is equal; None if they have none in common."""
    for value, other in zip(values, others, strict=True):
        if value is not None and other is not None:
            return value == other
    return None


def _equal(values: Sequence[object], others: Sequence[object]) -> int:
    return sum(value == other for value, other in zip(values, others, strict=True))
