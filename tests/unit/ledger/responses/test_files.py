"""Response files in the ledger: each look, each copy and each load counts once."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import LeaseLost, ResponseFileLayout, ResponseFileUnknown
from shared.ledger import Ledger, tables
from shared.ledger.leases import LeaseName
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import record_load
from shared.rejects import RejectReason
from shared.response import Response
from shared.response_file import FileState, LoadCounts, ResponseFile
from tests.clocks import MovableClock
from tests.response_files import OWNER, add_file, gather_file

UTC_ZONE = ZoneInfo("UTC")
MODIFIED = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
ERROR = ResponseFileLayout(file="Response1.csv", reason="of a test")
COUNTS = LoadCounts(read=10, loaded=5, known=3, rejected=2, unmatched=1, by_type={"Open": 4, "Click": 1})


def see(ledger: Ledger, name: str = "Response1.csv", *, size: int = 100) -> ResponseFile:
    return add_file(ledger.response_files, name, size, MODIFIED)


def gather(ledger: Ledger, clock: MovableClock, name: str = "Response1.csv", *, size: int = 100) -> ResponseFile:
    return gather_file(ledger.response_files, see(ledger, name, size=size), due_at=clock.now())


def again(ledger: Ledger, file: ResponseFile) -> ResponseFile:
    return ledger.response_files.get(file.id)


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
        record_load(connection, file, counts, rejects, owner=OWNER, now=clock.now())


def test_a_file_is_known_by_its_name_its_size_and_its_time(ledger: Ledger, clock: MovableClock) -> None:
    file = see(ledger)
    assert (file.state, file.seen_at, file.due_at, file.attempts) == (FileState.SEEN, clock.now(), clock.now(), 0)
    assert (file.gathered_at, file.loaded_at, file.counts, file.sha256) == (None, None, None, None)
    assert ledger.response_files.find("Response1.csv", 101, MODIFIED) is None
    assert ledger.response_files.find("Response1.csv", 100, MODIFIED + timedelta(seconds=1)) is None
    assert ledger.response_files.find("Response2.csv", 100, MODIFIED) is None


def test_an_unknown_file_is_an_error(ledger: Ledger) -> None:
    with pytest.raises(ResponseFileUnknown, match="99"):
        ledger.response_files.get(99)


def test_seeing_the_same_file_again_keeps_the_first_look(ledger: Ledger, clock: MovableClock) -> None:
    first = see(ledger)
    clock.advance(minutes=5)
    assert see(ledger) == first


def test_a_file_that_grew_is_checked_anew(ledger: Ledger) -> None:
    see(ledger)
    other = see(ledger, "Response2.csv")
    grown = see(ledger, size=200)
    assert {file.id for file in ledger.response_files.newest(10)} == {other.id, grown.id}


def test_a_file_that_changed_after_it_was_gathered_is_another_file(ledger: Ledger, clock: MovableClock) -> None:
    gathered = gather(ledger, clock)
    changed = see(ledger, size=200)
    assert again(ledger, gathered) == gathered
    assert changed.id != gathered.id


def test_seeing_a_file_that_was_gathered_already_changes_nothing(ledger: Ledger, clock: MovableClock) -> None:
    gathered = gather(ledger, clock)
    assert see(ledger) == gathered


def test_a_file_is_gathered_once(ledger: Ledger, clock: MovableClock) -> None:
    seen = see(ledger)
    due = clock.now() + timedelta(minutes=1)
    file = gather_file(ledger.response_files, seen, due_at=due)
    clock.advance(hours=1)
    with pytest.raises(LeaseLost):
        gather_file(ledger.response_files, seen, due_at=clock.now())
    assert again(ledger, seen) == file
    assert (file.state, file.sha256, file.due_at) == (FileState.GATHERED, "00", due)


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
        record_load(connection, file, COUNTS, {}, owner=OWNER, now=clock.now())
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
        ledger.response_files.fail(file, ERROR, owner=OWNER)
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
    failed = ledger.response_files.fail(file, ResponseFileLayout(file=file.name, reason="x" * 5000), owner=OWNER)
    assert failed == again(ledger, file)
    assert (failed.state, failed.error_code) == (FileState.FAILED, "response-file-layout")
    assert failed.error is not None
    assert (len(failed.error), "x" * 1000 in failed.error) == (2000, True)


def test_a_file_that_was_loaded_meanwhile_does_not_fail_any_more(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    load(ledger, clock, file)
    with pytest.raises(LeaseLost):
        ledger.response_files.fail(file, ERROR, owner=OWNER)
    assert again(ledger, file).state is FileState.LOADED


def test_rows_that_leave_in_a_file_stay_staged_whatever_happens_to_their_response_file(
    ledger: Ledger, clock: MovableClock
) -> None:
    file, staging = gather(ledger, clock), tables.response_staging
    stage(ledger, clock, file, 8)
    with ledger.database.writing() as connection:
        connection.execute(update(staging).where(staging.c.line < 5).values(place=staging.c.line + 1))
        loaded = record_load(connection, file, COUNTS, {}, owner=OWNER, keep_new=True, now=clock.now())
    file = ledger.response_files.load_again(loaded, due_at=clock.now(), owner=OWNER)
    ledger.response_files.fail(file, ERROR, owner=OWNER)
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
        ledger.response_files.fail(file, ERROR, owner=OWNER)
    clock.advance(seconds=1)
    found = ledger.response_files.forgotten(limit=10)
    assert [one.id for one in found] == ([file.id] if state is FileState.GATHERED else [])


def test_the_sweep_leaves_a_file_that_is_not_due(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    assert ledger.response_files.forgotten(limit=10) == []
    ledger.response_files.update(file, due_at=clock.now() + timedelta(minutes=5))
    clock.advance(minutes=4)
    assert ledger.response_files.forgotten(limit=10) == []
    clock.advance(minutes=2)
    assert ledger.response_files.forgotten(limit=10) == [again(ledger, file)]


def test_the_sweep_leaves_a_file_that_is_being_loaded_until_its_lease_has_run_out(
    ledger: Ledger, clock: MovableClock, database: Database
) -> None:
    file, other = gather(ledger, clock), gather(ledger, clock, "Response11.csv")
    clock.advance(minutes=1)
    with ledger.leases.held(LeaseName.for_response_file(file.name), "step"):
        assert ledger.response_files.forgotten(limit=10) == [other]
    with database.writing() as connection:
        connection.execute(
            insert(tables.lease).values(
                name=LeaseName.for_response_file(file.name),
                owner="dead",
                expires_at=clock.now() + timedelta(seconds=60),
            )
        )
    clock.advance(seconds=59)
    assert ledger.response_files.forgotten(limit=10) == [other]
    clock.advance(seconds=1)
    assert len(ledger.response_files.forgotten(limit=10)) == 2


def test_the_sweep_takes_the_longest_overdue_first_and_no_more_than_asked(ledger: Ledger, clock: MovableClock) -> None:
    for number, minutes in ((1, 1), (2, 3), (3, 2)):
        file = gather(ledger, clock, f"Response{number}.csv")
        ledger.response_files.update(file, due_at=clock.now() - timedelta(minutes=minutes))
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


# Versions and history


def test_every_change_makes_a_new_version_and_one_of_an_old_version_is_refused(
    ledger: Ledger, clock: MovableClock
) -> None:
    files, seen = ledger.response_files, see(ledger)
    gathered = gather_file(files, seen, due_at=clock.now())
    tried = files.update(gathered, attempts=1)
    assert (seen.version, gathered.version, tried.version, tried.attempts) == (1, 2, 3, 1)
    changes: tuple[Callable[[], object], ...] = (
        lambda: files.update(gathered, attempts=9),
        lambda: files.record(gathered, "a note", owner=OWNER),
        lambda: files.advance(gathered, FileState.LOADED, owner=OWNER, note="loaded"),
        lambda: files.fail(gathered, ERROR, owner=OWNER),
        lambda: files.load_again(gathered, due_at=clock.now(), owner=OWNER),
    )
    for change in changes:
        with pytest.raises(LeaseLost, match=r"Response1\.csv"):
            change()
    assert again(ledger, tried) == tried
    assert len(files.history(tried)) == 2


def test_a_change_by_code_that_knows_no_versions_is_seen_by_the_state(ledger: Ledger, clock: MovableClock) -> None:
    file = gather(ledger, clock)
    table = tables.response_file
    with ledger.database.writing() as connection:
        connection.execute(update(table).where(table.c.id == file.id).values(state=FileState.LOADED))
    with pytest.raises(LeaseLost):
        ledger.response_files.update(file, attempts=1)


@pytest.mark.parametrize("to", [FileState.SEEN, FileState.GATHERED])
def test_an_illegal_change_of_state_writes_nothing(ledger: Ledger, clock: MovableClock, to: FileState) -> None:
    file = gather(ledger, clock)
    with pytest.raises(ValueError, match=f"gathered cannot become {to}"):
        ledger.response_files.advance(file, to, owner=OWNER, note="")
    assert again(ledger, file) == file


def test_the_history_has_every_change_of_state_and_what_was_recorded(ledger: Ledger, clock: MovableClock) -> None:
    files, began = ledger.response_files, clock.now()
    file = gather(ledger, clock)
    clock.advance(minutes=1)
    load(ledger, clock, file)
    file = files.record(again(ledger, file), "archived", owner="archiver", put_away_at=clock.now())
    file = files.load_again(file, due_at=clock.now(), owner="operator")
    file = files.load_again(file, due_at=clock.now(), owner="operator")
    files.fail(file, ERROR, owner="step")
    changes = [(row.at, row.from_state, row.to_state, row.owner, row.note) for row in files.history(file)]
    assert changes == [
        (began, None, "seen", OWNER, "seen"),
        (began, "seen", "gathered", OWNER, "gathered"),
        (clock.now(), "gathered", "loaded", OWNER, "10 rows: 5 loaded, 3 known, 2 rejected"),
        (clock.now(), "loaded", "loaded", "archiver", "archived"),
        (clock.now(), "loaded", "gathered", "operator", "to be loaded again"),
        (clock.now(), "gathered", "loaded", "step", ERROR.sentence),
    ]


def test_the_history_of_a_file_that_grew_before_it_was_gathered_goes_with_it(ledger: Ledger) -> None:
    see(ledger)
    grown = see(ledger, size=200)
    assert [row.to_state for row in ledger.response_files.history(grown)] == ["seen"]


def test_rounds_in_which_a_file_was_left_disturb_nobody_who_works_on_it(ledger: Ledger, clock: MovableClock) -> None:
    seen = see(ledger)
    assert [ledger.response_files.count_left_round(seen, code="x") for _ in range(2)] == [1, 2]
    gathered = gather_file(ledger.response_files, seen, due_at=clock.now())
    assert gathered.left_rounds == 2
