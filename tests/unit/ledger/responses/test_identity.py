"""Which events are one: whatever columns a file has, however its layout reads them, in whatever order files come."""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from shared.broadcast import Broadcast
from shared.database.connections import Database
from shared.ledger import tables
from shared.ledger.recipients import key_hash
from shared.response import Response

from .loading import MOMENT, SCHEMA, empty, gathered, load

TakeIn = Callable[..., Broadcast]
FILES = itertools.count(1)
#: An event with everything that a file may state of it.
WHOLE = Response(
    message_type="Click",
    type_in_file="clicked",
    event_time=MOMENT,
    email="ann@example.com",
    urn="501",
    communication_key="CK501",
    broadcast_key="B9",
    mailing_id="900",
    delivery_date=MOMENT - timedelta(days=1),
    click_url="https://example.com/a",
    click_date=MOMENT,
)
WITHOUT_URL = {"click_url": "", "has_click_url_column": False}


def loaded(database: Database, *events: Response) -> int:
    """Load a file with these events; how many are new."""
    return load(database, gathered(database, f"Response{next(FILES)}"), events).loaded


def responses(database: Database) -> list[Mapping[str, Any]]:
    """The rows of `Response`."""
    with database.reading() as connection:
        rows = connection.execute(select(SCHEMA.response).order_by(SCHEMA.response.c.id)).all()
    return [dict(zip(SCHEMA.response.c.keys(), row, strict=True)) for row in rows]


def assert_balanced(database: Database, rows: int) -> None:
    """Each row of `Response` has one recorded event, and nothing is left of the comparison."""
    with database.reading() as connection:
        ids = connection.scalars(select(tables.response_event.c.response_id)).all()
        left = connection.scalar(select(func.count()).select_from(tables.response_candidate))
    assert sorted(ids) == [row["id"] for row in responses(database)]
    assert (len(ids), left) == (rows, 0)


def sent(database: Database, take_in: TakeIn, **recipients: str | None) -> Broadcast:
    """A broadcast in RS_DB with the mailing 900, and a recipient for each URN and Communication Key."""
    broadcast = take_in(key="J1-00000000")
    table = tables.broadcast
    with database.writing() as connection:
        connection.execute(insert(SCHEMA.broadcasts).values(id=31, broadcaster="Optimizely", list_name="Customers"))
        connection.execute(
            update(table).where(table.c.id == broadcast.id).values(rs_broadcast_id=31, mailing_id=900, state="sent")
        )
        for line, (key, urn) in enumerate(recipients.items(), start=2):
            hashes = {"communication_key_hash": key_hash(key), "urn_hash": key_hash(urn or "")}
            connection.execute(insert(tables.recipient).values(broadcast_id=broadcast.id, line=line, **hashes))
    return broadcast


# One event, stated in two ways

SAME = {
    "a Communication Key is new": ({"communication_key": ""}, {}),
    "a URN is new": ({"urn": ""}, {}),
    "an address is new": ({"email": ""}, {}),
    "only the address was there": ({"urn": "", "communication_key": ""}, {}),
    "only the URN was there": ({"email": "", "communication_key": ""}, {}),
    "only the Communication Key was there": ({"urn": "", "email": ""}, {}),
    "a broadcast key is new": ({"broadcast_key": ""}, {}),
    "a mailing is new": ({"mailing_id": ""}, {}),
    "nothing named the broadcast": ({"broadcast_key": "", "mailing_id": ""}, {}),
    "the mailing gave way to the key": ({"broadcast_key": ""}, {"mailing_id": ""}),
    "the URL had no column": (WITHOUT_URL, {}),
    "the dates had no column": ({"delivery_date": None, "click_date": None}, {}),
    "the type was translated otherwise": ({"message_type": "clicked"}, {}),
    "everything at once": (
        {"urn": "", "communication_key": "", "broadcast_key": "", "mailing_id": "", "message_type": "x", **WITHOUT_URL},
        {},
    ),
}


