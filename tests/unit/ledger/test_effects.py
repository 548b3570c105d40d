"""Effects: the first intent stands, and what is known of it is never lost."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError

from shared.broadcast import Broadcast
from shared.database.connections import Database
from shared.ledger import Ledger
from shared.ledger.effects import Effect, Effects, Kind, forget_effects
from shared.ledger.leases import HeldLease
from tests.clocks import MovableClock

TakeIn = Callable[..., Broadcast]


def test_an_intent_is_written_with_what_was_seen_before_it(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    broadcast = take_in()
    effect = ledger.effects.intend(broadcast, Kind.UPLOAD, "5_J1.csv", lease, evidence={"modified": "x"})
    assert (effect.kind, effect.natural_key, effect.intended_at) == (Kind.UPLOAD, "5_J1.csv", clock.now())
    assert (effect.tried_at, effect.tries, effect.done_at) == (None, 0, None)
    assert effect.evidence == {"modified": "x"}
    assert ledger.effects.find(broadcast, Kind.UPLOAD) == effect


def test_the_first_intent_stands_with_its_key_its_time_and_its_evidence(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    broadcast = take_in()
    first = ledger.effects.intend(broadcast, Kind.COPY, "first", lease, evidence={"a": 1})
    clock.advance(hours=1)
    again = ledger.effects.intend(broadcast, Kind.COPY, "second", lease, evidence={"a": 2})
    assert again == first


def test_an_intent_stands_after_it_was_tried_and_done(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    broadcast = take_in()
    effect = ledger.effects.intend(broadcast, Kind.START, "77", lease)
    clock.advance(seconds=1)
    effect = ledger.effects.trying(effect, lease)
    clock.advance(seconds=1)
    effect = ledger.effects.done(effect, lease, evidence={"status": "started"})
    clock.advance(hours=1)
    assert ledger.effects.intend(broadcast, Kind.START, "77", lease) == effect


def test_of_intents_written_at_once_all_get_the_one_that_stands(
    open_database: Callable[[], Database],
    ledger: Ledger,
    take_in: TakeIn,
    lease: HeldLease,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broadcast, start = take_in(), threading.Barrier(8)
    find = Effects.find
    # Everybody has looked, and found nothing, before anybody writes.
    looked = threading.local()

    def find_together(self: Effects, one: Broadcast, kind: Kind) -> Effect | None:
        found = find(self, one, kind)
        if not hasattr(looked, "once"):
            looked.once = True
            start.wait()
        return found

    monkeypatch.setattr(Effects, "find", find_together)

    def intend(numbered: tuple[int, Database]) -> Effect:
        number, database = numbered
        return Effects(database, clock).intend(broadcast, Kind.COPY, f"key {number}", lease)

    with ThreadPoolExecutor(8) as threads:
        intended = list(threads.map(intend, enumerate(open_database() for _ in range(8))))
    assert len(set(map(repr, intended))) == 1
    assert ledger.effects.of(broadcast) == [intended[0]]


def test_an_intent_for_a_broadcast_that_the_ledger_does_not_have_is_refused(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease
) -> None:
    with pytest.raises(IntegrityError):
        ledger.effects.intend(replace(take_in(), id=-1), Kind.COPY, "key", lease)


def test_what_was_never_intended_is_not_found(ledger: Ledger, take_in: TakeIn, lease: HeldLease) -> None:
    one, other = take_in(1), take_in(2)
    ledger.effects.intend(one, Kind.COPY, "key", lease)
    assert ledger.effects.find(one, Kind.UPLOAD) is None
    assert ledger.effects.find(other, Kind.COPY) is None


def test_every_try_is_counted_with_its_time(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    effect = ledger.effects.intend(take_in(), Kind.START, "77", lease)
    for tries in (1, 2, 3):
        clock.advance(minutes=1)
        effect = ledger.effects.trying(effect, lease)
        assert (effect.tries, effect.tried_at, effect.done_at) == (tries, clock.now(), None)


def test_what_shows_that_it_is_done_is_added_to_what_was_seen_before(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    broadcast = take_in()
    effect = ledger.effects.intend(broadcast, Kind.UPLOAD, "key", lease, evidence={"before": 1, "size": None})
    clock.advance(seconds=1)
    done = ledger.effects.done(effect, lease, evidence={"size": 9})
    assert done.done_at == clock.now()
    assert done.evidence == {"before": 1, "size": 9}
    clock.advance(seconds=1)
    more = ledger.effects.done(done, lease, evidence={"verified": "ä"})
    assert more.evidence == {"before": 1, "size": 9, "verified": "ä"}
    assert ledger.effects.find(broadcast, Kind.UPLOAD) == more


def test_a_forgotten_intent_can_be_intended_anew(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease, clock: MovableClock
) -> None:
    broadcast = take_in()
    copied = ledger.effects.intend(broadcast, Kind.COPY, "copy", lease)
    ledger.effects.trying(ledger.effects.intend(broadcast, Kind.UPLOAD, "old", lease), lease)
    for _ in range(2):
        with ledger.database.writing() as connection:
            forget_effects(connection, broadcast, (Kind.UPLOAD, Kind.START))
    assert ledger.effects.of(broadcast) == [copied]
    clock.advance(hours=1)
    again = ledger.effects.intend(broadcast, Kind.UPLOAD, "new", lease)
    assert (again.natural_key, again.tries, again.intended_at) == ("new", 0, clock.now())


def test_the_effects_of_a_broadcast_come_in_the_order_of_their_intents(
    ledger: Ledger, take_in: TakeIn, lease: HeldLease
) -> None:
    one, other = take_in(1), take_in(2)
    for kind in (Kind.COPY, Kind.UPLOAD, Kind.START):
        ledger.effects.intend(one, kind, kind, lease)
        ledger.effects.intend(other, kind, kind, lease)
    assert [effect.kind for effect in ledger.effects.of(one)] == [Kind.COPY, Kind.UPLOAD, Kind.START]
