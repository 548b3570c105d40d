"""The state machine: everything that can happen, in any order."""

import json
from collections.abc import Callable
from typing import Any, Final

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from local.simulator.faults import read_fault
from shared.broadcast import State
from shared.operations import holds
from tests.schedules.actors import NOTHING, Fault, Strike, Unit
from tests.schedules.books import check_end, check_now, check_responses
from tests.schedules.world import LEASE, World


def strikes(points: int, *, always: bool = False) -> st.SearchStrategy[Strike]:
    """What strikes an invocation that has about so many points."""
    faults = st.sampled_from([Fault.DIE, Fault.FREEZE, Fault.FREEZE, Fault.LOSE])
    some = st.one_of(
        st.builds(Strike, faults, st.integers(1, points)),
        st.builds(Strike, faults, st.integers(1, 3), st.sampled_from([Unit.TRY, Unit.ACT])),
    )
    return some if always else st.one_of(st.just(NOTHING), some)


#: Broadcasts of one schedule: with more of them it takes longer and finds no more.
MOST_ASKED: Final = 4
hosts: Final = st.integers(0, 1)
which: Final = st.integers(0, 9)
#: Seconds: shorter than an interval of the monitor, an import, longer than a lease, long.
pauses: Final = st.sampled_from([30, 150, 660, 1800, 7200])
CHANNELS: Final = ("default", "after", "loop", "batch", "export")
GARBAGE: Final = ("", "null", '{"broadcast": "J1", "version": 1}')
#: Faults of Optimizely, each of which strikes once.
TROUBLES: Final = (
    {"kind": "import-slow", "minutes": 30},
    {"kind": "import-loses", "percent": 60},
    {"kind": "import-fails"},
    {"kind": "wrong-count", "by": -5},
    {"kind": "half-written-response"},
)


