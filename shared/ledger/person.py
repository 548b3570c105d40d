"""A person who is to be erased: by what rows are known to be theirs.

The ledger knows persons by hashes, so this does too; what is known in clear is there for databases and services that
have no hashes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from shared.errors import ErasureUnclear
from shared.files.email_address import spellings
from shared.ledger.recipients import key_hash
from shared.ledger.suppressions import address_hash

#: More than one person has of each, by far: what leads to more is none's.
_MOST: Final = 5000


class GivenBy(StrEnum):
    """By what a person can be given."""

    ADDRESS = "address"
    URN = "urn"
    COMMUNICATION_KEY = "communication-key"


@dataclass(slots=True)
class Person:
    """Who is to be erased.

    A URN is one person's, and a Communication Key is one person's in one delivery: they lead to each other. An address
    may be shared. So one that is given leads to every URN that uses it; one that is found with a URN leads to nobody,
    and only a row that has no other key is known by it.

    Each of the three holds the clear value by its hash, or None where only the hash is known.
    """

    given_by: GivenBy
    given: str
    addresses: dict[bytes, str | None] = field(default_factory=dict)
    urns: dict[bytes, str | None] = field(default_factory=dict)
    communication_keys: dict[bytes, str | None] = field(default_factory=dict)
    _given_addresses: frozenset[bytes] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        """Begin with what was given."""
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
        """Whether everything is known in clear; else rows with no hashes must all be looked at."""
        return None not in (*self.addresses.values(), *self.urns.values(), *self.communication_keys.values())

    @property
    def mailed_at(self) -> list[str]:
        """The addresses that are known in clear, each once and as mail is sent to it."""
        return list(dict.fromkeys(spellings(address)[0] for address in clear(self.addresses)))

    @property
    def size(self) -> int:
        """How much is known."""
        everything = (self.addresses, self.urns, self.communication_keys)
        return sum(len(one) + sum(clear is not None for clear in one.values()) for one in everything)

    def owns(self, address: str, urn: str, communication_key: str) -> bool:
        """Whether a row with these values is theirs; a value that it does not have is empty."""
        by_address = address_hash(address) if address.strip() else None
        return self.owns_hashes(by_address, key_hash(urn), key_hash(communication_key))

    def owns_hashes(self, address: bytes | None, urn: bytes | None, communication_key: bytes | None) -> bool:
        """The same by hashes; None: the row does not have it."""
        if urn in self.urns or communication_key in self.communication_keys:
            return True
        if address not in self.addresses:
            return False
        return (urn is None and communication_key is None) or address in self._given_addresses

    def learn(self, address: str, urn: str, communication_key: str) -> bool:
        """Look at a row; of one that is theirs, remember what else they are known by.

        Returns:
            Whether it is theirs.

        Raises:
            ErasureUnclear: what was given leads to so much that it cannot be one person.
        """
        if not self.owns(address, urn, communication_key):
            return False
        self.take(address=address, urn=urn, communication_key=communication_key)
        return True

    def take(self, *, address: str, urn: str, communication_key: str) -> None:
        """Remember the values of a row that is known to be theirs.

        Raises:
            ErasureUnclear: as `learn`.
        """
        for spelling in spellings(address):
            self.addresses[address_hash(spelling)] = spelling
        if (by_urn := key_hash(urn)) is not None:
            self.urns[by_urn] = urn.strip()
        if (by_key := key_hash(communication_key)) is not None:
            self.communication_keys[by_key] = communication_key.strip()
        self._check()

    def learn_hashes(self, urn: bytes | None, communication_key: bytes | None) -> None:
        """Remember the keys of a recipient of the ledger who is theirs.

        Raises:
            ErasureUnclear: as `learn`.
        """
        if urn is not None:
            self.urns.setdefault(urn, None)
        if communication_key is not None:
            self.communication_keys.setdefault(communication_key, None)
        self._check()

    def recall(self, addresses: Iterable[bytes], urns: Iterable[bytes], communication_keys: Iterable[bytes]) -> None:
        """Remember what an erasure that was interrupted knew."""
        for known, hashes in (
            (self.addresses, addresses),
            (self.urns, urns),
            (self.communication_keys, communication_keys),
        ):
            for one in hashes:
                known.setdefault(one, None)

    def named_in(self, values: Iterable[str]) -> bool:
        """Whether one of the values is an address or a key of theirs, whatever it is there."""
        for value in values:
            hashed = key_hash(value)
            if hashed is not None and (
                hashed in self.urns or hashed in self.communication_keys or address_hash(value) in self.addresses
            ):
                return True
        return False

    def _check(self) -> None:
        for what in (self.addresses, self.urns, self.communication_keys):
            if len(what) > _MOST:
                raise ErasureUnclear(most=_MOST, given_by=self.given_by)


def clear(values: Mapping[bytes, str | None]) -> list[str]:
    """Those of the values that are known in clear."""
    return [value for value in values.values() if value is not None]
