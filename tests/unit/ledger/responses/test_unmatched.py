"""Responses without a broadcast: which of them wake when a broadcast changes, and how they are settled."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from shared.broadcast import Broadcast, State
from shared.database.connections import Database
from shared.ledger import recipients, removals, tables
from shared.ledger.responses import unmatched
from tests.builders import NOON

TakeIn = Callable[..., Broadcast]
table = tables.unmatched_response


def keep(database: Database, response_id: int, **columns: object) -> None:
    """A response that was checked before."""
    times = {"event_time": NOON, "loaded_at": NOON, "looked_at": NOON}
    usual = {"response_file_id": 1, "broadcast_key": "", "mailing_id": "", **times}
    with database.writing() as connection:
        connection.execute(insert(table).values(response_id=response_id, **usual | columns))


def awake(database: Database) -> list[int]:
    query = select(table.c.response_id).where(table.c.looked_at.is_(None)).order_by(table.c.response_id)
    with database.reading() as connection:
        return list(connection.scalars(query))


def sent(take_in: TakeIn, database: Database, number: int, **columns: object) -> Broadcast:
    """A broadcast in RS_DB with one recipient, whose keys are k and u with its number."""
    broadcast = take_in(number, state=State.SENDING, **{"rs_broadcast_id": number, **columns})
    line, key, urn = recipients.row(2, f"k{number}", f"u{number}")
    values = {"line": line, "communication_key_hash": key, "urn_hash": urn}
    with database.writing() as connection:
        connection.execute(insert(tables.recipient).values(broadcast_id=broadcast.id, **values))
    return broadcast


def wake(database: Database) -> list[str]:
    changed = unmatched.changed_broadcasts(database, 10)
    for each in changed:
        unmatched.wake(database, each)
    return [each.key for each in changed]


@pytest.mark.parametrize(
    ("columns", "wakes"),
    [
        ({"broadcast_key": "J1-00000000"}, True),
        ({"broadcast_key": "J2-00000000"}, False),
        ({"mailing_id": "77"}, True),
        ({"mailing_id": "78"}, False),
        ({"communication_key_hash": recipients.key_hash("k1")}, True),
        ({"communication_key_hash": recipients.key_hash("k2")}, False),
        ({"urn_hash": recipients.key_hash("u1")}, True),
        ({"urn_hash": recipients.key_hash("u2")}, False),
        ({"urn_hash": recipients.key_hash("u1"), "broadcast_key": "J2-00000000"}, False),
    ],
)
def test_only_what_may_belong_to_a_changed_broadcast_wakes(
    take_in: TakeIn, database: Database, columns: dict[str, object], *, wakes: bool
) -> None:
    sent(take_in, database, 1, mailing_id=77)
    keep(database, 1, **columns)
    assert wake(database) == ["J1-00000000"]
    assert awake(database) == ([1] if wakes else [])


def test_a_broadcast_wakes_once_for_each_of_its_states(take_in: TakeIn, database: Database) -> None:
    broadcast = sent(take_in, database, 1)
    other = sent(take_in, database, 2)
    take_in(3, state=State.SENDING)  # not in RS_DB: nothing can match it
    assert wake(database) == [broadcast.key, other.key]
    assert wake(database) == []
    with database.writing() as connection:
        its_row = tables.broadcast.c.id == broadcast.id
        connection.execute(update(tables.broadcast).where(its_row).values(state=State.SENT))
    assert wake(database) == [broadcast.key]
    assert wake(database) == []


def test_without_a_mailing_the_id_of_the_campaign_counts(take_in: TakeIn, database: Database) -> None:
    sent(take_in, database, 1, campaign_id=55)
    sent(take_in, database, 2, campaign_id=56, mailing_id=57)
    assert [changed.sent_id for changed in unmatched.changed_broadcasts(database, 10)] == [55, 57]
    assert len(unmatched.changed_broadcasts(database, 1)) == 1


def test_a_batch_begins_after_the_one_before(database: Database) -> None:
    for response_id in (1, 2, 3):
        keep(database, response_id, looked_at=None)
    keep(database, 4)
    first = unmatched.next_batch(database, after=0)
    assert first is not None
    assert first.last == 3
    second = unmatched.next_batch(database, after=1)
    assert second is not None
    with database.reading() as connection:
        assert list(connection.scalars(select(table.c.response_id).where(second.rows))) == [2, 3]
    assert unmatched.next_batch(database, after=3) is None


def test_what_found_its_broadcast_leaves_and_the_rest_sleeps(database: Database) -> None:
    keep(database, 1, looked_at=None, broadcast_id=9)
    keep(database, 2, looked_at=None)
    keep(database, 3, looked_at=None)
    with database.writing() as connection:
        unmatched.settle(connection, table.c.response_id <= 2, now=NOON)
    assert awake(database) == [3]
    with database.reading() as connection:
        assert list(connection.scalars(select(table.c.response_id).order_by(table.c.response_id))) == [2, 3]


def test_what_found_nothing_for_long_is_forgotten(database: Database) -> None:
    keep(database, 1, loaded_at=NOON - timedelta(seconds=1))
    keep(database, 2)
    assert removals.remove_unmatched(database, before=NOON) == 1
    with database.reading() as connection:
        assert list(connection.scalars(select(table.c.response_id))) == [2]