class Schedules(RuleBasedStateMachine):
    """A schedule. What a rule cannot do, such as resume when nothing is frozen, it leaves undone."""

    channels: tuple[str, ...] = CHANNELS
    world_type: Callable[[], World] = World

    def __init__(self) -> None:
        super().__init__()
        self.world = self.world_type()
        self._broken = False
        self._responses = False

    # Somebody asks for a broadcast

    @initialize(channel=which, rows=st.integers(2, 4), responses=st.integers(0, 2))
    def first_order(self, channel: int, rows: int, responses: int) -> None:
        """A schedule begins with a job that is claimed; some last until every response is loaded."""
        self._responses = responses == 1
        self.world.order(rows, channel=self.channels[channel % len(self.channels)])
        self._do(lambda: self.world.timer(0, "poll_jobs"))

    @precondition(lambda self: self.world.asked < MOST_ASKED)
    @rule(channel=which, rows=st.integers(2, 4), kind=st.sampled_from(["plain", "upload only", "at a time"]))
    def order(self, channel: int, rows: int, kind: str) -> None:
        name = self.channels[channel % len(self.channels)]
        if kind == "plain":
            self.world.order(rows, channel=name)
        elif kind == "upload only":
            self.world.order(rows, channel="default", upload_only=True)
        else:
            self.world.order(rows, channel="default", hours=2)

    @precondition(lambda self: self.world.asked < MOST_ASKED)
    @rule(rows=st.integers(2, 4))
    def drop(self, rows: int) -> None:
        self.world.drop(rows)

    @precondition(lambda self: self.world.asked < MOST_ASKED)
    @rule(rows=st.integers(2, 4), host=hosts, strike=strikes(12))
    def deliver(self, rows: int, host: int, strike: Strike) -> None:
        delivery = self.world.deliver(rows, "default")
        self._do(lambda: self.world.call(host, "upload", delivery))
        self._do(lambda: self.world.call(host, "upload", delivery, strike))

    @precondition(lambda self: self.world.deliveries)
    @rule(index=which, host=hosts, slot=st.sampled_from(["upload", "broadcast"]), strike=strikes(12))
    def call(self, index: int, host: int, slot: str, strike: Strike) -> None:
        deliveries = self.world.deliveries
        self._do(lambda: self.world.call(host, slot, deliveries[index % len(deliveries)], strike))

    # The bridge works

    @rule(host=hosts, name=st.sampled_from(["poll_jobs", "housekeeping", "gather_responses"]), strike=strikes(12))
    def timer(self, host: int, name: str, strike: Strike) -> None:
        self._do(lambda: self.world.timer(host, name, strike))

    @precondition(lambda self: self.world.queues.messages)
    @rule(index=which, host=hosts, pause=pauses, strike=strikes(60))
    def receive(self, index: int, host: int, pause: int, strike: Strike) -> None:
        self._receive(index, host, pause, strike)

    def _receive(self, index: int, host: int, pause: int, strike: Strike) -> None:
        """A message is received; if none is visible, after a pause."""
        if not self.world.queues.visible():
            self._do(lambda: self.world.pass_time(pause))
        visible = self.world.queues.visible()
        if visible:
            self._do(lambda: self.world.receive(host, visible[index % len(visible)], strike))

    @precondition(lambda self: self.world.queues.messages)
    @rule(index=which, host=hosts, pause=pauses, strike=strikes(60, always=True))
    def receive_and_be_struck(self, index: int, host: int, pause: int, strike: Strike) -> None:
        self._receive(index, host, pause, strike)

    @precondition(lambda self: self.world.actors)
    @rule(index=which)
    def resume(self, index: int) -> None:
        self._do(lambda: self.world.resume(self.world.actors[index % len(self.world.actors)]))

    @precondition(lambda self: self.world.queues.messages)
    @rule(
        index=which,
        pause=pauses,
        strike=st.builds(Strike, st.just(Fault.FREEZE), st.integers(1, 3), st.sampled_from([Unit.TRY, Unit.ACT])),
        operation=st.sampled_from(["", "cancel", "cancel"]),
        rounds=st.integers(1, 3),
    )
    def freeze_and_take_over(self, index: int, pause: int, strike: Strike, operation: str, rounds: int) -> None:
        """A host stops at a try or after an act, another takes over, and the first one wakes."""
        self._receive(index, 0, pause, strike)
        if self.world.actors:
            self._others_go_on(operation, index, 1, rounds)
            self._do(lambda: self.world.resume(self.world.actors[-1]))

    @precondition(lambda self: self.world.actors)
    @rule(
        operation=st.sampled_from(["", "cancel", "retry", "resolve"]), index=which, host=hosts, rounds=st.integers(0, 3)
    )
    def others_go_on(self, operation: str, index: int, host: int, rounds: int) -> None:
        self._others_go_on(operation, index, host, rounds)

    def _others_go_on(self, operation: str, index: int, host: int, rounds: int) -> None:
        """While somebody is frozen, its lease runs out, an operator acts perhaps, and a host takes over."""
        self._do(lambda: self.world.pass_time(LEASE + 1))
        if operation:
            self._operate(index, host, operation, NOTHING)
        self._do(lambda: self.world.timer(host, "housekeeping"))
        for _ in range(rounds):
            for message in self.world.queues.visible():
                self._do(lambda message=message: self.world.receive(host, message))  # type: ignore[misc]
            self._do(lambda: self.world.pass_time(660))

    @rule(host=hosts, lift=st.booleans())
    def hold(self, host: int, lift: bool) -> None:
        """An operator holds everything, or lifts the hold."""
        bridge = self.world.hosts[host]
        if lift:
            holds.lift(bridge, by="an operator")
        else:
            holds.add(bridge, "a schedule", by="an operator")

    # Messages

    @rule(what=st.sampled_from(["double", "lose", *GARBAGE]), index=which)
    def meddle(self, what: str, index: int) -> None:
        """A message is delivered twice or lost, or something else arrives."""
        messages = self.world.queues.messages
        if what not in {"double", "lose"}:
            self.world.queues.add(self.world.hosts[0].settings.monitor_import_queue, what, 0)
        elif messages and what == "lose":
            messages.pop(index % len(messages))
        elif messages:
            message = messages[index % len(messages)]
            self.world.queues.add(message.queue, message.content, 0)

    # Time and troubles

    @rule(pause=st.one_of(pauses, st.just(50_000)))
    def pass_time(self, pause: int) -> None:
        self._do(lambda: self.world.pass_time(pause))

    @rule(trouble=st.sampled_from(TROUBLES))
    def trouble(self, trouble: dict[str, Any]) -> None:
        self.world.simulator._faults.add(read_fault(json.dumps(trouble | {"times": 1})))

    # Operators

    @rule(
        index=which,
        host=hosts,
        operation=st.sampled_from(["cancel", "cancel", "pause", "resume", "stop", "retry", "resolve"]),
        strike=strikes(8),
    )
    def command(self, index: int, host: int, operation: str, strike: Strike) -> None:
        self._operate(index, host, operation, strike)

    def _operate(self, index: int, host: int, operation: str, strike: Strike) -> None:
        fitting = [broadcast for broadcast in self.world.broadcasts() if broadcast.state in _FITTING[operation]]
        if fitting:
            broadcast = fitting[index % len(fitting)]
            self._do(lambda: self.world.operate(host, operation, broadcast, strike))

    def _do(self, act: Callable[[], object]) -> None:
        try:
            act()
            check_now(self.world)
        except BaseException:
            self._broken = True
            raise

    def teardown(self) -> None:
        """Every fault stops: everything ends, or is parked with a code."""
        try:
            if not self._broken:
                self.world.drain()
                check_end(self.world)
                if self._responses:
                    self.world.drain_responses()
                    check_responses(self.world)
        except BaseException:
            self._broken = True
            raise
        finally:
            if self._broken:
                note("\n".join(self.world.log))
            self.world.close()


_FITTING: Final = {
    "cancel": frozenset(State) - {State.CLOSED, State.FAILED, State.CANCELLED},
    "pause": {State.SENDING},
    "resume": {State.SENDING},
    "stop": {State.SENDING},
    "retry": {State.FAILED},
    "resolve": {State.NEEDS_OPERATOR},
}
