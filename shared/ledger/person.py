"""A person to be erased: the values by which rows are recognised as theirs.

The ledger knows people by hashes, and so does this; the clear values are for databases and services without hashes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.errors import ErasureUnclear
from shared.files.email_address import spellings
from shared.ledger.recipients import key_hash
from shared.ledger.suppressions import address_hash

#: Far more than one person has of each: a value that leads to more does not identify a person.
_MAX_VALUES: Final = 5000


class GivenBy(StrEnum):
    """The kinds of value that can name a person."""

    ADDRESS = "address"
    URN = "urn"
    COMMUNICATION_KEY = "communication-key"


@dataclass(slots=True)
class Person:
    """The person to be erased.

    A URN belongs to one person, and a Communication Key to one person in one delivery: they lead to each other. An
    address may be shared. So a given address leads to every URN that uses it, while an address found with a URN leads
    to nobody: it identifies only a row that has no other key.

    Each of the three mappings holds the clear value by its hash, or None where only the hash is known.
    """

    given_by: GivenBy
    given: str
    addresses: dict[bytes, str | None] = field(default_factory=dict)
    urns: dict[bytes, str | None] = field(default_factory=dict)
    communication_keys: dict[bytes, str | None] = field(default_factory=dict)
    _given_addresses: frozenset[bytes] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        """Start with the given value."""
        kind = self.given_by
        if kind is GivenBy.ADDRESS:
            self._given_addresses = frozenset(map(address_hash, spellings(self.given)))
        self.take(
            address=self.given if kind is GivenBy.ADDRESS else "",
            urn=self.given if kind is GivenBy.URN else "",
            communication_key=self.given if kind is GivenBy.COMMUNICATION_KEY else "",
        )

    @property
    def is_clear(self) -> bool:
        """Whether every value is known in clear; otherwise rows without hashes must all be read."""
        return None not in (*self.addresses.values(), *self.urns.values(), *self.communication_keys.values())

    @property
    def mailed_at(self) -> list[str]:
        """The addresses that are known in clear, each once and in the form in which mail is sent to it."""
        return list(dict.fromkeys(spellings(address)[0] for address in clear(self.addresses)))

    @property
    def size(self) -> int:
        """How many values are known; it grows when anything is learned."""
        everything = (self.addresses, self.urns, self.communication_keys)
        return sum(len(values) + sum(clear is not None for clear in values.values()) for values in everything)

    def owns(self, address: str, urn: str, communication_key: str) -> bool:
        """Whether a row with these values belongs to them; a value that the row lacks is empty."""
        by_address = address_hash(address) if address.strip() else None
        return self.owns_hashes(by_address, key_hash(urn), key_hash(communication_key))

    def owns_hashes(self, address: bytes | None, urn: bytes | None, communication_key: bytes | None) -> bool:
        """The same by hashes; None for a value that the row lacks."""
        if urn in self.urns or communication_key in self.communication_keys:
            return True
        if address not in self.addresses:
            return False
        return (urn is None and communication_key is None) or address in self._given_addresses

    def learn(self, address: str, urn: str, communication_key: str) -> bool:
        """Remember the other values of a row if it belongs to them.

        Returns:
            Whether it does.

        Raises:
            ErasureUnclear: the given value leads to so many others that it cannot be one person.
        """
        if not self.owns(address, urn, communication_key):
            return False
        self.take(address=address, urn=urn, communication_key=communication_key)
        return True

    def take(self, *, address: str, urn: str, communication_key: str) -> None:
        """Remember the values of a row that belongs to them.

        Raises:
            ErasureUnclear: see `learn`.
        """
        for spelling in spellings(address):
            self.addresses[address_hash(spelling)] = spelling
        if (by_urn := key_hash(urn)) is not None:
            self.urns[by_urn] = urn.strip()
        if (by_key := key_hash(communication_key)) is not None:
            self.communication_keys[by_key] = communication_key.strip()
        self._check()

    def learn_hashes(self, urn: bytes | None, communication_key: bytes | None) -> None:
        """Remember the keys of a recipient in the ledger who is this person.

        Raises:
            ErasureUnclear: see `learn`.
        """
        if urn is not None:
            self.urns.setdefault(urn, None)
        if communication_key is not None:
            self.communication_keys.setdefault(communication_key, None)
        self._check()

    def recall(self, addresses: Iterable[bytes], urns: Iterable[bytes], communication_keys: Iterable[bytes]) -> None:
        """Remember the values that an interrupted erasure knew."""
        for known, hashes in (
            (self.addresses, addresses),
            (self.urns, urns),
            (self.communication_keys, communication_keys),
        ):
            known.update(dict.fromkeys(set(hashes) - known.keys()))

    def named_in(self, values: Iterable[str]) -> bool:
        """Whether one of the values is one of their addresses or keys, whatever its column means."""
        for value in values:
            hashed = key_hash(value)
            if hashed is not None and (
                hashed in self.urns or hashed in self.communication_keys or address_hash(value) in self.addresses
            ):
                return True
        return False

    def _check(self) -> None:
        for values in (self.addresses, self.urns, self.communication_keys):
            if len(values) > _MAX_VALUES:
                raise ErasureUnclear(most=_MAX_VALUES, given_by=self.given_by)


def clear(values: Mapping[bytes, str | None]) -> list[str]:
    """The values that are known in clear."""
    return [value for value in values.values() if value is not None]
