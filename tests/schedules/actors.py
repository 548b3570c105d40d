"""Actors: invocations that run one at a time, each of which can be frozen or die at any of its points.

A point is where something outside the process is touched: a transaction, a request, a message. An actor is a thread,
but only one of them ever runs, so a schedule with the same choices is the same run.

* It *dies* without unwinding: from then on every point raises `Died`, so that what its `finally` blocks attempt has no
  effect. Transactions are rolled back, leases stay behind.
* It *freezes*: the others go on, and so may the clock, until it is resumed. It does not freeze between the last check
  of its lease and the request that the check is for: no lease fences a request that is under way
  (docs/why/leases.md says what remains there).
* An answer is *lost*: what it asked for has happened, and it gets an error of the library in place of the answer.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

#: Seconds after which a thread that should stop or go on counts as hung. No schedule is timed by it.
_HUNG = 120


class Died(BaseException):
    """Stands for the end of a process: no `except Exception` sees it."""


class Fault(StrEnum):
    """What happens to an actor at a point."""

    NONE = "none"
    DIE = "die"
    FREEZE = "freeze"
    LOSE = "lose"


class Unit(StrEnum):
    """Which points are counted."""

    ANY = "point"
    #: Transactions that record a try, before they begin.
    TRY = "try"
    #: Requests that change something, once they are carried out.
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault at one of the points, counted from 1; at a later one where the fault is not possible there."""

    fault: Fault = Fault.NONE
    at: int = 1
    unit: Unit = Unit.ANY


NOTHING: Final = Strike()


class Actor:
    """One invocation.

    Args:
        name: for reports.
        call: the work.
        strike: what happens to it.
    """

    def __init__(self, name: str, call: Callable[[], object], strike: Strike = NOTHING) -> None:
        self.name = name
        self.strike = strike
        #: The points of the strike's unit that it has passed.
        self.points = 0
        self.frozen = False
        self.done = False
        self.dead = False
        self.result: Any = None
        self.error: BaseException | None = None
        #: The lease was checked, and what this is for is not requested yet: a freeze here is a slow request.
        self.in_flight = False
        #: The next transaction records a try.
        self.trying = False
        #: The next transaction renews the lease for a request.
        self.renewing = False
        self._call = call
        #: Only who may freeze needs a thread, in which the rest of its call waits.
        self._threaded = strike.fault is Fault.FREEZE
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)

    def go(self) -> None:
        """Start it, or resume it; returns when it has ended or is frozen."""
        if not self._threaded:
            self._act()
            return
        if self.frozen:
            self.frozen = False
            self._go.release()
        else:
            threading.Thread(target=self._run, name=self.name, daemon=True).start()
        if not self._stopped.acquire(timeout=_HUNG):
            raise RuntimeError(f"{self.name} hangs")

    def kill(self) -> None:
        """End a frozen one as a killed process ends."""
        self.dead = True
        self.go()

    def reach(self, point: str, *, losable: bool) -> Fault:
        """Pass a point; what an edge must play is returned."""
        if self.dead:
            raise Died
        fault, unit = self.strike.fault, self.strike.unit
        counts = {Unit.ANY: True, Unit.TRY: self.trying and not self.in_flight, Unit.ACT: losable}[unit]
        self.points += counts
        if fault is Fault.NONE or not counts or self.points < self.strike.at:
            return Fault.NONE
        if (fault is Fault.LOSE and not losable) or (fault is Fault.FREEZE and self.in_flight):
            return Fault.NONE
        self.strike = NOTHING
        self.name += f" [{fault} at {self.points}: {point}]"
        if fault is Fault.DIE:
            self.dead = True
            raise Died
        if fault is Fault.FREEZE:
            self.frozen = True
            self._stopped.release()
            self._go.acquire()
            if self.dead:
                raise Died
            return Fault.NONE
        return fault

    def _run(self) -> None:
        self._act()
        self._stopped.release()

    def _act(self) -> None:
        _local.actor = self
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001 - who waits for the actor looks at it
            self.error = error
        _local.actor = None
        self.done = True


class _Local(threading.local):
    actor: Actor | None = None
    #: How many transactions are open: within one nothing stops, for it would hold its locks.
    depth = 0


_local = _Local()


def reach(point: str, *, losable: bool = False) -> Fault:
    """The running actor passes a point; without one nothing happens. Returns `LOSE` if the answer must be lost."""
    actor = _local.actor
    return Fault.NONE if actor is None or _local.depth else actor.reach(point, losable=losable)


def dead() -> bool:
    """Whether the running actor has died: what it still does has no effect."""
    return _local.actor is not None and _local.actor.dead


def in_flight(flying: bool) -> None:
    """The lease was checked for what is requested next, or that has been requested."""
    if _local.actor is not None:
        _local.actor.in_flight = flying


def committed() -> None:
    """A transaction is committed; if it renewed the lease for a request, that comes next."""
    if _local.actor is not None:
        _local.actor.in_flight, _local.actor.trying = _local.actor.renewing, False


@contextmanager
def marked(what: str) -> Iterator[None]:
    """The transaction within the block records a try (`trying`), or renews the lease for a request (`renewing`)."""
    actor = _local.actor
    if actor is None:
        yield
        return
    setattr(actor, what, True)
    try:
        yield
    finally:
        setattr(actor, what, False)


class within_transaction:  # noqa: N801 - a context manager
    """Nothing stops within the block."""

    def __enter__(self) -> None:
        _local.depth += 1

    def __exit__(self, *_: object) -> None:
        _local.depth -= 1
