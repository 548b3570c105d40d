"""Leases: one live owner, and nobody owns for ever what he cannot work on any more."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import ProgrammingError

from shared.clock import SystemClock
from shared.database.connections import Database
from shared.errors import DatabaseUnavailable, LeaseLost
from shared.ledger import tables
from shared.ledger.leases import HeldLease, LeaseName, Leases, release, release_all
from tests.clocks import MovableClock

ROOT = Path(__file__).parents[3]
#: Longest wait for something that happens in milliseconds on an idle machine.
PATIENCE = 30
J1 = LeaseName.for_broadcast("J1")
LIFE = 60.0
#: A life so short that heartbeats come every 10 ms; the clock stands unless the test moves it.
SHORT = 0.03


@pytest.fixture
def leases(database: Database, clock: MovableClock) -> Leases:
    return Leases(database, seconds=LIFE, clock=clock)


@pytest.fixture
def beating(database: Database, clock: MovableClock) -> Leases:
    return Leases(database, seconds=SHORT, clock=clock)


def expiry(database: Database, name: str) -> datetime | None:
    with database.reading() as connection:
        return connection.scalar(select(tables.lease.c.expires_at).where(tables.lease.c.name == name))


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    wait, give_up = threading.Event(), datetime.now(UTC) + timedelta(seconds=PATIENCE)
    while not condition():
        assert datetime.now(UTC) < give_up, "it never came to this"
        wait.wait(0.002)


def leave_behind(database: Database, name: str, owner: str, expires_at: datetime) -> None:
    """A lease whose owner has died."""
    with database.writing() as connection:
        connection.execute(insert(tables.lease).values(name=name, owner=owner, expires_at=expires_at))


class FailingDatabase(Database):
    """A database that cannot be written while `failing` is set."""

    failing: Exception | None = None
    refused = 0

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.failing:
            self.refused += 1
            raise self.failing
        with super().writing() as connection:
            yield connection


# One owner


def test_a_held_lease_keeps_everybody_else_out(leases: Leases) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        lease.check()
        with leases.held(J1, "other") as refused:
            assert refused is None
        assert not leases.acquire_until_released(J1, "other")
        assert leases.find_owner(J1) == "one"
        lease.check()


def test_a_lease_is_free_after_its_block(leases: Leases) -> None:
    with leases.held(J1, "one"):
        pass
    assert leases.find_owner(J1) is None
    with leases.held(J1, "other") as lease:
        assert lease is not None


def test_a_lease_is_free_after_an_error_in_its_block(leases: Leases) -> None:
    with pytest.raises(ZeroDivisionError), leases.held(J1, "one"):
        raise ZeroDivisionError
    assert leases.find_owner(J1) is None


def test_leases_of_different_names_do_not_meet(leases: Leases) -> None:
    with (
        leases.held(J1, "one") as one,
        leases.held(LeaseName.for_broadcast("J11"), "other") as other,
    ):
        assert one is not None
        assert other is not None


@pytest.mark.parametrize("left_behind", [False, True], ids=["free", "run out"])
def test_of_many_that_want_a_lease_at_once_one_gets_it(
    open_database: Callable[[], Database], clock: MovableClock, leases: Leases, left_behind: bool
) -> None:
    if left_behind:
        leave_behind(open_database(), "broadcast:J1", "dead", clock.now() - timedelta(seconds=1))
    start, end = threading.Barrier(8), threading.Barrier(8)

    def want(numbered: tuple[int, Database]) -> str | None:
        number, database = numbered
        start.wait()
        with Leases(database, seconds=LIFE, clock=clock).held(J1, f"owner {number}") as lease:
            owner = leases.find_owner(J1) if lease else None
            end.wait()
            return owner

    with ThreadPoolExecutor(8) as threads:
        owners = list(threads.map(want, enumerate(open_database() for _ in range(8))))
    (owner,) = [one for one in owners if one]
    assert owner == f"owner {owners.index(owner)}"


# Its end


def test_a_lease_left_behind_excludes_until_it_runs_out_and_is_then_taken_over(
    leases: Leases, database: Database, clock: MovableClock
) -> None:
    leave_behind(database, "broadcast:J1", "dead", clock.now() + timedelta(seconds=60))
    clock.advance(seconds=59.999)
    assert leases.find_owner(J1) == "dead"
    with leases.held(J1, "heir") as lease:
        assert lease is None
    clock.advance(seconds=0.001)
    assert leases.find_owner(J1) is None
    with leases.held(J1, "heir") as lease:
        assert lease is not None
        assert leases.find_owner(J1) == "heir"


def test_heartbeats_keep_a_lease_alive_long_past_its_length(
    beating: Leases, database: Database, clock: MovableClock
) -> None:
    with beating.held(J1, "one") as lease:
        assert lease is not None
        for _ in range(6):
            renewed = clock.advance(seconds=SHORT * 0.9) + timedelta(seconds=SHORT)
            until(lambda wanted=renewed: expiry(database, "broadcast:J1") == wanted)  # type: ignore[misc]
            lease.check()
            with beating.held(J1, "other") as refused:
                assert refused is None


def test_a_lease_that_somebody_else_took_over_is_lost_and_stays_with_him(beating: Leases, database: Database) -> None:
    with beating.held(J1, "one") as lease:
        assert lease is not None
        with database.writing() as connection:
            connection.execute(update(tables.lease).values(owner="heir"))
        assert lease.lost.wait(PATIENCE)
        with pytest.raises(LeaseLost, match="broadcast:J1"):
            lease.check()
    assert beating.find_owner(J1) == "heir"


def test_a_lease_that_was_taken_over_and_given_back_is_lost_all_the_same(beating: Leases, database: Database) -> None:
    with beating.held(J1, "one") as lease:
        assert lease is not None
        with database.writing() as connection:
            connection.execute(delete(tables.lease))
        assert lease.lost.wait(PATIENCE)
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_lease_whose_heartbeat_hangs_is_lost_when_its_time_is_over(leases: Leases, clock: MovableClock) -> None:
    with leases.held(J1, "one") as lease:  # its first heartbeat is 20 seconds away
        assert lease is not None
        clock.advance(seconds=LIFE - 0.001)
        lease.check()
        clock.advance(seconds=0.001)
        with pytest.raises(LeaseLost):
            lease.check()
        assert lease.lost.is_set()


def test_within_a_transaction_a_lease_counts_until_somebody_takes_it(
    leases: Leases, database: Database, clock: MovableClock
) -> None:
    with leases.held(J1, "one") as lease:  # its first heartbeat is 20 seconds away
        assert lease is not None
        with database.writing() as connection:
            clock.advance(seconds=LIFE)
            lease.confirm(connection)
        assert expiry(database, "broadcast:J1") == clock.now() + timedelta(seconds=LIFE)
        clock.advance(seconds=LIFE)
        with leases.held(J1, "heir") as taken:
            assert taken is not None
            with pytest.raises(LeaseLost, match="broadcast:J1"), database.writing() as connection:
                lease.confirm(connection)
            assert leases.find_owner(J1) == "heir"
        with pytest.raises(LeaseLost), database.writing() as connection:
            lease.confirm(connection)
        assert lease.lost.is_set()


def test_a_lost_lease_stays_lost(leases: Leases, clock: MovableClock) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=LIFE)
        with pytest.raises(LeaseLost):
            lease.check()
        clock.advance(seconds=-LIFE)
        with pytest.raises(LeaseLost):
            lease.check()


def test_a_heartbeat_that_fails_for_a_while_loses_nothing(url: str, clock: MovableClock) -> None:
    database = FailingDatabase(url, "RS_DB")
    database.clock = clock
    with Leases(database, seconds=SHORT, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        database.failing = DatabaseUnavailable(database="RS_DB", reason="test")
        until(lambda: database.refused >= 2)
        lease.check()
        database.failing = None
        renewed = clock.advance(seconds=SHORT * 0.9) + timedelta(seconds=SHORT)
        until(lambda: expiry(database, "broadcast:J1") == renewed)
        lease.check()
    database.close()


def test_a_heartbeat_that_fails_past_the_end_of_the_lease_loses_it(url: str, clock: MovableClock) -> None:
    database = FailingDatabase(url, "RS_DB")
    database.clock = clock
    with Leases(database, seconds=SHORT, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        database.failing = DatabaseUnavailable(database="RS_DB", reason="test")
        clock.advance(seconds=SHORT)
        with pytest.raises(LeaseLost):
            lease.check()
        database.failing = None
    database.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_heartbeat_that_breaks_for_good_loses_the_lease_at_its_end(url: str, clock: MovableClock) -> None:
    database = FailingDatabase(url, "RS_DB")
    database.clock = clock
    with Leases(database, seconds=SHORT, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        database.failing = ProgrammingError("statement", None, Exception("test"))
        until(lambda: database.refused == 1)
        database.failing = None
        lease.check()
        clock.advance(seconds=SHORT)
        with pytest.raises(LeaseLost):
            lease.check()
    database.close()


def test_no_heartbeat_is_left_behind(beating: Leases) -> None:
    with beating.held(J1, "one"):
        assert "heartbeat broadcast:J1" in {thread.name for thread in threading.enumerate()}
    assert "heartbeat broadcast:J1" not in {thread.name for thread in threading.enumerate()}


# The same owner again


def test_an_owner_may_take_again_what_he_has(leases: Leases) -> None:
    assert leases.acquire_until_released(LeaseName.for_list(5), "J1")
    assert leases.acquire_until_released(LeaseName.for_list(5), "J1")
    assert leases.find_owner(LeaseName.for_list(5)) == "J1"


def test_an_owner_that_holds_a_lease_twice_loses_it_with_the_inner_block(beating: Leases) -> None:
    with beating.held(J1, "one") as outer:
        assert outer is not None
        with beating.held(J1, "one") as inner:
            assert inner is not None
            outer.check()
            inner.check()
        # Never does he believe to hold what is free.
        assert outer.lost.wait(PATIENCE)
        with pytest.raises(LeaseLost):
            outer.check()


# Without an end


def test_a_lease_until_release_never_runs_out(leases: Leases, clock: MovableClock) -> None:
    assert leases.acquire_until_released(LeaseName.for_list(5), "J1")
    clock.advance(days=3650)
    assert not leases.acquire_until_released(LeaseName.for_list(5), "J2")
    with leases.held(LeaseName.for_list(5), "J2") as refused:
        assert refused is None
    assert leases.find_owner(LeaseName.for_list(5)) == "J1"


def test_a_lease_is_given_back_by_its_owner_only(leases: Leases, database: Database) -> None:
    leases.acquire_until_released(LeaseName.for_list(5), "J1")
    with database.writing() as connection:
        release(connection, LeaseName.for_list(5), "J2")
    assert leases.find_owner(LeaseName.for_list(5)) == "J1"
    with database.writing() as connection:
        release(connection, LeaseName.for_list(5), "J1")
    assert leases.acquire_until_released(LeaseName.for_list(5), "J2")


def test_all_leases_of_an_owner_are_given_back_at_once_and_no_others(leases: Leases, database: Database) -> None:
    for list_id, owner in ((5, "J1"), (6, "J1"), (7, "J11")):
        assert leases.acquire_until_released(LeaseName.for_list(list_id), owner)
    with database.writing() as connection:
        release_all(connection, "J1")
    assert [leases.find_owner(LeaseName.for_list(number)) for number in (5, 6, 7)] == [None, None, "J11"]


def test_what_is_given_back_in_a_transaction_that_fails_is_kept(leases: Leases, database: Database) -> None:
    leases.acquire_until_released(LeaseName.for_list(5), "J1")

    def give_back_then_fail() -> None:
        with database.writing() as connection:
            release_all(connection, "J1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        give_back_then_fail()
    assert leases.find_owner(LeaseName.for_list(5)) == "J1"


# Several processes


def test_the_lease_of_a_killed_process_is_taken_over_and_not_before(
    url: str, opened: Callable[[str, str], Database]
) -> None:
    database = opened(url, "RS_DB")  # with the time of the database server
    leases = Leases(database, seconds=3, clock=SystemClock())
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("lease_holder.py")), "broadcast:J1", "process", "3"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "RS_DB": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        first = expiry(database, "broadcast:J1")
        assert first is not None
        until(lambda: expiry(database, "broadcast:J1") != first)  # it lives, and beats
        with leases.held(J1, "heir") as refused:
            assert refused is None
        process.kill()
    last = expiry(database, "broadcast:J1")
    assert last is not None
    assert last > first
    taken: list[datetime] = []

    def take() -> bool:
        with leases.held(J1, "heir") as lease:
            if lease:
                taken.append(datetime.now(UTC))
            return lease is not None

    until(take)
    assert taken[0] >= last


# Whose time counts


def test_the_clocks_of_hosts_do_not_matter(database: Database, clock: MovableClock) -> None:
    fast = MovableClock(clock.now() + timedelta(hours=1))
    with Leases(database, seconds=LIFE, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        with Leases(database, seconds=LIFE, clock=fast).held(J1, "other, whose clock is fast") as refused:
            assert refused is None
        lease.check()
        assert expiry(database, J1) == clock.now() + timedelta(seconds=LIFE)


def test_without_a_clock_of_a_test_the_server_writes_the_time(url: str, opened: Callable[[str, str], Database]) -> None:
    database = opened(url, "RS_DB")
    with database.reading() as connection:
        began = connection.scalar(select(database.now()))
    with Leases(database, seconds=LIFE, clock=SystemClock()).held(J1, "one"):
        ends = expiry(database, J1)
    with database.reading() as connection:
        ended = connection.scalar(select(database.now()))
    assert began is not None
    assert ends is not None
    assert ended is not None
    assert began <= ends - timedelta(seconds=LIFE) <= ended
    assert abs(began - datetime.now(UTC)) < timedelta(hours=1)


def test_the_clock_of_a_holder_counts_a_suspended_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", lambda clock: 7.0 if clock == time.CLOCK_BOOTTIME else 0.0)
    assert SystemClock().monotonic() == 7.0


class SlowDatabase(Database):
    """A database in which a write takes a while once `takes` is set."""

    takes = 0.0
    hosts: MovableClock

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with super().writing() as connection:
            yield connection
        self.hosts.advance(seconds=self.takes)


@pytest.fixture
def slow(url: str, clock: MovableClock) -> Iterator[SlowDatabase]:
    database = SlowDatabase(url, "RS_DB")
    database.clock, database.hosts = clock, clock
    yield database
    database.close()


def test_its_life_counts_from_before_the_write_that_gave_it(slow: SlowDatabase, clock: MovableClock) -> None:
    slow.takes = 20
    with Leases(slow, seconds=LIFE, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=LIFE - 20 - 0.001)
        lease.check()
        clock.advance(seconds=0.001)
        with pytest.raises(LeaseLost):
            lease.check()
        slow.takes = 0


def test_its_life_counts_from_before_the_write_that_renewed_it(slow: SlowDatabase, clock: MovableClock) -> None:
    with Leases(slow, seconds=LIFE, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=30)
        slow.takes = 20
        lease.renew()
        slow.takes = 0
        clock.advance(seconds=LIFE - 20 - 0.001)
        lease.check()
        clock.advance(seconds=0.001)
        with pytest.raises(LeaseLost):
            lease.renew()


def test_a_write_whose_answer_comes_after_the_end_of_the_lease_is_followed_by_nothing(
    slow: SlowDatabase, clock: MovableClock
) -> None:
    with Leases(slow, seconds=LIFE, clock=clock).held(J1, "one") as lease:
        assert lease is not None
        slow.takes = LIFE
        with pytest.raises(LeaseLost):
            lease.renew()
        slow.takes = 0


# What is written under a lease


def rows(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.scalars(select(tables.lease.c.name)))


def write(connection: Connection) -> None:
    connection.execute(insert(tables.lease).values(name="written", owner="test", expires_at=None))


def test_what_is_written_under_a_lease_is_written_and_renews_it(
    leases: Leases, database: Database, clock: MovableClock
) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=50)
        with lease.writing() as connection:
            write(connection)
        assert rows(database) == {J1, "written"}
        assert expiry(database, J1) == clock.now() + timedelta(seconds=LIFE)
        assert expiry(database, "written") is None
        clock.advance(seconds=50)
        lease.check()


@pytest.mark.parametrize("meanwhile", ["taken over", "released"])
def test_nothing_is_written_under_a_lease_that_another_process_took(
    leases: Leases, database: Database, meanwhile: str
) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        with database.writing() as connection:
            taken = update(tables.lease).values(owner="heir") if meanwhile == "taken over" else delete(tables.lease)
            connection.execute(taken)
        with pytest.raises(LeaseLost, match="broadcast:J1"), lease.writing() as connection:
            write(connection)
        assert "written" not in rows(database)
        assert lease.lost.is_set()


def test_a_lease_that_has_run_out_begins_no_write(leases: Leases, clock: MovableClock) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=LIFE)
        with pytest.raises(LeaseLost), lease.writing():
            pytest.fail("it has begun")


def test_only_the_lease_itself_is_renewed(leases: Leases, database: Database, clock: MovableClock) -> None:
    other = LeaseName.for_broadcast("J2")
    leave_behind(database, other, "one", clock.now())
    with leases.held(J1, "one") as lease:
        assert lease is not None
        clock.advance(seconds=10)
        lease.renew()
        assert expiry(database, other) == clock.now() - timedelta(seconds=10)


def test_a_list_is_leased_only_by_whoever_works_on_its_broadcast(leases: Leases, database: Database) -> None:
    name = LeaseName.for_list(5)
    with leases.held(J1, "one") as lease:
        assert lease is not None
        assert leases.acquire_until_released(name, "J1", holder=lease)
        with database.writing() as connection:
            connection.execute(delete(tables.lease))
        with pytest.raises(LeaseLost):
            leases.acquire_until_released(name, "J1", holder=lease)
    assert leases.find_owner(name) is None


class Beats:
    """Stops a heartbeat after so many beats; keeps the pauses before them."""

    def __init__(self, beats: int) -> None:
        self.pauses: list[float] = []
        self._beats = beats

    def wait(self, pause: float) -> bool:
        self.pauses.append(pause)
        return len(self.pauses) > self._beats


def beat(leases: Leases, lease: HeldLease, beats: int) -> list[float]:
    stop = Beats(beats)
    leases._beat(lease, stop)  # type: ignore[arg-type]  # all that it uses
    return stop.pauses


@pytest.mark.sqlite
def test_a_heartbeat_does_not_wait_behind_the_transaction_that_renews_the_lease(
    leases: Leases, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load of 1,000,000 rows writes for half a minute, and SQLite has one writer."""
    renewed: list[str] = []
    with leases.held(J1, "one") as lease:
        assert lease is not None
        with monkeypatch.context() as patch:
            patch.setattr(HeldLease, "renew", lambda self: renewed.append(self.name))
            with lease.writing() as connection:
                connection.execute(update(tables.lease).values(owner="one"))
                assert beat(leases, lease, 3)[1:] == [LIFE / 9] * 3
                assert renewed == []
                clock.advance(seconds=LIFE / 2)
            beat(leases, lease, 1)
            assert renewed == [J1]
        clock.advance(seconds=LIFE - 1)
        lease.check()  # it lives on from the end of the transaction