@pytest.mark.parametrize("swapped", [False, True], ids=["", "swapped"])
@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_an_event_is_one_row_whatever_its_file_states(
    database: Database, first: dict[str, Any], second: dict[str, Any], swapped: bool
) -> None:
    one, other = replace(WHOLE, **first), replace(WHOLE, **second)
    order = (other, one) if swapped else (one, other)
    assert [loaded(database, event) for event in (*order, *order, one, other)] == [1, 0, 0, 0, 0, 0]
    assert_balanced(database, 1)


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_in_either_order_the_row_has_what_both_files_state(
    database: Database, first: dict[str, Any], second: dict[str, Any]
) -> None:
    for event in (replace(WHOLE, **first), replace(WHOLE, **second), replace(WHOLE, **first)):
        loaded(database, replace(event, message_type="Click"))
    (row,) = responses(database)
    assert (row["email"], row["urn"], row["communication_key"]) == ("ann@example.com", "501", "CK501")
    assert (row["click_url"], row["click_date"]) == ("https://example.com/a", MOMENT)
    assert row["delivery_date"] == MOMENT - timedelta(days=1)


def test_a_type_that_is_translated_otherwise_now_is_corrected(database: Database) -> None:
    loaded(database, replace(WHOLE, message_type="clicked"))
    loaded(database, WHOLE)
    assert [row["message_type"] for row in responses(database)] == ["Click"]


OTHER = {
    "another word for the same type": {"type_in_file": "clicked twice"},
    "another minute": {"event_time": MOMENT + timedelta(minutes=1)},
    "another recipient": {"communication_key": "CK502", "urn": "502"},
    "another delivery to the same person": {"communication_key": "CK502"},
    "another mailing": {"mailing_id": "901", "broadcast_key": ""},
    "another broadcast key": {"broadcast_key": "B8"},
    "another URL": {"click_url": "https://example.com/b"},
    "no URL": {"click_url": ""},
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_what_differs_in_something_that_both_state_is_another_event(database: Database, change: dict[str, Any]) -> None:
    other = replace(WHOLE, **change)
    assert [loaded(database, event) for event in (WHOLE, other, WHOLE, other)] == [1, 1, 0, 0]
    assert_balanced(database, 2)


# The broadcast becomes known


@pytest.mark.parametrize(
    "stated", [{"broadcast_key": "J1-00000000", "mailing_id": ""}, {"broadcast_key": "", "mailing_id": "900"}], ids=str
)
def test_an_event_without_a_broadcast_gets_it_from_a_later_file(
    database: Database, take_in: TakeIn, stated: dict[str, Any]
) -> None:
    plain = replace(WHOLE, broadcast_key="", mailing_id="")
    named = replace(WHOLE, **stated)
    file = gathered(database, "Response1")
    load(database, file, [plain])
    broadcast = sent(database, take_in)
    assert loaded(database, named) == 0
    (row,) = responses(database)
    assert (row["broadcast_id"], row["message_name"]) == (31, broadcast.request.message_name)
    with database.reading() as connection:
        assert connection.execute(select(tables.unmatched_response)).all() == []
        counted = connection.execute(select(tables.response_count)).one()
        of_file = select(tables.response_file.c.rows_unmatched).where(tables.response_file.c.id == file.id)
        assert connection.scalar(of_file) == 0
    assert tuple(counted) == (broadcast.id, "Click", 1)
    assert loaded(database, plain, named) == 1  # two of them in one file are two
    assert_balanced(database, 2)


def test_an_event_whose_broadcast_is_known_is_known_without_it(database: Database, take_in: TakeIn) -> None:
    sent(database, take_in)
    assert loaded(database, replace(WHOLE, broadcast_key="J1-00000000")) == 1
    assert loaded(database, replace(WHOLE, broadcast_key="", mailing_id="")) == 0
    assert [row["broadcast_id"] for row in responses(database)] == [31]


def test_an_event_of_another_mailing_is_none_of_a_known_broadcast(database: Database, take_in: TakeIn) -> None:
    sent(database, take_in)
    assert loaded(database, replace(WHOLE, broadcast_key="J1-00000000", mailing_id="")) == 1
    assert loaded(database, replace(WHOLE, broadcast_key="", mailing_id="901")) == 1
    assert_balanced(database, 2)


@pytest.mark.parametrize("swapped", [False, True], ids=["", "swapped"])
def test_the_recipients_of_a_broadcast_tie_urn_and_communication_key_together(
    database: Database, take_in: TakeIn, swapped: bool
) -> None:
    sent(database, take_in, CK501="501", CK502="502")
    events = [
        replace(WHOLE, broadcast_key="", email="", communication_key=""),
        replace(WHOLE, broadcast_key="", email="", urn=""),
    ]
    assert [loaded(database, event) for event in (events[::-1] if swapped else events)] == [1, 0]
    assert_balanced(database, 1)


def test_two_lines_with_one_urn_are_not_mixed_up(database: Database, take_in: TakeIn) -> None:
    sent(database, take_in, CK501="501", CK502="501")
    keys = [replace(WHOLE, broadcast_key="", email="", urn="", communication_key=key) for key in ("CK501", "CK502")]
    assert loaded(database, *keys) == 2
    urn = replace(WHOLE, broadcast_key="", email="", communication_key="")
    assert [loaded(database, urn), loaded(database, urn, urn), loaded(database, urn, urn, urn)] == [0, 0, 1]


# Multisets


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.lists(st.sampled_from(["", "900", "901"]), max_size=4), min_size=1, max_size=4),
    data=st.data(),
)
def test_any_order_of_files_with_and_without_broadcasts_ends_in_as_many_rows(
    database: Database, files: list[list[str]], data: st.DataObject
) -> None:
    empty(database)
    order = [*range(len(files)), *data.draw(st.lists(st.sampled_from(range(len(files))), max_size=3), "again")]
    for index in data.draw(st.permutations(order), "order"):
        loaded(database, *(replace(WHOLE, broadcast_key="", mailing_id=mailing) for mailing in files[index]))
    named = sum(max(Counter(file)[mailing] for file in files) for mailing in ("900", "901"))
    assert_balanced(database, max(named, *map(len, files), 0))


