"""Erasures in the ledger: planned before, resumed after an interruption, and nothing of the person at the end."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.database.connections import Database
from shared.ledger import erasures, tables
from shared.ledger.erasures import DoneStep
from shared.ledger.person import GivenBy, Person
from tests.builders import NOON

LATER = NOON + timedelta(hours=1)


def anna() -> Person:
    return Person(given_by=GivenBy.ADDRESS, given="anna@example.org")


def begin(database: Database, person: Person, **amounts: int) -> str:
    return erasures.begin(database, person, amounts, operator="kim", now=NOON)


def steps(database: Database, erasure_id: str) -> list[DoneStep]:
    (receipt,) = [receipt for receipt in erasures.receipts(database) if receipt.id == erasure_id]
    return receipt.steps


def test_an_erasure_that_is_finished_keeps_nothing_of_the_person(database: Database) -> None:
    person = anna()
    person.take(address="", urn="4711", communication_key="k1")
    erasure_id = begin(database, person, recipients=2)
    erasures.record_step(database, erasure_id, "recipients", 2, now=NOON)
    receipt = erasures.finish(database, erasure_id, now=LATER)
    assert (receipt.operator, receipt.given_by, receipt.planned_at, receipt.finished_at) == (
        *("kim", "address"),
        *(NOON, LATER),
    )
    assert receipt.steps == [DoneStep(step="recipients", found=2, erased=2)]
    with database.reading() as connection:
        assert connection.execute(select(tables.erasure_key)).all() == []
        assert connection.execute(select(tables.erasure.c.salt, tables.erasure.c.person_hash)).all() == [(None, None)]
    assert erasures.find_unfinished(database, anna()) is None


def test_an_interrupted_erasure_resumes_with_the_keys_that_it_knew(database: Database) -> None:
    person = anna()
    person.take(address="", urn="4711", communication_key="k1")
    erasure_id = begin(database, person, recipients=2)
    other = Person(given_by=GivenBy.ADDRESS, given="bob@example.org")
    begin(database, other, recipients=1)

    again = anna()
    assert erasures.find_unfinished(database, again) == erasure_id
    assert (set(again.urns), set(again.communication_keys)) == (set(person.urns), set(person.communication_keys))
    assert begin(database, again, recipients=2) == erasure_id
    assert erasures.find_unfinished(database, Person(given_by=GivenBy.URN, given="anna@example.org")) is None
    assert len(erasures.receipts(database)) == 2


def test_finishing_one_erasure_leaves_another_unfinished(database: Database) -> None:
    first = begin(database, anna(), recipients=1)
    second = begin(database, Person(given_by=GivenBy.URN, given="4711"), recipients=1)
    erasures.finish(database, first, now=LATER)
    assert erasures.find_unfinished(database, Person(given_by=GivenBy.URN, given="4711")) == second
    assert [receipt.finished_at for receipt in erasures.receipts(database) if receipt.id == second] == [None]


@pytest.mark.parametrize(("step", "total"), [("recipients", 5), (erasures.WIPE, 3)])
def test_a_step_that_is_repeated_adds_up_unless_it_does_the_same_again(
    database: Database, step: str, total: int
) -> None:
    erasure_id = begin(database, anna(), **{step: 5, "lists": 1})
    erasures.record_step(database, erasure_id, step, 3, now=NOON)
    erasures.record_step(database, erasure_id, step, 2, now=NOON)
    assert {each.step: each.erased for each in steps(database, erasure_id)} == {step: total, "lists": None}


@pytest.mark.parametrize(
    ("recorded", "present", "found", "erased"),
    [
        (None, 5, 5, None),  # nothing was erased
        (None, 2, 5, 3),  # three were, and the process died before it recorded them
        (3, 2, 5, 3),
        (3, 4, 7, 3),  # two came later
    ],
)
def test_what_was_erased_before_an_interruption_is_counted(
    database: Database, recorded: int | None, present: int, found: int, erased: int | None
) -> None:
    erasure_id = begin(database, anna(), recipients=5)
    if recorded is not None:
        erasures.record_step(database, erasure_id, "recipients", recorded, now=NOON)
    begin(database, anna(), recipients=present)
    assert steps(database, erasure_id) == [DoneStep(step="recipients", found=found, erased=erased)]


@pytest.mark.parametrize("step", [erasures.WIPE, erasures.UNREAD])
def test_what_is_never_erased_here_is_not_counted_as_erased(database: Database, step: str) -> None:
    erasure_id = begin(database, anna(), **{step: 5})
    begin(database, anna(), **{step: 2})
    assert steps(database, erasure_id) == [DoneStep(step=step, found=5, erased=None)]