def test_a_transaction_that_outlives_the_lease_leaves_it_alive(leases: Leases, clock: MovableClock) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        with lease.writing():
            clock.advance(seconds=3 * LIFE)
        lease.check()
        lease.owner = "somebody else"  # who took it meanwhile
        with pytest.raises(LeaseLost), lease.writing():
            clock.advance(seconds=LIFE / 2)


def test_a_heartbeat_after_one_that_took_long_or_failed_comes_sooner(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    with leases.held(J1, "one") as lease:
        assert lease is not None
        monkeypatch.setattr("shared.ledger.leases.time.monotonic", iter([0, 15, 100, 100, 200]).__next__)
        monkeypatch.setattr(HeldLease, "renew", lambda _self: None)
        assert beat(leases, lease, 2) == [20, pytest.approx(20 / 3), 20]

        def fails(_lease: HeldLease) -> None:
            raise DatabaseUnavailable(database="RS_DB", reason="HYT00")

        monkeypatch.setattr(HeldLease, "renew", fails)
        assert beat(leases, lease, 1)[1] == pytest.approx(20 / 3)
        monkeypatch.undo()


def test_a_lease_that_could_not_be_released_does_not_wait_for_its_end(url: str, clock: MovableClock) -> None:
    database = FailingDatabase(url, "RS_DB")
    leases = Leases(database, seconds=LIFE, clock=clock)
    with pytest.raises(DatabaseUnavailable), leases.held(J1, "one"):
        database.failing = DatabaseUnavailable(database="RS_DB", reason="it restarts")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable), leases.held(J1, "two"):
            pass
    database.failing = None
    assert leases.find_owner(J1) == "one"
    with leases.held(J1, "two") as lease:
        assert lease is not None
    with leases.held(J1, "three") as lease, leases.held(J1, "four") as other:
        assert lease is not None
        assert other is None  # whoever works is not disturbed
    database.close()
