"""The cells of the matrix: each point of each scenario, and each fault that can strike there."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from sqlalchemy import select

from shared.errors import BridgeError
from shared.ledger import tables
from shared.ledger.effects import Kind
from tests.matrix.boundaries import Point
from tests.matrix.faults import Fault, Impossible, strike, strike_dead, why_impossible
from tests.matrix.play import End, Play, Scenario, Snapshot, Wrong, check
from tests.matrix.world import World


@dataclass(frozen=True, slots=True)
class Passage:
    """A point of a scenario: what is done there, and in which round."""

    point: Point
    event: str
    round: int
    #: Whether it is inside a transaction.
    inside: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """A scenario in which nothing goes wrong, and what it went through."""

    scenario: Scenario
    end: End
    passages: tuple[Passage, ...]
    snapshots: tuple[Snapshot, ...]
    effects: frozenset[tuple[Kind, str, str]]
    #: Changes of state: of what, before, after.
    commits: frozenset[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """Something that goes wrong at a point of a scenario."""

    recording: Recording
    passage: Passage
    fault: Fault

    def __str__(self) -> str:
        return f"{self.recording.scenario.name} | {self.passage.event} | {self.passage.point} | {self.fault}"


@dataclass
class Results:
    """What became of cells."""

    run: Counter[tuple[str, Fault]] = field(default_factory=Counter)
    impossible: Counter[tuple[str, Fault]] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    decided: int = 0
    wrong: list[str] = field(default_factory=list)
    #: Wrong as well, for a reason that is known.
    beyond: list[str] = field(default_factory=list)


#: Boundary, function or operation, and fault of cells whose end is not true, and why nobody can change that.
type Beyond = Mapping[tuple[str, str, Fault], str]


class Matrix:
    """Records scenarios and runs cells, all in one folder.

    Args:
        template: the folder that `new_world` made.
        folder: where worlds come and go.
    """

    def __init__(self, template: Path, folder: Path) -> None:
        self._template = template
        self._folder = folder
        self._recorded = 0

    def record(self, scenario: Scenario) -> Recording:
        """Play a scenario in which nothing goes wrong."""
        self._recorded += 1
        world, snapshots = World(self._template, self._folder / "world", scenario.setup), list[Snapshot]()
        rounds: list[int] = []
        try:
            play = Play(scenario, world)
            process = play.host.process

            def before_round() -> None:
                rounds.append(len(process.trace))
                snapshots.append(play.take_snapshot(self._folder / f"{self._recorded}-{len(snapshots)}"))

            play.before_round = before_round
            play.to_the_end()
            passages = tuple(
                Passage(point, event, sum(begun <= number for begun in rounds) - 1, point in process.inside)
                for number, (point, event) in enumerate(process.trace.items())
            )
            if play.acts:
                raise Wrong(f"{scenario.name}: nobody did {play.acts[0]}")
            end, commits = check(play), frozenset(_commits(world))
            return Recording(scenario, end, passages, tuple(snapshots), frozenset(process.effects), commits)
        finally:
            world.close()

    def forget(self, recording: Recording) -> None:
        """Remove the files of a recording."""
        for snapshot in recording.snapshots:
            shutil.rmtree(snapshot.folder)

    def run(self, cells: Iterable[Cell], beyond: Beyond, *, killed: bool = False) -> Results:
        """Run cells.

        Args:
            cells: the cells.
            beyond: what may be wrong, and why.
            killed: whether who dies is a process of its own, which ends by a signal; cells of deaths only.
        """
        results = Results()
        for cell in cells:
            row = cell.passage.point.boundary, cell.fault
            try:
                end = self._run(cell, killed=killed)
            except Impossible as impossible:
                results.impossible[row] += 1
                results.reasons[str(impossible)] += 1
            except Wrong as wrong:
                results.run[row] += 1
                known = (*cell.passage.point.kind, cell.fault) in beyond
                (results.beyond if known else results.wrong).append(f"{cell}: {wrong}")
            else:
                results.run[row] += 1
                results.decided += end.decided > cell.recording.end.decided
        return results

    def _run(self, cell: Cell, *, killed: bool) -> End:
        passage, recording = cell.passage, cell.recording
        why = _why_impossible(cell)
        if why is not None:
            raise Impossible(why)
        snapshot = recording.snapshots[passage.round]
        world = World(snapshot.folder, self._folder / "world", recording.scenario.setup)
        try:
            play = Play(recording.scenario, world, snapshot)
            return (strike_dead if killed else strike)(play, passage.point, cell.fault)
        except (BridgeError, AssertionError) as error:
            raise Wrong(f"{type(error).__name__}: {error}") from error
        finally:
            world.close()


def cells(recording: Recording) -> Iterator[Cell]:
    """Every cell of a scenario."""
    for passage in recording.passages:
        for fault in Fault:
            yield Cell(recording, passage, fault)


def sample(recordings: Iterable[Recording], *, faults: int = len(Fault)) -> list[Cell]:
    """Cells of each row of the code's own list: in a short scenario, at one of its passages there.

    Args:
        recordings: the scenarios.
        faults: how many of the faults that are possible at a row, in an order that differs from row to row; with all of
            them, also those that are impossible.
    """
    chosen: dict[tuple[tuple[str, str], Fault], tuple[tuple[bool, int, str], Cell]] = {}
    for recording in recordings:
        for cell in cells(recording):
            key = cell.passage.point.kind, cell.fault
            rank = (_why_impossible(cell) is not None, len(recording.passages) // _SHORT, _shuffled(str(cell)))
            if key not in chosen or rank < chosen[key][0]:
                chosen[key] = rank, cell
    rows: dict[tuple[str, str], list[Cell]] = {}
    for (row, _), ((impossible, *_), cell) in chosen.items():
        if faults == len(Fault) or not impossible:
            rows.setdefault(row, []).append(cell)
    return [
        cell
        for row, its_cells in rows.items()
        for cell in sorted(its_cells, key=lambda cell: _shuffled(f"{row}{cell.fault}"))[:faults]
    ]


#: Scenarios whose passages are about as many are equally short.
_SHORT: Final = 60


def _shuffled(text: str) -> str:
    """An order that has nothing to do with what is ordered, and is the same in every run."""
    return sha256(text.encode()).hexdigest()


def _why_impossible(cell: Cell) -> str | None:
    return why_impossible(cell.passage.event, cell.passage.point.boundary, cell.fault, inside=cell.passage.inside)


def _commits(world: World) -> Iterator[tuple[str, str, str]]:
    for what, table in (("broadcast", tables.history), ("response file", tables.response_file_history)):
        with world.watcher.rs_database.reading() as connection:
            for before, after in connection.execute(select(table.c.from_state, table.c.to_state)):
                yield what, str(before), str(after)
