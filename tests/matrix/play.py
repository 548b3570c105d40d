"""Scenarios, how they are played, and the books that are checked at the end of each."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import or_, select

from cli.broadcasts import _possible_commands
from shared.bridge import Bridge
from shared.broadcast import RESTING, TRANSITIONS, Broadcast, State
from shared.errors import BridgeError, TerminalError
from shared.ledger import tables
from shared.operations import broadcasts as operator
from shared.response_file import TRANSITIONS as FILE_TRANSITIONS
from shared.response_file import FileState
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.steps.poll_jobs import poll_jobs
from tests.matrix.boundaries import running
from tests.matrix.world import LEASE, Host, Setup, World

#: Rounds after which a scenario does not come to its end.
_PATIENCE: Final = 120
#: Rounds without anything to do after which the world is quiet.
_QUIET: Final = 3
#: How often an operator has to decide about one broadcast.
_MOST_DECISIONS: Final = 3


class Wrong(BaseException):
    """What the books say is not what must be; no `except Exception` of the bridge sees it."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something that a person does in a scenario, as soon as it makes sense."""

    #: The operation that is called; None: something that happens in the world.
    operation: Callable[..., object] | None
    #: Whether it makes sense now.
    when: Callable[[World, Bridge], bool]
    do: Callable[[World, Bridge], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A broadcast or a response file from its beginning to its end, with everything that happens to it."""

    name: str
    setup: Setup = field(default_factory=Setup)
    begin: Callable[[World], object] = lambda _world: None
    acts: tuple[Act, ...] = ()
    #: What gathers, besides what polls and delivers.
    gathers: bool = False
    #: How its broadcasts end when nothing goes wrong.
    ends: State = State.CLOSED
    #: How it may end as well, where something goes wrong at the wrong time.
    or_ends: frozenset[State] = frozenset()
    #: Functions of the bridge that it calls in every round.
    rounds: tuple[Callable[[Bridge], object], ...] = ()
    #: What must be true of the world at its end, besides what must be true of every scenario.
    books: Callable[[World], None] = lambda _world: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A play at the beginning of a round."""

    #: Everything that is in files.
    folder: Path
    elapsed: timedelta
    faults: dict[int, Any]
    breaks: tuple[int, int]
    acts: tuple[Act, ...]
    quiet: int
    #: Points that the process has passed, and dropped files that it has seen.
    counted: Counter[tuple[str, str, str]]
    seen: dict[Any, Any]


class Play:
    """A scenario under way in a world.

    Args:
        scenario: the scenario.
        world: a world in which nothing has happened, or the one of the snapshot.
        snapshot: where the play goes on; None: at the beginning.
    """

    def __init__(self, scenario: Scenario, world: World, snapshot: Snapshot | None = None) -> None:
        self.scenario = scenario
        self.world = world
        self.host: Host = world.host()
        #: Acts that are still to come.
        self.acts = list(scenario.acts)
        #: Rounds in a row without anything to do.
        self._quiet = 0
        #: What the present process does: its name, and how another one does the same.
        self.event = ""
        self.again: Callable[[Bridge], object] = lambda _bridge: None
        #: How often an operator had to decide, by broadcast.
        self.decided: dict[str, int] = {}
        #: Called before each round.
        self.before_round: Callable[[], None] = lambda: None
        if snapshot is None:
            scenario.begin(world)
        else:
            self._restore(snapshot)

    def take_snapshot(self, folder: Path) -> Snapshot:
        """The play as it is now; its files are copied to a folder."""
        self.world.copy_to(folder)
        return Snapshot(
            folder=folder,
            elapsed=self.world.clock.ahead,
            faults=deepcopy(self.world.simulator._faults._active),
            breaks=(self.world.site_breaks.left, self.world.blobs.breaks),
            acts=tuple(self.acts),
            quiet=self._quiet,
            counted=self.host.process.counted.copy(),
            seen=dict(self.host.bridge.settled_files._first_seen),
        )

    def _restore(self, snapshot: Snapshot) -> None:
        self.world.clock.ahead = snapshot.elapsed
        self.world.simulator.clock.advance(snapshot.elapsed)
        self.world.simulator._faults._active = deepcopy(snapshot.faults)
        self.world.simulator._faults._added = len(snapshot.faults)
        self.world.site_breaks.left, self.world.blobs.breaks = snapshot.breaks
        self.acts = list(snapshot.acts)
        self._quiet = snapshot.quiet
        self.host.process.counted = snapshot.counted.copy()
        self.host.bridge.settled_files._first_seen.update(snapshot.seen)

    def to_the_end(self) -> None:
        """Play until the world is quiet.

        Raises:
            Wrong: it does not become quiet.
        """
        for _ in range(_PATIENCE):
            self.before_round()
            self._quiet = 0 if self._round() else self._quiet + 1
            if self._quiet >= _QUIET and not self._under_fault():
                return
            self.world.tick()
        raise Wrong(f"it never ends: {self._under_fault() or [message.body for message in self.world.messages()]}")

    def others_go_on(self) -> None:
        """While the present process stands still for longer than its lease, others play to the end."""
        before = self.host, self.event, self.again, self._quiet
        self.host, self._quiet = self.world.host(), 0
        self.world.tick(2 * LEASE)
        self.to_the_end()
        self.host, self.event, self.again, self._quiet = before

    def call(self, event: str, do: Callable[[Bridge], object]) -> bool:
        """Let the present process do something; False when it died, or was not answered."""
        if self.host.process.dead:
            self.host = self.world.host()
            self.world.tick(LEASE)
        self.event, self.again = event, do
        self.host.process.event = event
        try:
            self.host.does(do)
        except TerminalError:
            return True  # it is refused
        except BridgeError:
            return False  # the trigger fires again, a message comes again
        return not self.host.process.dead

    def _round(self) -> bool:
        messages = self.world.messages()
        busy = bool(messages)
        self.call("timer poll_jobs", poll_jobs)
        for message in messages:
            self.call(f"message {message.queue}", message.deliver)
        for function in self.scenario.rounds:
            self.call(f"timer {function.__name__}", function)
        if self.scenario.gathers:
            self.call("timer gather_responses", gather_responses)
        if self.acts and self._makes_sense(self.acts[0]):
            busy = True
            self._perform(self.acts[0])
        elif self._quiet >= _QUIET and self.acts and not self._at_work():
            busy = True
            del self.acts[0]
        if not messages:
            self.call("timer housekeeping", housekeeping)
        return busy or self._decide()

    def _perform(self, act: Act) -> None:
        """Whoever is not answered looks, and calls again if it still makes sense."""
        if act.operation is None:
            with running(None):
                act.do(self.world, self.world.watcher)
            self.acts.remove(act)
            return
        answered = self.call(f"operator {act.operation.__name__}", lambda bridge: act.do(self.world, bridge))
        if act in self.acts and (answered or not self._makes_sense(act)):
            self.acts.remove(act)

    def _makes_sense(self, act: Act) -> bool:
        return act.when(self.world, self.world.watcher)

    def _decide(self) -> bool:
        """Answer, truthfully, what only an operator can: whether a parked broadcast was started."""
        if self._at_work():
            return False
        for broadcast in self.world.broadcasts():
            if broadcast.state is not State.NEEDS_OPERATOR:
                continue
            self.decided[broadcast.key] = self.decided.get(broadcast.key, 0) + 1
            if self.decided[broadcast.key] > _MOST_DECISIONS:
                raise Wrong(f"an operator has decided {_MOST_DECISIONS} times: {broadcast.error}")
            by_hand = any(act.operation is operator.park for act in self.scenario.acts)
            if not (broadcast.error_code or by_hand) or not _possible_commands(self.world.watcher, broadcast):
                raise Wrong(f"parked without code and command: {broadcast.error_code}, {broadcast.error}")
            self.world.tick(timedelta(hours=2))
            started, campaign = self.world.decision(broadcast)
            self.call(
                "operator resolve",
                lambda bridge, key=broadcast.key, started=started, campaign=campaign: operator.resolve(  # type: ignore[misc]
                    bridge, key, started=started, owner="an operator", campaign_id=campaign
                ),
            )
            return True
        return False

    def _at_work(self) -> list[str]:
        """Broadcasts and response files that are not at rest."""
        broadcasts = self.world.broadcasts()
        files = self.world.watcher.ledger.response_files.newest(100)
        return [
            *(f"{row.key} is {row.state}" for row in broadcasts if row.state not in RESTING),
            *(
                f"the end of {row.key} is not reported"
                for row in broadcasts
                if row.state is not State.NEEDS_OPERATOR and row.state in RESTING and row.reported_at is None
            ),
            *(f"{file.name} is {file.state}" for file in files if file.state in {FileState.SEEN, FileState.GATHERED}),
        ]

    def _under_fault(self) -> list[str]:
        # An act that makes no sense any more is not missed: things have come otherwise.
        missed = [str(act.operation) for act in self.acts[:1] if self._makes_sense(act)]
        parked = [f"{row.key} is parked" for row in self.world.broadcasts() if row.state is State.NEEDS_OPERATOR]
        return [*missed, *self._at_work(), *parked]


@dataclass(frozen=True, slots=True)
class End:
    """How a play ended."""

    states: tuple[State, ...]
    mailed: int
    decided: int


def check(play: Play, *, cancelled: bool = False) -> End:
    """Check the books of a world in which nothing is under way any more.

    Args:
        play: the scenario that was played.
        cancelled: whether an operator has cancelled a broadcast.

    Raises:
        Wrong: somebody was mailed twice, or an end is not true, or something is left behind.
    """
    world, broadcasts = play.world, play.world.broadcasts()
    world.pass_days()
    twice = world.mailed_twice()
    if twice:
        raise Wrong(f"{twice} people were mailed twice")
    ends = {play.scenario.ends, *play.scenario.or_ends} | ({State.CANCELLED} if cancelled else set())
    for broadcast in broadcasts:
        _check_end(world, broadcast, ends)
    _check_historys(world)
    play.scenario.books(world)
    with world.watcher.rs_database.reading() as connection:
        # The one of a dead process has run out; the row stays until somebody takes it.
        live = or_(tables.lease.c.expires_at.is_(None), tables.lease.c.expires_at > world.clock.now())
        leases = connection.execute(select(tables.lease.c.name, tables.lease.c.owner).where(live)).all()
    if leases:
        raise Wrong(f"leases are left: {leases}")
    mailed = sum(world.mails(broadcast) for broadcast in broadcasts)
    return End(tuple(row.state for row in reversed(broadcasts)), mailed, sum(play.decided.values()))


def _check_end(world: World, broadcast: Broadcast, ends: set[State]) -> None:
    mails, state = world.mails(broadcast), broadcast.state
    if state not in ends:
        raise Wrong(f"{broadcast.key} is {state}, not {' or '.join(sorted(ends))}: {broadcast.error}")
    if state in {State.FAILED, State.CANCELLED} and mails:
        raise Wrong(f"{broadcast.key} is {state}, and {mails} people were mailed")
    if state is State.FAILED and not (broadcast.error_code and broadcast.error):
        raise Wrong(f"{broadcast.key} is failed without a code")
    if state is State.CLOSED and mails != (broadcast.sent or 0):
        raise Wrong(f"{broadcast.key} is closed as sent to {broadcast.sent}, and {mails} people were mailed")
    if broadcast.rows is not None and broadcast.rows.read != broadcast.rows.accounted:
        raise Wrong(f"{broadcast.key}: rows do not add up: {broadcast.rows}")


def _check_historys(world: World) -> None:
    for table, legal in ((tables.history, TRANSITIONS), (tables.response_file_history, FILE_TRANSITIONS)):
        with world.watcher.rs_database.reading() as connection:
            changes = connection.execute(select(table.c.from_state, table.c.to_state)).all()
        for before, after in changes:
            if before is not None and before != after and after not in legal[before]:
                raise Wrong(f"an illegal change of state: {before} to {after}")
