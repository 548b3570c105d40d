"""What a broadcast waits for is kept with it and since when; the history has each wait once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.broadcast import Broadcast, State
from shared.errors import BroadcastChangedMeanwhile
from shared.ledger import Ledger
from shared.ledger.broadcasts import advance
from shared.ledger.leases import Holder, LeaseName
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]


def waits(ledger: Ledger, broadcast: Broadcast) -> list[str]:
    return [row.note for row in ledger.broadcasts.history(broadcast) if row.note.startswith("waits for")]


def test_a_wait_is_kept_since_it_began_and_is_in_the_history_once(
    ledger: Ledger, take_in: TakeIn, clock: MovableClock
) -> None:
    broadcast, began = take_in(state=State.STAGED), clock.now()
    for holder in ("J2", "J2", "J3"):
        broadcast = ledger.broadcasts.wait(broadcast, f"the list “A”, held by {holder}", owner="step")
        clock.advance(seconds=60)
    assert broadcast.waiting_for == "the list “A”, held by J3"
    assert broadcast.waiting_since == began
    assert waits(ledger, broadcast) == ["waits for the list “A”, held by J2"]


def test_a_wait_for_something_else_begins_anew(ledger: Ledger, take_in: TakeIn, clock: MovableClock) -> None:
    broadcast = ledger.broadcasts.wait(take_in(state=State.STAGED), "its release", owner="step")
    clock.advance(seconds=60)
    broadcast = ledger.broadcasts.wait(broadcast, "the list “A”", owner="step")
    assert (broadcast.waiting_for, broadcast.waiting_since) == ("the list “A”", clock.now())
    assert waits(ledger, broadcast) == ["waits for its release", "waits for the list “A”"]


def test_a_wait_for_nothing_ends_the_wait(ledger: Ledger, take_in: TakeIn) -> None:
    broadcast = ledger.broadcasts.wait(take_in(state=State.STAGED), "its release", owner="step")
    broadcast = ledger.broadcasts.wait(broadcast, None, owner="step")
    assert (broadcast.waiting_for, broadcast.waiting_since) == (None, None)


def test_a_change_of_state_ends_the_wait(ledger: Ledger, take_in: TakeIn, clock: MovableClock) -> None:
    broadcast = ledger.broadcasts.wait(take_in(state=State.STAGED), "its release", owner="step")
    with ledger.database.writing() as connection:
        broadcast = advance(connection, broadcast, State.PREPARED, owner="step", note="", now=clock.now())
    assert (broadcast.waiting_for, broadcast.waiting_since) == (None, None)


def test_a_wait_that_is_out_of_date_writes_nothing(ledger: Ledger, take_in: TakeIn) -> None:
    old = take_in(state=State.STAGED)
    ledger.broadcasts.update(old, attempts=1)
    with pytest.raises(BroadcastChangedMeanwhile):
        ledger.broadcasts.wait(old, "its release", owner="step")
    assert waits(ledger, old) == []


def test_a_long_reason_is_cut(ledger: Ledger, take_in: TakeIn) -> None:
    broadcast = ledger.broadcasts.wait(take_in(state=State.STAGED), "ä" * 3000, owner="step")
    assert broadcast.waiting_for == "ä" * 2000


def test_the_holder_of_a_lease_is_known_since_when(ledger: Ledger, clock: MovableClock) -> None:
    name, began = LeaseName.for_list(5), clock.now()
    for _ in range(2):  # once more by the same owner, which does not begin anew
        assert ledger.leases.acquire_until_released(name, "J1")
        clock.advance(seconds=60)
    assert ledger.leases.find_holder(name) == Holder(owner="J1", since=began)


def test_who_takes_a_lease_over_holds_it_from_then_on(ledger: Ledger, clock: MovableClock) -> None:
    name = LeaseName.for_chore("chore")
    ledger.leases._acquire(name, "dead", timedelta(0))
    clock.advance(seconds=60)
    with ledger.leases.held(name, "heir"):
        assert ledger.leases.find_holder(name) == Holder(owner="heir", since=clock.now())
