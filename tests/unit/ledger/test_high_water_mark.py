"""A ledger that is older than what was done with it is noticed, and nothing else is."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from sqlalchemy import delete, update

from shared.broadcast import Broadcast
from shared.ledger import Ledger, tables
from shared.ledger.effects import Kind
from shared.ledger.high_water_mark import HighWaterMark
from shared.ledger.leases import HeldLease
from shared.storage.staging import StagedFile, Staging
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]


class Container(Staging):
    """A container in memory."""

    def __init__(self) -> None:
        self.copy: StagedFile | None = None
        self.writes = 0
        #: Done by another process after the next read.
        self.meanwhile: Callable[[], object] = lambda: None

    def find(self, name: str) -> StagedFile | None:
        del name
        copy, meanwhile = self.copy, self.meanwhile
        self.meanwhile = lambda: None
        meanwhile()
        return copy

    def put_metadata(self, name: str, metadata: Mapping[str, str], *, replacing: StagedFile | None) -> bool:
        del name
        if self.copy != replacing:
            return False
        assert all(value.isascii() for value in metadata.values()), "metadata of blobs is ASCII"
        self.writes += 1
        self.copy = StagedFile(size=0, tag=f"tag-{self.writes}", metadata=dict(metadata))
        return True

    @property
    def number(self) -> int:
        assert self.copy is not None
        return int(self.copy.metadata["number"])


@pytest.fixture
def container() -> Container:
    return Container()


@pytest.fixture
def mark(ledger: Ledger, container: Container, clock: MovableClock) -> HighWaterMark:
    return HighWaterMark(ledger.database, container, ledger.hold, name="BRIDGE", clock=clock)


def set_back(ledger: Ledger, number: int) -> None:
    """Restore the ledger to an earlier moment."""
    with ledger.database.writing() as connection:
        connection.execute(update(tables.high_water_mark).values(number=number))


def codes(ledger: Ledger) -> list[str]:
    return [hold.code for hold in ledger.hold.in_force()]


def run_on(mark: HighWaterMark, times: int = 3) -> None:
    for _ in range(times):
        mark.grow()


def test_a_first_installation_holds_nothing(ledger: Ledger, mark: HighWaterMark, container: Container) -> None:
    mark.sync()
    assert (container.number, codes(ledger)) == (0, [])
    run_on(mark, 2)
    assert (container.number, codes(ledger)) == (2, [])


def test_a_first_installation_that_died_before_its_copy_holds_nothing(
    ledger: Ledger, mark: HighWaterMark, container: Container
) -> None:
    mark._own()  # what is left of a sync that died before the copy was written
    mark.sync()
    assert (container.number, codes(ledger)) == (0, [])


def test_every_attempt_has_a_mark_of_its_own(
    ledger: Ledger, mark: HighWaterMark, container: Container, take_in: TakeIn, lease: HeldLease
) -> None:
    mark.sync()
    effect = ledger.effects.intend(take_in(), Kind.START, "4711", lease)
    for number in (1, 2):
        effect = ledger.effects.trying(effect, lease)
        mark.sync()
        assert container.number == number


def test_a_restored_ledger_holds_everything_until_it_is_accepted(
    ledger: Ledger, mark: HighWaterMark, container: Container
) -> None:
    run_on(mark, 5)
    set_back(ledger, 4)
    for _ in range(2):
        mark.sync()
    assert codes(ledger) == ["ledger-older"]
    (hold,) = ledger.hold.in_force()
    assert hold.placed_by == "the bridge"
    assert "its mark is 4, but 5 was reached" in hold.reason
    assert "docs/how-to/restore.md" in hold.reason
    assert container.number == 5
    mark.accept()
    ledger.hold.lift(by="jane", code="ledger-older")
    run_on(mark)
    assert (container.number, codes(ledger)) == (9, [])


def test_a_restored_ledger_that_ran_on_unseen_is_noticed_when_it_is_compared(
    ledger: Ledger, mark: HighWaterMark
) -> None:
    run_on(mark, 5)
    set_back(ledger, 2)
    mark._grow()  # by code that does not compare
    mark.sync()
    assert codes(ledger) == ["ledger-older"]


def test_a_ledger_made_anew_holds_everything(ledger: Ledger, mark: HighWaterMark, container: Container) -> None:
    run_on(mark)
    with ledger.database.writing() as connection:
        connection.execute(delete(tables.high_water_mark))
    before = container.copy
    mark.sync()
    assert (codes(ledger), container.copy) == (["ledger-other"], before)
    mark.accept()
    ledger.hold.lift(by="jane", code="ledger-other")
    run_on(mark)
    assert codes(ledger) == []


def test_an_emptied_storage_account_holds_everything(ledger: Ledger, mark: HighWaterMark, container: Container) -> None:
    run_on(mark)
    container.copy = None
    mark.sync()
    assert (codes(ledger), container.copy) == (["ledger-mark-missing"], None)
    mark.accept()
    ledger.hold.lift(by="jane", code="ledger-mark-missing")
    run_on(mark, 1)
    assert (codes(ledger), container.number) == ([], 4)


def test_a_storage_account_restored_to_an_earlier_moment_holds_nothing(
    ledger: Ledger, mark: HighWaterMark, container: Container
) -> None:
    run_on(mark, 1)
    earlier = container.copy
    run_on(mark, 3)
    container.copy = earlier
    mark.sync()
    assert (codes(ledger), container.number) == ([], 4)


def test_two_installations_with_one_storage_account_are_both_held(
    ledger: Ledger, mark: HighWaterMark, container: Container
) -> None:
    run_on(mark)
    assert container.copy is not None
    container.copy = StagedFile(size=0, tag="other", metadata={**container.copy.metadata, "ledger": "f" * 32})
    mark.sync()
    assert codes(ledger) == ["ledger-other"]


@pytest.mark.parametrize("hours", [-48, 48])
def test_a_wrong_clock_changes_nothing(
    ledger: Ledger, mark: HighWaterMark, container: Container, clock: MovableClock, hours: int
) -> None:
    run_on(mark, 1)
    clock.advance(seconds=hours * 3600)
    run_on(mark, 1)
    assert (codes(ledger), container.number) == ([], 2)


def test_an_attempt_of_another_process_between_copy_and_ledger_is_no_restore(
    ledger: Ledger, mark: HighWaterMark, container: Container, clock: MovableClock
) -> None:
    other = HighWaterMark(ledger.database, container, ledger.hold, name="BRIDGE", clock=clock)
    run_on(mark, 1)
    container.meanwhile = lambda: run_on(other, 2)
    mark.sync()
    assert (codes(ledger), container.number) == ([], 3)


def test_two_first_processes_agree_on_one_ledger(
    ledger: Ledger, mark: HighWaterMark, container: Container, clock: MovableClock
) -> None:
    other = HighWaterMark(ledger.database, container, ledger.hold, name="BRIDGE", clock=clock)
    container.meanwhile = other.sync
    mark.sync()
    assert (codes(ledger), container.number) == ([], 0)


def test_a_copy_that_others_write_is_written_by_the_last(
    ledger: Ledger, mark: HighWaterMark, container: Container, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = HighWaterMark(ledger.database, container, ledger.hold, name="BRIDGE", clock=clock)
    run_on(mark, 1)
    mark._grow()
    write, first = mark._write, [True]

    def write_after_the_other(*arguments: Any) -> bool:
        if first.pop() if first else False:
            run_on(other, 1)
        return write(*arguments)

    monkeypatch.setattr(mark, "_write", write_after_the_other)
    mark.sync()
    assert (codes(ledger), container.number) == ([], 3)


def test_a_bridge_has_a_name_of_its_language(ledger: Ledger, container: Container, clock: MovableClock) -> None:
    name = "Brücke 100 % “Łódź”"
    ours, theirs = (HighWaterMark(ledger.database, container, ledger.hold, name=name, clock=clock) for _ in range(2))
    ours.grow()
    with ledger.database.writing() as connection:
        connection.execute(delete(tables.high_water_mark))
    theirs.sync()
    (hold,) = ledger.hold.in_force()
    assert name in hold.reason


def test_a_first_copy_of_another_process_between_copy_and_ledger_is_not_missing(
    ledger: Ledger, mark: HighWaterMark, container: Container, clock: MovableClock
) -> None:
    other = HighWaterMark(ledger.database, container, ledger.hold, name="BRIDGE", clock=clock)
    container.meanwhile = other.grow
    mark.sync()
    assert ledger.hold.in_force() == []
    assert container.number == 1
