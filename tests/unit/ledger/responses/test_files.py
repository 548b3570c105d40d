"""Response files in the ledger: each look, each copy and each load counts once."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import LeaseLost
from shared.ledger import Ledger, tables
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import FileState, LoadCounts, ResponseFile, lease_name, record_load
from shared.rejects import RejectReason
from shared.response import Response
from tests.clocks import MovableClock

UTC_ZONE = ZoneInfo("UTC")
MODIFIED = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
COUNTS = LoadCounts(read=10, loaded=5, known=3, rejected=2, unmatched=1, by_type={"Open": 4, "Click": 1})


def see(ledger: Ledger, name: str = "Response1.csv", *, size: int = 100) -> ResponseFile:
    ledger.response_files.see(name, size, MODIFIED, layout="default")
    found = ledger.response_files.find(name, size, MODIFIED)
    assert found is not None
    return found


def gather(ledger: Ledger, clock: MovableClock, name: str = "Response1.csv", *, size: int = 100) -> ResponseFile:
    seen = see(ledger, name, size=size)
    assert ledger.response_files.gathered(seen, sha256="00", due_at=clock.now())
    return again(ledger, seen)


def again(ledger: Ledger, file: ResponseFile) -> ResponseFile:
    found = ledger.response_files.get(file.id)
    assert found is not None
    return found


def stage(ledger: Ledger, clock: MovableClock, file: ResponseFile, rows: int) -> None:
    response = Response(message_type="Open", event_time=clock.now())
    if rows:
        rows_of = [(line, response) for line in range(rows)]
        responses.stage(BulkLoad(ledger.database), file, uuid4().hex, rows_of, UTC_ZONE)


def load(
    ledger: Ledger,
    clock: MovableClock,
    file: ResponseFile,
    counts: LoadCounts = COUNTS,
    rejects: Mapping[RejectReason, int] = MappingProxyType({}),
) -> None:
    stage(ledger, clock, file, counts.loaded + counts.known)
    with ledger.database.writing() as connection:
        record_load(connection, file, counts, rejects, now=clock.now())


def test_a_file_is_known_by_its_name_its_size_and_its_time(ledger: Ledger, clock: MovableClock) -> None:
    file = see(ledger)
    assert (file.state, file.seen_at, file.due_at, file.attempts) == (FileState.SEEN, clock.now(), clock.now(), 0)
    assert (file.gathered_at, file.loaded_at, file.counts, file.sha256) == (None, None, None, None)
    assert ledger.response_files.find("Response1.csv", 101, MODIFIED) is None
    assert ledger.response_files.find("Response1.csv", 100, MODIFIED + timedelta(seconds=1)) is None
    assert ledger.response_files.find("Response2.csv", 100, MODIFIED) is None


def test_an_unknown_file_is_none(ledger: Ledger) -> None:
    assert ledger.response_files.get(99) is None


def test_seeing_the_same_file_again_keeps_the_first_look(ledger: Ledger, clock: MovableClock) -> None:
    first = see(ledger)
    clock.advance(minutes=5)
    assert see(ledger) == first


def test_a_file_that_grew_is_looked_at_anew(ledger: Ledger) -> None:
    see(ledger)
    other = see(ledger, "Response2.csv")
    grown = see(ledger, size=200)
    assert {file.id for file in ledger.response_files.newest(10)} == {other.id, grown.id}


def test_a_file_that_changed_after_it_was_gathered_is_another_file(ledger: Ledger, clock: MovableClock) -> None:
    gathered = gather(ledger, clock)
    changed = see(ledger, size=200)
    assert again(ledger, gathered) == gathered
    assert changed.blob != gathered.blob


def test_seeing_a_file_that_was_gathered_already_changes_nothing(ledger: Ledger, clock: MovableClock) -> None:
    gathered = gather(ledger, clock)
    assert see(ledger) == gathered


def test_a_file_is_gathered_once(ledger: Ledger, clock: MovableClock) -> None:
    seen = see(ledger)
    due = clock.now() + timedelta(minutes=1)
    assert ledger.response_files.gathered(seen, sha256="11", due_at=due)
    clock.advance(hours=1)
    assert not ledger.response_files.gathered(seen, sha256="22", due_at=due)
    file = again(ledger, seen)
    assert (file.state, file.sha256, file.due_at) == (FileState.GATHERED, "11", due)


def test_every_try_of_a_load_is_counted(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    due = clock.advance(minutes=1)
    ledger.response_files.try_load(file, due_at=due)
    ledger.response_files.try_load(file, due_at=due)
    assert (again(ledger, file).attempts, again(ledger, file).due_at) == (2, due)


def test_a_load_is_recorded_with_its_rows(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    clock.advance(minutes=1)
    load(ledger, clock, file)
    loaded = again(ledger, file)
    assert (loaded.state, loaded.loaded_at, loaded.counts) == (FileState.LOADED, clock.now(), COUNTS)


def test_a_load_clears_the_staged_rows_of_its_file_and_of_no_other(ledger: Ledger, clock: MovableClock) -> None:
    file, other = gather(ledger, clock), gather(ledger, clock, "Response2.csv")
    stage(ledger, clock, other, 3)
    load(ledger, clock, file)
    with ledger.database.reading() as connection:
        left = list(connection.scalars(select(tables.response_staging.c.response_file_id)))
    assert left == [other.id] * 3


@pytest.mark.parametrize("rows", [0, 7, 9])
def test_a_load_whose_staged_rows_are_not_those_that_were_counted_leaves_nothing(
    ledger: Ledger, clock: MovableClock, rows: int
) -> None:
    file = gather(ledger, clock)
    stage(ledger, clock, file, rows)
    with pytest.raises(LeaseLost), ledger.database.writing() as connection:
        record_load(connection, file, COUNTS, {}, now=clock.now())
    assert again(ledger, file) == file


def test_rejects_of_a_file_are_those_of_its_last_load(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    with ledger.database.writing() as connection:
        connection.execute(
            insert(tables.reject_count).values(response_file_id=file.id, reason="of an earlier load", rows=5)
        )
    load(ledger, clock, file, rejects={RejectReason.DATE_INVALID: 2})
    with ledger.database.reading() as connection:
        counted = connection.execute(select(tables.reject_count.c.reason, tables.reject_count.c.rows)).all()
    assert [tuple(row) for row in counted] == [("date-invalid", 2)]


@pytest.mark.parametrize("end", ["loaded", "failed"])
def test_a_load_of_a_file_that_does_not_wait_for_it_any_more_leaves_nothing(
    ledger: Ledger, clock: MovableClock, end: str
) -> None:
    file = gather(ledger, clock)
    if end == "loaded":
        load(ledger, clock, file)
    else:
        ledger.response_files.failed(file, code="x", sentence="y")
    before = again(ledger, file)
    with pytest.raises(LeaseLost, match=r"Response1\.csv"):
        load(
            ledger,
            clock,
            file,
            LoadCounts(read=2, loaded=1, known=0, rejected=1, unmatched=0),
            {RejectReason.DATE_INVALID: 1},
        )
    assert again(ledger, file) == before
    with ledger.database.reading() as connection:
        assert connection.execute(select(tables.reject_count)).all() == []


def test_a_failed_file_keeps_its_error_and_loses_its_staged_rows(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    ledger.response_files.failed(file, code="response-file-layout", sentence="x" * 5000)
    failed = again(ledger, file)
    assert (failed.state, failed.error_code, failed.error) == (FileState.FAILED, "response-file-layout", "x" * 2000)


def test_a_file_that_was_loaded_meanwhile_does_not_fail_any_more(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    load(ledger, clock, file)
    ledger.response_files.failed(file, code="x", sentence="y")
    assert again(ledger, file).state is FileState.LOADED


def test_rows_that_leave_in_a_file_stay_staged_whatever_happens_to_their_response_file(
    ledger: Ledger, clock: MovableClock
) -> None:
    file, staging = gather(ledger, clock), tables.response_staging
    stage(ledger, clock, file, 8)
    with ledger.database.writing() as connection:
        connection.execute(update(staging).where(staging.c.line < 5).values(place=staging.c.line + 1))
        record_load(connection, file, COUNTS, {}, keep_new=True, now=clock.now())
    ledger.response_files.failed(file, code="x", sentence="y")
    responses.clear(ledger.database, file)
    with ledger.database.reading() as connection:
        assert sorted(connection.scalars(select(staging.c.place))) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("state", FileState)
def test_the_sweep_finds_overdue_files_that_are_gathered_and_not_loaded(
    ledger: Ledger, clock: MovableClock, state: FileState
) -> None:
    file = see(ledger) if state is FileState.SEEN else gather(ledger, clock)
    if state is FileState.LOADED:
        load(ledger, clock, file)
    if state is FileState.FAILED:
        ledger.response_files.failed(file, code="x", sentence="y")
    clock.advance(seconds=1)
    found = ledger.response_files.forgotten(limit=10)
    assert [one.id for one in found] == ([file.id] if state is FileState.GATHERED else [])


def test_the_sweep_leaves_a_file_that_is_not_due(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    assert ledger.response_files.forgotten(limit=10) == []
    ledger.response_files.put_off(file, due_at=clock.now() + timedelta(minutes=5))
    clock.advance(minutes=4)
    assert ledger.response_files.forgotten(limit=10) == []
    clock.advance(minutes=2)
    assert ledger.response_files.forgotten(limit=10) == [again(ledger, file)]


def test_the_sweep_leaves_a_file_that_is_being_loaded_until_its_lease_has_run_out(
    ledger: Ledger, clock: MovableClock, database: Database
) -> None:
    file, other = gather(ledger, clock), gather(ledger, clock, "Response11.csv")
    clock.advance(minutes=1)
    with ledger.leases.held(lease_name(file.name), "step"):
        assert ledger.response_files.forgotten(limit=10) == [other]
    with database.writing() as connection:
        connection.execute(
            insert(tables.lease).values(
                name=lease_name(file.name), owner="dead", expires_at=clock.now() + timedelta(seconds=60)
            )
        )
    clock.advance(seconds=59)
    assert ledger.response_files.forgotten(limit=10) == [other]
    clock.advance(seconds=1)
    assert len(ledger.response_files.forgotten(limit=10)) == 2


def test_the_sweep_takes_the_longest_overdue_first_and_no_more_than_asked(ledger: Ledger, clock: MovableClock) -> None:
    for number, minutes in ((1, 1), (2, 3), (3, 2)):
        file = gather(ledger, clock, f"Response{number}.csv")
        ledger.response_files.put_off(file, due_at=clock.now() - timedelta(minutes=minutes))
    found = ledger.response_files.forgotten(limit=2)
    assert [one.name for one in found] == ["Response2.csv", "Response3.csv"]


def test_totals_count_files_by_state_and_add_up_their_rows(ledger: Ledger, clock: MovableClock) -> None:
    assert set(ledger.response_files.totals().values()) == {0}
    see(ledger, "Response1.csv")
    gather(ledger, clock, "Response2.csv")
    load(ledger, clock, gather(ledger, clock, "Response3.csv"))
    load(ledger, clock, gather(ledger, clock, "Response4.csv"))
    assert ledger.response_files.totals() == {
        "files_seen": 1,
        "files_gathered": 1,
        "files_loaded": 2,
        "files_failed": 0,
        "rows_read": 20,
        "rows_loaded": 10,
        "rows_known": 6,
        "rows_rejected": 4,
        "rows_unmatched": 2,
    }
