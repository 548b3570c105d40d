"""The faults that can strike at a point, and the cell of the matrix in which it does."""

import os
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import update

from shared.broadcast import TRANSITIONS, State
from shared.errors import BridgeError
from shared.ledger import tables
from shared.operations import broadcasts as operator
from tests.matrix.boundaries import Died, Paged, Plan, Point, Process, lost_answer
from tests.matrix.play import End, Play, Wrong, check
from tests.matrix.world import LEASE


class Fault(StrEnum):
    """What happens at a point."""

    DEATH_BEFORE = "death before"  #: the process dies before it crosses the boundary
    DEATH_AFTER = "death after"  #: the process dies once it is through
    ANSWER_LOST = "answer lost"  #: what it asks for happens, and it is not answered
    PAGE_BEFORE = "page before"  #: a proxy answers a request with a page, and nothing happens
    PAGE_AFTER = "page after"  #: what a request asks for happens, and a proxy answers it with a page
    TWICE = "delivered twice"  #: the same message, or timer, is worked on by another process meanwhile
    FROZEN = "frozen"  #: it stands still for longer than its lease, others play to the end, it goes on
    FROZEN_CANCELLED = "frozen, cancelled"  #: the same, and an operator cancels the broadcast meanwhile
    LEASE_LOST = "lease lost"  #: another process takes its lease, and it does not know
    CANCELLED = "cancelled"  #: an operator asks to cancel the broadcast meanwhile
    OPERATORS = "two operators"  #: another operator makes the same call meanwhile


class Impossible(BaseException):
    """This cannot happen at this point; says why."""


def strike(play: Play, point: Point, fault: Fault) -> End:
    """Go on with a play in which something goes wrong at a point, and check the books.

    Raises:
        Impossible: it cannot happen there.
        Wrong: the scenario did not come to a true end.
    """
    plan = _STRIKES[fault](play, point)
    play.host.process.plan = plan
    play.to_the_end()
    if not plan.struck:
        raise Wrong("the point was not reached")
    return check(play, cancelled=fault in {Fault.FROZEN_CANCELLED, Fault.CANCELLED})


def strike_dead(play: Play, point: Point, fault: Fault) -> End:
    """The same for a death, in a process of its own: nothing unwinds, and whatever it held stays behind.

    The play must be at the beginning of the round in which the point is.
    """
    plan = _STRIKES[fault](play, point)
    # SQLite does not survive a fork: nothing may be open.
    play.world.disconnect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, none of which the child needs
        child = os.fork()
    if not child:
        plan.before, plan.after = (_kill if hook is _die else hook for hook in (plan.before, plan.after))
        play.host.process.plan = plan
        with suppress(BaseException):
            play.to_the_end()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise Wrong("the point was not reached")
    play.host.process.dead = True
    play.to_the_end()
    return check(play)


def why_impossible(event: str, boundary: str, fault: Fault, *, inside: bool) -> str | None:
    """Why something cannot happen at a point, as far as the trace of the scenario shows; None if it can."""
    kind = event.partition(" ")[0]
    if fault is Fault.OPERATORS and kind != "operator":
        return "no operator's call"
    if fault is Fault.TWICE and kind == "operator":
        return "an operator's call: see two operators"
    if fault in {Fault.PAGE_BEFORE, Fault.PAGE_AFTER} and boundary != "rest":
        return "no request to the REST API"
    if fault in _MEANWHILE and inside:
        return "inside a transaction, which locks out everybody else"
    return None


_MEANWHILE: Final = frozenset(
    {Fault.TWICE, Fault.FROZEN, Fault.FROZEN_CANCELLED, Fault.LEASE_LOST, Fault.CANCELLED, Fault.OPERATORS}
)


def _die(_process: Process) -> None:
    _process.dead = True
    raise Died


def _kill(_process: Process) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _death_before(_play: Play, point: Point) -> Plan:
    return Plan(point, before=_die)


def _death_after(_play: Play, point: Point) -> Plan:
    return Plan(point, after=_die)


def _answer_lost(_play: Play, point: Point) -> Plan:
    def lose(_process: Process) -> None:
        raise lost_answer(point.boundary)

    return Plan(point, after=lose)


def _page(_process: Process) -> None:
    raise Paged


def _page_before(_play: Play, point: Point) -> Plan:
    return Plan(point, before=_page)


def _page_after(_play: Play, point: Point) -> Plan:
    return Plan(point, after=_page)


def _by_another(play: Play, point: Point) -> Plan:
    def meanwhile(_process: Process) -> None:
        another = play.world.host()
        with suppress(BridgeError):  # it is refused, or comes again
            another.does(play.again)

    return Plan(point, before=meanwhile)


def _frozen(play: Play, point: Point) -> Plan:
    return Plan(point, before=lambda _process: play.others_go_on())


def _frozen_cancelled(play: Play, point: Point) -> Plan:
    def meanwhile(_process: Process) -> None:
        _cancel(play)
        play.others_go_on()

    return Plan(point, before=meanwhile)


def _cancelled(play: Play, point: Point) -> Plan:
    return Plan(point, before=lambda _process: _cancel(play))


def _cancel(play: Play) -> None:
    keys = [row.key for row in play.world.broadcasts() if State.CANCELLED in TRANSITIONS[row.state]]
    if not keys:
        raise Impossible("there is no broadcast that could be cancelled")
    another = play.world.host()
    another.does(lambda bridge: operator.cancel(bridge, keys[0], owner="an operator"))


def _lease_lost(play: Play, point: Point) -> Plan:
    def meanwhile(_process: Process) -> None:
        ends: datetime = play.world.clock.now() + LEASE
        taken = update(tables.lease).where(tables.lease.c.expires_at.is_not(None))
        with play.world.watcher.rs_database.engine.begin() as connection:
            if connection.execute(taken.values(owner="another process", expires_at=ends)).rowcount == 0:
                raise Impossible("no lease is held")

    return Plan(point, before=meanwhile)


_STRIKES: Final[dict[Fault, Callable[[Play, Point], Plan]]] = {
    Fault.DEATH_BEFORE: _death_before,
    Fault.DEATH_AFTER: _death_after,
    Fault.ANSWER_LOST: _answer_lost,
    Fault.PAGE_BEFORE: _page_before,
    Fault.PAGE_AFTER: _page_after,
    Fault.TWICE: _by_another,
    Fault.FROZEN: _frozen,
    Fault.FROZEN_CANCELLED: _frozen_cancelled,
    Fault.LEASE_LOST: _lease_lost,
    Fault.CANCELLED: _cancelled,
    Fault.OPERATORS: _by_another,
}
