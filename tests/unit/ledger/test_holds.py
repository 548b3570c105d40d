"""A hold holds whatever is tried after it was placed; the record keeps lifted ones."""

from collections.abc import Callable

import pytest

from shared.broadcast import Broadcast
from shared.errors import Held
from shared.ledger import Ledger
from shared.ledger.effects import Kind
from shared.ledger.leases import HeldLease
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]


def test_nothing_is_tried_while_a_hold_is_in_force(ledger: Ledger, take_in: TakeIn, lease: HeldLease) -> None:
    broadcast = take_in()
    effect = ledger.effects.intend(broadcast, Kind.START, "4711", lease)
    ledger.hold.add("wrong voucher codes", by="jane")
    with pytest.raises(Held, match=r"jane placed a hold \(wrong voucher codes\)"):
        ledger.effects.trying(effect, lease)
    assert ledger.effects.of(broadcast) == [effect]


def test_a_lifted_hold_holds_nothing_and_is_kept(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    effect, placed_at = ledger.effects.intend(take_in(), Kind.START, "4711", lease), clock.now()
    placed = ledger.hold.add("  wrong\n voucher codes ", by="jane")
    assert (placed.reason, placed.placed_by, placed.placed_at) == ("wrong voucher codes", "jane", placed_at)
    clock.advance(seconds=60)
    (lifted,) = ledger.hold.lift(by="joe")
    assert (lifted.lifted_by, lifted.lifted_at) == ("joe", clock.now())
    assert ledger.effects.trying(effect, lease).tries == 1
    assert ledger.hold.in_force() == []
    assert ledger.hold.newest(10) == [lifted]
    ledger.hold.check()


def test_a_second_hold_of_a_code_changes_nothing(ledger: Ledger) -> None:
    first = ledger.hold.add("one", by="jane")
    assert ledger.hold.add("two", by="joe") == first
    assert ledger.hold.in_force() == [first]


def test_a_hold_is_lifted_by_its_code_alone(ledger: Ledger) -> None:
    ledger.hold.add("one", by="jane")
    other = ledger.hold.add("two", by="the bridge", code="ledger-older")
    assert [hold.code for hold in ledger.hold.lift(by="joe")] == ["held"]
    assert ledger.hold.in_force() == [other]
    with pytest.raises(Held):
        ledger.hold.check()
    assert ledger.hold.lift(by="joe") == []


def test_a_long_reason_is_cut(ledger: Ledger) -> None:
    assert ledger.hold.add("ä" * 3000, by="j" * 200) == ledger.hold.in_force()[0]
    assert len(ledger.hold.in_force()[0].reason) == 2000