def test_many_equal_events_are_compared_without_comparing_each_with_each(database: Database) -> None:
    assert loaded(database, *[replace(WHOLE, communication_key="")] * 3000) == 3000
    assert loaded(database, *[WHOLE] * 3001) == 1
    assert_balanced(database, 3001)


def test_of_two_rows_for_one_event_the_precise_one_gets_it(database: Database) -> None:
    """A row that is recorded under its own key gives way, for it can be the other event as well."""
    plain, first, second = (replace(WHOLE, broadcast_key="", mailing_id=mailing) for mailing in ("", "900", "901"))
    assert loaded(database, plain, first) == 2
    assert loaded(database, plain, second) == 0
    assert_balanced(database, 2)


# Ledgers in use


def as_recorded_before(database: Database) -> None:
    """Leave of each event what code before migration 12 recorded."""
    event, unmatched = tables.response_event, tables.unmatched_response
    kept = {"event_key", "ordinal", "response_id"}
    with database.writing() as connection:
        connection.execute(update(event).values(dict.fromkeys(set(event.c.keys()) - kept)))
        connection.execute(update(unmatched).values(event_key=None, ordinal=None))


def test_an_event_from_before_is_known_by_its_old_key(database: Database) -> None:
    assert loaded(database, WHOLE, WHOLE) == 2
    as_recorded_before(database)
    assert [loaded(database, WHOLE), loaded(database, WHOLE, WHOLE), loaded(database, *[WHOLE] * 3)] == [0, 0, 1]
    assert_balanced(database, 3)


def test_an_event_from_before_is_known_by_other_columns_once_it_came_again(database: Database) -> None:
    plain = replace(WHOLE, communication_key="")
    assert loaded(database, plain) == 1
    as_recorded_before(database)
    assert [loaded(database, plain), loaded(database, WHOLE)] == [0, 0]
    assert_balanced(database, 1)


def test_an_old_event_is_one_event_only(database: Database) -> None:
    soft, hard = (replace(WHOLE, message_type="Bounce", type_in_file=f"{kind}bounce") for kind in ("soft", "hard"))
    assert loaded(database, soft) == 1
    as_recorded_before(database)
    assert loaded(database, soft, hard) == 1
    assert [loaded(database, hard), loaded(database, soft)] == [0, 0]
    assert_balanced(database, 2)
