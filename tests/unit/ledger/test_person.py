"""By what rows are known to be a person's."""

import pytest

from shared.errors import ErasureUnclear
from shared.ledger import person as module
from shared.ledger.person import GivenBy, Person, clear
from shared.ledger.recipients import key_hash
from shared.ledger.suppressions import address_hash


def test_a_urn_leads_to_its_communication_keys_and_addresses_and_these_to_no_one_else() -> None:
    person = Person(GivenBy.URN, " U1")
    assert person.learn("Ann@example.org", "u1", "K1")
    assert person.owns("", "", "k1 ")
    assert person.owns("ann@EXAMPLE.org", "", "")
    assert not person.owns("ann@example.org", "u2", "")
    assert not person.owns("ann@example.org", "", "k2")
    assert not person.learn("ann@example.org", "u2", "k2")
    assert (clear(person.addresses), clear(person.urns), clear(person.communication_keys)) == (
        ["Ann@example.org"],
        ["u1"],
        ["K1"],
    )


def test_an_address_that_is_given_leads_to_every_urn_that_uses_it_and_one_that_is_found_does_not() -> None:
    person = Person(GivenBy.ADDRESS, "we@example.org")
    assert person.learn("we@example.org", "u1", "")
    assert person.learn("we@example.org", "u2", "")
    assert person.learn("other@example.org", "u2", "k2")
    assert not person.owns("other@example.org", "u3", "")
    assert person.owns("other@example.org", "", "")


def test_a_communication_key_leads_to_the_urn() -> None:
    person = Person(GivenBy.COMMUNICATION_KEY, "K1")
    assert person.learn("", "u1", "k1")
    assert person.learn("", "u1", "k2")
    assert not person.owns("", "", "")


def test_empty_values_are_nobodys() -> None:
    for by in GivenBy:
        assert not Person(by, "x@example.org").owns("", " ", "")


def test_what_is_known_by_a_hash_is_not_clear_until_its_value_is_seen() -> None:
    person = Person(GivenBy.URN, "u1")
    person.learn_hashes(None, key_hash("k1"))
    assert not person.is_clear
    size = person.size
    assert person.owns("", "", "K1")
    person.take(address="", urn="", communication_key="K1")
    assert clear(person.communication_keys) == ["K1"]
    assert person.size > size


def test_what_an_interrupted_erasure_knew_is_recalled() -> None:
    person = Person(GivenBy.URN, "u1")
    keys = [hashed for key in ("k1",) if (hashed := key_hash(key))]
    person.recall([address_hash("ann@example.org")], [], keys)
    assert person.owns("", "", "k1")
    assert person.owns("ann@example.org", "", "")


def test_any_value_that_names_them_is_seen() -> None:
    person = Person(GivenBy.URN, "u1")
    person.learn("ann@example.org", "u1", "k1")
    assert person.named_in(["x", "K1"])
    assert person.named_in(["", "Ann@example.org "])
    assert not person.named_in(["", "u11", "anna@example.org"])


def test_what_leads_to_thousands_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_VALUES", 3)
    person = Person(GivenBy.URN, "0")
    for number in range(3):
        assert person.learn("", "0", f"k{number}")
    with pytest.raises(ErasureUnclear):
        person.learn("", "0", "k3")
