"""A response finds its broadcast, at once or later, or none: nothing is guessed."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import ProgrammingError

from shared.broadcast import Broadcast, State
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.faststats.rs_db import RsDb
from shared.ledger import Ledger, recipients, tables
from shared.ledger.effects import Kind
from shared.ledger.leases import HeldLease
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses import unmatched
from shared.response import Response
from shared.response_file import ResponseFile
from shared.steps.chores.match_responses import match_responses
from tests.clocks import MovableClock

from .loading import SCHEMA, gathered, load

TakeIn = Callable[..., Broadcast]
EXAMPLES = itertools.count(1)

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)
OPEN = Response(message_type="Open", event_time=MORNING + timedelta(hours=2), email="ann@example.com")


def remember(database: Database, broadcast_id: int, rows: Iterable[tuple[int, str, str]]) -> None:
    """Remember recipients of a broadcast: line, Communication Key, URN."""
    with recipients.remembering(BulkLoad(database), broadcast_id) as remembered:
        remembered.add(recipients.row(*one) for one in rows)


@pytest.fixture
def rs_db() -> RsDb:
    return RsDb(SCHEMA)


@pytest.fixture
def upload(ledger: Ledger, rs_db: RsDb, take_in: TakeIn) -> Callable[..., Broadcast]:
    """Makes the broadcast of the n-th job, which is in RS_DB and went to these recipients: Communication Key, URN."""

    def make(
        job_id: int, people: tuple[tuple[str, str], ...] = (), *, state: State = State.CLOSED, **columns: object
    ) -> Broadcast:
        broadcast = take_in(job_id, state=state, **columns)
        with ledger.database.writing() as connection:
            rs_id = rs_db.record_prepared(connection, broadcast)
        remember(ledger.database, broadcast.id, [(line, *one) for line, one in enumerate(people, start=2)])
        return ledger.broadcasts.update(broadcast, rs_broadcast_id=rs_id)

    return make


@pytest.fixture
def send(ledger: Ledger, lease: HeldLease, clock: MovableClock) -> Callable[..., None]:
    """Records that a broadcast was sent, from one time to another, or still is."""

    def record(broadcast: Broadcast, begun: datetime, ended: datetime | None = None) -> None:
        clock.set_to(begun)
        ledger.effects.intend(broadcast, Kind.START, "1", lease)
        if ended is not None:
            with ledger.database.writing() as connection:
                connection.execute(
                    insert(tables.history).values(
                        broadcast_id=broadcast.id, at=ended, to_state=State.SENT, owner="x", note="sent"
                    )
                )

    return record


def found_by(database: Database, *events: Response) -> list[int | None]:
    """`Response.BroadcastId` of the events, which one file has."""
    with database.reading() as connection:
        last = connection.scalar(select(func.max(SCHEMA.response.c.id))) or 0
    load(database, gathered(database, "Response1"), events)
    return result(database, last)


def result(database: Database, after: int = 0) -> list[int | None]:
    response = SCHEMA.response
    with database.reading() as connection:
        wanted = select(response.c.broadcast_id).where(response.c.id > after).order_by(response.c.id)
        return list(connection.scalars(wanted))


def unmatched_rows(ledger: Ledger) -> int:
    return ledger.response_files.totals()["rows_unmatched"]


# The ways


def test_the_key_of_the_broadcast_goes_before_everything_else(database: Database, upload: Any) -> None:
    first, second = upload(1, (("K1", "7"),), mailing_id=900), upload(2, (("K2", "8"),), mailing_id=901)
    event = replace(OPEN, broadcast_key=first.key, mailing_id="901", communication_key="K2", urn="8")
    assert found_by(database, event) == [first.rs_broadcast_id]
    assert found_by(database, replace(event, broadcast_key="")) == [second.rs_broadcast_id]


def test_the_mailing_goes_before_the_keys_of_the_recipient(database: Database, upload: Any) -> None:
    first = upload(1, mailing_id=900)
    upload(2, (("K2", "8"),), mailing_id=901)
    event = replace(OPEN, mailing_id="900", communication_key="K2", urn="8")
    assert found_by(database, event) == [first.rs_broadcast_id]


def test_a_campaign_of_several_mailings_is_found_by_its_own_id(database: Database, upload: Any) -> None:
    split = upload(1, mailing_id=None, campaign_id=500)
    upload(2, mailing_id=901, campaign_id=501)
    events = [replace(OPEN, mailing_id=one) for one in ("500", "501", "")]
    assert found_by(database, *events) == [split.rs_broadcast_id, None, None]


def test_a_mailing_of_two_broadcasts_is_neithers(database: Database, upload: Any) -> None:
    upload(1, mailing_id=900)
    upload(2, mailing_id=900)
    assert found_by(database, replace(OPEN, mailing_id="900")) == [None]


def test_a_split_mailing_that_nobody_knows_leaves_the_communication_key(database: Database, upload: Any) -> None:
    split = upload(1, (("e48c3fd3-7317", "7"),), campaign_id=500)
    event = replace(OPEN, mailing_id="77001", communication_key="E48C3FD3-7317")
    assert found_by(database, event) == [split.rs_broadcast_id]


def test_a_communication_key_in_two_broadcasts_is_not_guessed(database: Database, upload: Any) -> None:
    upload(1, (("K1", "7"),))
    upload(2, (("K1", "7"), ("K2", "8")))
    events = [replace(OPEN, communication_key=key) for key in ("K1", "K2", "K3")]
    assert found_by(database, *events)[0::2] == [None, None]


def test_a_broadcast_that_is_not_in_rs_db_is_nobodys(database: Database, take_in: TakeIn) -> None:
    broadcast = take_in(1, state=State.PREPARED, mailing_id=900)
    remember(database, broadcast.id, [(2, "K1", "7")])
    events = [
        replace(OPEN, broadcast_key=broadcast.key),
        replace(OPEN, mailing_id="900"),
        replace(OPEN, communication_key="K1"),
    ]
    assert found_by(database, *events) == [None] * 3


def test_a_urn_is_found_among_the_broadcasts_that_went_to_it_before_the_event(
    database: Database, upload: Any, send: Any
) -> None:
    other, early, late = upload(1, (("", "8"),)), upload(2, (("", "7"),)), upload(3, (("", "7"),))
    for broadcast, hour in ((other, 0), (early, 0), (late, 5)):
        send(broadcast, MORNING + timedelta(hours=hour), MORNING + timedelta(hours=hour + 1))
    events = [replace(OPEN, urn="7", event_time=MORNING + timedelta(hours=hour)) for hour in (-1, 2, 6)]
    assert found_by(database, *events) == [None, early.rs_broadcast_id, None]


def test_of_several_sendings_the_one_that_covers_the_delivery_date_is_taken(
    database: Database, upload: Any, send: Any
) -> None:
    first, second = upload(1, (("", "7"),)), upload(2, (("", "7"),))
    send(first, MORNING, MORNING + timedelta(hours=1))
    send(second, MORNING + timedelta(hours=3))  # still being sent
    events = [
        replace(OPEN, urn="7", event_time=MORNING + timedelta(days=2), delivery_date=MORNING + timedelta(minutes=after))
        for after in (-30, -3, 30, 120, 200, 5000)
    ]
    one, two = first.rs_broadcast_id, second.rs_broadcast_id
    assert found_by(database, *events) == [None, one, one, None, two, two]


def test_a_urn_is_not_sent_to_before_the_time_that_was_set(database: Database, upload: Any, send: Any) -> None:
    broadcast = upload(1, (("", "7"),), send_at=MORNING + timedelta(hours=6))
    send(broadcast, MORNING)
    events = [replace(OPEN, urn="7", event_time=MORNING + timedelta(hours=hour)) for hour in (5, 7)]
    assert found_by(database, *events) == [None, broadcast.rs_broadcast_id]


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_urn_is_not_searched_for_where_nobody_was_mailed(
    database: Database, upload: Any, send: Any, state: State
) -> None:
    send(upload(1, (("", "7"),), state=state), MORNING)
    assert found_by(database, replace(OPEN, urn="7")) == [None]


def test_a_row_that_names_a_broadcast_of_somebody_else_is_not_matched_by_its_urn(
    database: Database, upload: Any, send: Any
) -> None:
    send(upload(1, (("", "7"),)), MORNING)
    assert found_by(database, replace(OPEN, urn="7", broadcast_key="J9-theirs")) == [None]


# Later


def test_a_response_that_came_before_its_broadcast_is_matched_when_it_is_there(
    ledger: Ledger, rs_db: RsDb, take_in: TakeIn, upload: Any
) -> None:
    take_in(99)  # ids of the ledger and of RS_DB differ
    database = ledger.database
    events = [
        replace(OPEN, broadcast_key="J1-00000000"),
        replace(OPEN, mailing_id="900"),
        replace(OPEN, communication_key="K1"),
        replace(OPEN, communication_key="K2"),
    ]
    assert found_by(database, *events) == [None] * 4
    assert match_responses(ledger, rs_db) == 0
    assert unmatched_rows(ledger) == 4
    broadcast = upload(1, (("K1", "7"),), mailing_id=900)
    assert match_responses(ledger, rs_db) == 3
    assert result(database) == [broadcast.rs_broadcast_id] * 3 + [None]
    with database.reading() as connection:
        names = list(connection.scalars(select(SCHEMA.response.c.message_name).order_by(SCHEMA.response.c.id)))
    assert names == ["Spring"] * 3 + [""]
    assert unmatched_rows(ledger) == 1
    assert match_responses(ledger, rs_db) == 0


def test_a_response_is_matched_when_its_broadcast_gets_its_mailing(ledger: Ledger, rs_db: RsDb, upload: Any) -> None:
    broadcast = upload(1, state=State.IMPORTING)
    assert found_by(ledger.database, replace(OPEN, mailing_id="900")) == [None]
    assert match_responses(ledger, rs_db) == 0
    with ledger.database.writing() as connection:
        connection.execute(update(tables.broadcast).values(mailing_id=900, state=State.IMPORTED))
    assert match_responses(ledger, rs_db) == 1
    assert result(ledger.database) == [broadcast.rs_broadcast_id]


def test_a_response_is_matched_by_its_urn_when_the_sending_has_ended(
    ledger: Ledger, rs_db: RsDb, upload: Any, send: Any
) -> None:
    first, second = (upload(job, (("", "7"),), state=State.SENDING) for job in (1, 2))
    send(first, MORNING)
    send(second, MORNING + timedelta(hours=1))
    event = replace(OPEN, urn="7", delivery_date=MORNING + timedelta(hours=2))
    assert found_by(ledger.database, event) == [None]
    assert match_responses(ledger, rs_db) == 0
    with ledger.database.writing() as connection:
        connection.execute(
            insert(tables.history).values(
                broadcast_id=first.id, at=MORNING + timedelta(minutes=30), to_state=State.SENT, owner="x", note="sent"
            )
        )
        connection.execute(update(tables.broadcast).where(tables.broadcast.c.id == first.id).values(state=State.SENT))
    assert match_responses(ledger, rs_db) == 1
    assert result(ledger.database) == [second.rs_broadcast_id]


def test_matching_goes_in_batches_and_forgets_none(
    ledger: Ledger, rs_db: RsDb, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmatched, "_BATCH", 4)
    mine = [replace(OPEN, communication_key=f"K{number}") for number in range(30)]
    others = [replace(OPEN, communication_key=f"X{number}") for number in range(9)]
    found_by(ledger.database, *(one for pair in zip(mine, others + mine, strict=False) for one in pair))
    match_responses(ledger, rs_db)
    broadcast = upload(1, tuple((f"K{number}", "") for number in range(30)))
    before = unmatched_rows(ledger)
    found = match_responses(ledger, rs_db)
    assert before - found == unmatched_rows(ledger) == 9
    assert sorted(result(ledger.database), key=bool)[:10] == [None] * 9 + [broadcast.rs_broadcast_id]


def test_matching_that_is_interrupted_is_done_by_the_next_round(
    ledger: Ledger, rs_db: RsDb, upload: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_by(ledger.database, replace(OPEN, communication_key="K1"))
    upload(1, (("K1", ""),))

    def stop(*_args: object, **_named: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(unmatched, "settle", stop)
        assert match_responses(ledger, rs_db) == 0
    assert result(ledger.database) == [None]
    assert unmatched_rows(ledger) == 1
    assert match_responses(ledger, rs_db) == 1
    assert unmatched_rows(ledger) == 0


def test_responses_that_cannot_be_matched_stop_no_others(
    ledger: Ledger, rs_db: RsDb, upload: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(unmatched, "_BATCH", 1)
    attribute, wake = RsDb.attribute, unmatched.wake
    found_by(ledger.database, *(replace(OPEN, communication_key=f"K{number}") for number in range(3)))
    upload(1, (("K0", ""),))
    upload(2, tuple((f"K{number}", "") for number in range(1, 3)))
    attributed, woken = [], []

    def first_fails(*arguments: Any) -> None:
        attributed.append(arguments)
        if len(attributed) == 1:
            raise ProgrammingError("UPDATE", {"email": "ann@example.com"}, ValueError("ann@example.com"))
        attribute(*arguments)

    def wake_first_fails(database: Database, changed: unmatched.Changed) -> None:
        woken.append(changed.id)
        if len(woken) == 1:
            raise ZeroDivisionError
        wake(database, changed)

    with monkeypatch.context() as patch:
        patch.setattr(RsDb, "attribute", first_fails)
        patch.setattr(unmatched, "wake", wake_first_fails)
        assert match_responses(ledger, rs_db) == 2
    assert len(woken) == 2
    assert unmatched_rows(ledger) == 1
    assert "ProgrammingError at" in caplog.text
    assert "ann@" not in caplog.text
    assert match_responses(ledger, rs_db) == 1


#: What an event of these files states, and the broadcast whose key it carries; that of the third never comes.
TOLD = st.tuples(st.sampled_from(["Open", "Click"]), st.integers(1, 3))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(TOLD, max_size=8), min_size=1, max_size=3), data=st.data())
def test_whatever_comes_first_every_response_ends_with_its_broadcast_and_is_counted_once(
    ledger: Ledger, rs_db: RsDb, upload: Any, files: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    database, example = ledger.database, next(EXAMPLES)
    jobs = {number: 10 * example + number for number in (1, 2, 3)}
    happened = reduce(or_, map(Counter, files))
    happenings = [*range(len(files)), *data.draw(st.lists(st.sampled_from(range(len(files))), max_size=2), "again")]
    order = data.draw(st.permutations([*happenings, "1 comes", "2 comes", "match", "match"]), "order")
    broadcasts: dict[int, Broadcast] = {}
    loads: list[ResponseFile] = []
    for one in order:
        match one:
            case "1 comes" | "2 comes":
                broadcasts[int(one[0])] = upload(jobs[int(one[0])])
            case "match":
                match_responses(ledger, rs_db)
            case int():
                events = (
                    replace(OPEN, message_type=kind, urn=f"{example}", broadcast_key=f"J{jobs[number]}-00000000")
                    for kind, number in files[one]
                )
                loads.append(gathered(database, f"Response{example}"))
                load(database, loads[-1], list(events))
    match_responses(ledger, rs_db)

    response = SCHEMA.response
    of_kind = select(response.c.message_type, response.c.broadcast_id).where(response.c.urn == f"{example}")
    ours = {one.rs_broadcast_id: number for number, one in broadcasts.items()}
    with database.reading() as connection:
        rows = connection.execute(of_kind).all()
    assert Counter((kind, ours.get(broadcast_id, 3)) for kind, broadcast_id in rows) == happened
    found = response_counts.of_broadcasts(database, [one.id for one in broadcasts.values()])
    counted = {
        (kind, n): rows
        for n, one in broadcasts.items()
        if one.id in found
        for kind, rows in found[one.id].loaded.items()
    }
    assert counted == {(kind, number): rows for (kind, number), rows in happened.items() if number != 3}
    records = [ledger.response_files.get(file.id) for file in loads]
    unmatched_now = sum(one.counts.unmatched for one in records if one.counts)
    assert unmatched_now == sum(rows for (_, number), rows in happened.items() if number == 3)


def test_who_waits_is_known_by_hashes_only(ledger: Ledger) -> None:
    found_by(ledger.database, replace(OPEN, communication_key="Key-of-Ann", urn="Urn-of-Ann"))
    with ledger.database.reading() as connection:
        (row,) = connection.execute(select(tables.unmatched_response)).all()
    assert "of-Ann" not in str(tuple(row))
    assert row.communication_key_hash == recipients.key_hash(" key-of-ANN ")


# Recipients


def test_recipients_are_replaced_as_a_whole(database: Database, take_in: TakeIn) -> None:
    mine, other = take_in(1), take_in(2)
    for broadcast in (mine, other):
        remember(database, broadcast.id, [(line, f"K{line}", "") for line in range(2, 25_000, 10)])
    recipients.remove(database, mine.id)
    with database.reading() as connection:
        counted = connection.execute(
            select(tables.recipient.c.broadcast_id, func.count()).group_by(tables.recipient.c.broadcast_id)
        ).all()
    assert [tuple(row) for row in counted] == [(other.id, 2500)]


@pytest.mark.parametrize(
    ("state", "ended_in", "kept"),
    [
        (State.CANCELLED, State.PREPARED, False),
        (State.FAILED, State.CLAIMED, False),
        (State.FAILED, State.PREPARED, True),
        (State.PREPARED, None, True),
    ],
)
def test_recipients_of_a_broadcast_that_never_can_be_uploaded_are_forgotten(
    database: Database, take_in: TakeIn, state: State, ended_in: State | None, kept: bool
) -> None:
    broadcast = take_in(1, state=state, ended_in=ended_in)
    remember(database, broadcast.id, [(2, "K1", "7")])
    recipients.forget_never_uploaded(database)
    with database.reading() as connection:
        assert len(connection.execute(select(tables.recipient)).all()) == kept


def test_a_recipient_without_a_key_has_no_hash() -> None:
    assert recipients.key_hash(" ") is None
    assert recipients.key_hash("a") != recipients.key_hash("b")
