"""Responses are a multiset united by maximum: any files, in any order, any number of times (rule 6)."""

import itertools
import json
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, DateTime, Row, column, delete, func, select, table, update

from shared.broadcast import Broadcast
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import LeaseLost
from shared.faststats.rs_db import RsDb
from shared.ledger import Ledger, tables
from shared.ledger.responses import staging as responses
from shared.ledger.responses.move import move
from shared.response import Response, event_key
from shared.response_file import FileState

from .loading import MOMENT, SCHEMA, ZONE, empty, gathered, load, numbered

ROOT = Path(__file__).parents[4]
TakeIn = Callable[..., Broadcast]

OPEN = Response(
    message_type="Open", event_time=MOMENT, email="ann@example.com", urn="1", communication_key="K1", mailing_id="9"
)


def rows(database: Database) -> list[Row[Any]]:
    with database.reading() as connection:
        return list(connection.execute(select(SCHEMA.response).order_by(SCHEMA.response.c.id)))


def count(database: Database, table: Any) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All that a load writes, but for the record of the load itself."""
    with database.reading() as connection:
        return {
            table.name: sorted(tuple(row) for row in connection.execute(select(table)))
            for table in (SCHEMA.response, SCHEMA.response_details, tables.response_event, tables.response_staging)
        }


# Rule 6


#: Few enough events that files overlap and repeat; some differ only in what is no part of the key. What they state is
#: stated by all of them: test_identity.py has events that state less.
EVENTS = st.builds(
    Response,
    message_type=st.sampled_from(["Open", "Click"]),
    event_time=st.sampled_from([MOMENT, MOMENT + timedelta(hours=1)]),  # one wall time in Berlin, two moments
    email=st.just("ann@example.com"),
    urn=st.just("1"),
    communication_key=st.sampled_from(["K1", "k1", "K2"]),
    mailing_id=st.sampled_from(["8", "9"]),
    click_url=st.sampled_from(["", "https://example.com/ä?b=c"]),
    details=st.sampled_from([{}, {"Browser": "X"}]),
)
FILES = st.lists(st.lists(EVENTS, max_size=8), min_size=1, max_size=4)


def by_key(events: Sequence[Response]) -> Counter[bytes]:
    return Counter(event_key(one) for one in events)


def recorded(database: Database) -> Counter[bytes]:
    with database.reading() as connection:
        return Counter(connection.scalars(select(tables.response_event.c.event_key)))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=FILES, data=st.data())
def test_the_rows_are_the_union_by_maximum_of_the_files_whatever_their_order_and_repetition(
    database: Database, files: list[list[Response]], data: st.DataObject
) -> None:
    empty(database)
    order = [*range(len(files)), *data.draw(st.lists(st.sampled_from(range(len(files))), max_size=3), "again")]
    order = data.draw(st.permutations(order), "order")
    seen: Counter[bytes] = Counter()
    for index in order:
        counts = load(database, gathered(database, f"Response{index}"), files[index])
        wanted = seen | by_key(files[index])
        assert counts.loaded == wanted.total() - seen.total()
        seen = wanted
        assert recorded(database) == seen
    assert seen == reduce(or_, (by_key(file) for file in files))

    # Row by row: the responses are of these events, and each belongs to one. In Berlin both times are half past two.
    result = {event_key(one): (one.message_type, MOMENT, one.click_url or None) for file in files for one in file}
    assert Counter((row.message_type, row.event_triggered_date, row.click_url) for row in rows(database)) == Counter(
        result[key] for key in seen.elements()
    )
    with database.reading() as connection:
        ids = list(connection.scalars(select(tables.response_event.c.response_id)))
    assert sorted(ids) == [row.id for row in rows(database)]

    before = everything(database)
    for index in order:
        assert load(database, gathered(database, f"Response{index}"), files[index]).loaded == 0
    assert everything(database) == before


def test_equal_events_of_one_file_are_all_kept(database: Database) -> None:
    counts = load(database, gathered(database, "Response1"), [OPEN] * 3)
    assert (counts.read, counts.loaded, counts.known) == (3, 3, 0)
    assert len(rows(database)) == 3


def test_a_file_with_more_of_the_same_event_adds_only_what_is_missing(database: Database) -> None:
    load(database, gathered(database, "Response1"), [OPEN] * 2)
    counts = load(database, gathered(database, "Response2"), [OPEN] * 5)
    assert (counts.loaded, counts.known) == (3, 2)
    counts = load(database, gathered(database, "Response3"), [OPEN])
    assert (counts.loaded, counts.known) == (0, 1)
    assert len(rows(database)) == 5


def test_a_file_without_rows_is_loaded(database: Database) -> None:
    file = gathered(database, "Response1")
    assert load(database, file, []).read == 0
    assert rows(database) == []


@pytest.mark.parametrize("hours", [-9, 2])
def test_an_event_reported_in_another_zone_is_known_when_it_comes_again(database: Database, hours: int) -> None:
    elsewhere = replace(OPEN, event_time=MOMENT.astimezone(timezone(timedelta(hours=hours))))
    assert load(database, gathered(database, "Response1"), [elsewhere]).loaded == 1
    assert load(database, gathered(database, "Response2"), [elsewhere]).loaded == 0
    assert load(database, gathered(database, "Response3"), [OPEN]).loaded == 0


def test_an_event_is_recorded_under_the_key_it_was_staged_with(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A database may give a text or a time back a little different from what it was given.
    with monkeypatch.context() as patch:
        patch.setattr(responses, "event_key", lambda _response: b"staged-key-16-by")
        responses.stage(BulkLoad(database), gathered(database, "Response1"), "load", [(2, OPEN)], ZONE)
    with database.writing() as connection:
        move(connection, "load", RsDb(SCHEMA), now=MOMENT)
    assert recorded(database) == Counter([b"staged-key-16-by"])


# Large files


def test_a_large_file_is_moved_in_batches_and_every_row_keeps_its_own_details(database: Database) -> None:
    events = [replace(numbered(number), details={"Browser": f"B{number}", "Geo": "ö"}) for number in range(2500)]
    random.Random(1).shuffle(events)
    assert load(database, gathered(database, "Response1"), events[:2100]).loaded == 2100
    counts = load(database, gathered(database, "Response2"), events[400:] * 2)
    # Every event of the second file comes twice: 1,700 are known once, 400 are new twice.
    assert (counts.read, counts.loaded, counts.known) == (4200, 400 * 2 + 1700, 1700)
    assert count(database, SCHEMA.response) == 2100 + 400 * 2 + 1700
    details = SCHEMA.response_details
    with database.reading() as connection:
        result = connection.execute(
            select(SCHEMA.response.c.urn, SCHEMA.response.c.email, details.c.value)
            .join_from(SCHEMA.response, details, details.c.id == SCHEMA.response.c.id)
            .where(details.c.name == "Browser")
        ).all()
    assert len(result) == count(database, SCHEMA.response)
    assert all(value == f"B{urn}" and email == f"{urn}@example.com" for urn, email, value in result)


@pytest.mark.parametrize("gap", [1, 7, 25_000])
def test_new_rows_come_in_batches_and_none_is_left_out(database: Database, gap: int) -> None:
    lines = range(2, 2500 * gap, gap)  # where other lines are refused
    file = gathered(database, "Response1")
    responses.stage(BulkLoad(database), file, "load", [(line, numbered(line)) for line in lines[:2000]], ZONE)
    with database.writing() as connection:
        responses.number_new(connection, "load")
        places: list[str] = []
        sizes: list[int] = []
        for batch in responses.batches(connection, "load"):
            staged = tables.response_staging
            urns = connection.scalars(select(staged.c.urn).where(batch.rows).order_by(staged.c.place)).all()
            places += urns
            sizes.append(len(urns))
            assert (batch.size, batch.first_place) == (len(urns), sum(sizes[:-1]) + 1)
    assert places == [str(line) for line in lines[:2000]]
    assert max(sizes) <= 10_000


def test_ids_that_others_took_in_between_are_nobody_of_ours(database: Database) -> None:
    """As if FERG wrote to `Response` while its rows are inserted."""
    file = gathered(database, "Response1")
    responses.stage(BulkLoad(database), file, "load", [(line, numbered(line)) for line in range(100)], ZONE)
    with database.writing() as connection:
        responses.number_new(connection, "load")
        (batch,) = responses.batches(connection, "load")
        ids = RsDb(SCHEMA).add_responses(connection, batch)
        apart = [one + one // 7 * 3 for one in ids]
        for was, becomes in sorted(zip(ids, apart, strict=True), reverse=True):
            connection.execute(update(SCHEMA.response).where(SCHEMA.response.c.id == was).values(id=becomes))
        responses.record(connection, batch, apart, now=MOMENT)
        result = connection.execute(
            select(SCHEMA.response.c.urn, tables.response_event.c.event_key).join(
                tables.response_event, tables.response_event.c.response_id == SCHEMA.response.c.id
            )
        ).all()
    assert len(set(apart)) == len(apart) < apart[-1]
    assert dict(result) == {str(line): event_key(numbered(line)) for line in range(100)}


# All or nothing


class Stop(Exception):
    pass


def stop(*_args: object, **_named: object) -> None:
    raise Stop


@pytest.mark.parametrize("place", ["between batches", "recording events", "before the commit"])
def test_a_load_that_is_interrupted_leaves_nothing_and_can_be_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    load(database, gathered(database, "Response1"), [numbered(number) for number in range(10)])
    before = everything(database)
    file, events = gathered(database, "Response2"), [numbered(number) for number in range(1500)]
    if place == "between batches":
        write, batches = RsDb.add_responses, itertools.count(1)

        monkeypatch.setattr(responses, "_LINES", 1000)

        def second_time(self: RsDb, connection: Connection, batch: Any) -> list[int]:
            if next(batches) > 1:
                stop()
            return write(self, connection, batch)

        monkeypatch.setattr(RsDb, "add_responses", second_time)
    elif place == "recording events":
        monkeypatch.setattr(responses, "record", stop)
    with pytest.raises(Stop):
        load(database, file, events, before_commit=stop if place == "before the commit" else lambda _: None)
    monkeypatch.undo()

    after = everything(database)
    assert {name: table for name, table in after.items() if name != "response_staging"} == {
        name: table for name, table in before.items() if name != "response_staging"
    }
    assert len(after["response_staging"]) == 1500  # cleared by the next load
    with database.reading() as connection:
        state = connection.scalar(select(tables.response_file.c.state).where(tables.response_file.c.id == file.id))
    assert state == FileState.GATHERED
    assert load(database, file, events).loaded == 1490
    assert count(database, SCHEMA.response) == 1500
    assert count(database, tables.response_staging) == 0


def test_what_an_interrupted_load_staged_is_no_part_of_the_next(database: Database) -> None:
    file = gathered(database, "Response1")
    responses.stage(BulkLoad(database), file, "interrupted", [(2, OPEN), (3, OPEN)], ZONE)
    assert load(database, file, [OPEN]).loaded == 1


# Side by side


@pytest.mark.parametrize("cleared", ["all", "a part"])
def test_rows_that_somebody_else_cleared_away_are_not_taken_for_known(
    database: Database, monkeypatch: pytest.MonkeyPatch, cleared: str
) -> None:
    file, events = gathered(database, "Response1"), [numbered(number) for number in range(10)]
    stage = responses.stage

    def stage_and_lose(*args: Any) -> None:
        stage(*args)
        with database.writing() as connection:
            connection.execute(
                delete(tables.response_staging).where(tables.response_staging.c.line > (0 if cleared == "all" else 9))
            )

    monkeypatch.setattr(responses, "stage", stage_and_lose)
    with pytest.raises(LeaseLost):
        load(database, file, events)
    monkeypatch.undo()
    assert rows(database) == []
    assert load(database, file, events).loaded == 10


def files_of(numbers: range, *, seed: int) -> list[list[int]]:
    """Files that overlap and repeat, and together hold every number twice at most within a file."""
    chance = random.Random(seed)
    events = [*numbers, *numbers]
    chance.shuffle(events)
    whole = [events[start : start + 40] for start in range(0, len(events), 30)]
    return chance.sample(whole, len(whole))


def union(*files: list[int]) -> Counter[str]:
    return reduce(or_, (Counter(str(number) for number in file) for file in files))


def by_urn(database: Database) -> Counter[str]:
    return Counter(row.urn for row in rows(database))


def test_threads_that_load_overlapping_files_at_once_end_in_the_same_rows(
    open_database: Callable[[], Database], database: Database
) -> None:
    files = [files_of(range(60), seed=seed) for seed in (1, 2)]
    start = threading.Barrier(2)

    def load_all(seed: int) -> None:
        own = open_database()
        start.wait()
        for place, numbers in enumerate(files[seed]):
            load(own, gathered(own, f"Response {seed} {place}"), [numbered(number) for number in numbers])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(load_all, range(2)))
    assert by_urn(database) == union(*files[0], *files[1])
    assert count(database, tables.response_staging) == 0


def test_processes_that_load_overlapping_files_at_once_end_in_the_same_rows(
    url: str, database: Database, tmp_path: Path
) -> None:
    files = [files_of(range(60), seed=seed) for seed in (1, 2)]
    processes = []
    for seed, own in enumerate(files):
        path = tmp_path / f"files{seed}.json"
        path.write_text(json.dumps(own))
        processes.append(
            subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("loading.py")), str(path)],
                cwd=ROOT,
                env=os.environ | {"PYTHONPATH": str(ROOT), "RS_DB": url},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], ended
    assert by_urn(database) == union(*files[0], *files[1])


# Whose response it is


@pytest.fixture
def sent(ledger: Ledger, take_in: TakeIn) -> Broadcast:
    broadcast = take_in(1)
    with ledger.database.writing() as connection:
        rs_id = RsDb(SCHEMA).record_prepared(connection, broadcast)
    return ledger.broadcasts.update(broadcast, rs_broadcast_id=rs_id)


def test_a_response_is_tied_to_its_broadcast_and_message(database: Database, sent: Broadcast, take_in: TakeIn) -> None:
    take_in(11)  # a key that begins like the other, and no row in RS_DB yet
    counts = load(
        database,
        gathered(database, "Response1"),
        [
            replace(OPEN, broadcast_key=sent.key),
            replace(OPEN, broadcast_key="J11-00000000"),
            replace(OPEN, broadcast_key="J99-00000000"),
            OPEN,
        ],
    )
    assert counts.unmatched == 3
    result = [(row.broadcast_id, row.message_name) for row in rows(database)]
    assert result == [(sent.rs_broadcast_id, "Spring"), (None, ""), (None, ""), (None, "")]


def test_a_response_is_written_with_all_that_its_file_reported(database: Database, sent: Broadcast) -> None:
    click = Response(
        message_type="Click",
        event_time=datetime(2026, 7, 1, 10, 30, tzinfo=UTC),
        email="Ünal@example.com",
        urn="00123",
        communication_key="K-1",
        broadcast_key=sent.key,
        mailing_id="9",
        delivery_date=datetime(2026, 7, 1, 8, tzinfo=UTC),
        click_url="https://example.com/?a=1&b='2'",
        click_date=datetime(2026, 7, 1, 10, 30, tzinfo=UTC),
        details={"Browser": "X", "Geo": "", "Quote": "'\"\n;"},
    )
    load(database, gathered(database, "Response1"), [click])
    (row,) = rows(database)
    assert {column.key: row._mapping[column] for column in SCHEMA.response.c} == {
        "id": row.id,
        "email": "Ünal@example.com",
        "urn": "00123",
        "communication_key": "K-1",
        "message_type": "Click",
        "message_name": "Spring",
        "delivery_date": click.delivery_date,
        "click_url": click.click_url,
        "click_date": click.click_date,
        "event_triggered_date": click.event_time,
        "broadcast_id": sent.rs_broadcast_id,
    }
    with database.reading() as connection:
        details = connection.execute(select(SCHEMA.response_details)).all()
        wall = connection.execute(
            select(column("EventTriggeredDate", DateTime())).select_from(table("Response"))
        ).scalar_one()
    assert {(one.id, one.name, one.value) for one in details} == {
        (row.id, name, value) for name, value in click.details.items()
    }
    assert wall == datetime(2026, 7, 1, 12, 30), "times are those of the server's zone"  # noqa: DTZ001
