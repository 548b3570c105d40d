"""The crash and fencing matrix (docs/why/matrix.md): whatever happens at whatever point, every end is true.

Fast, in CI: every scenario, and some cells for each row of the code's own list; which faults differs from row to row.
Whole, every night: every cell of every scenario; and deaths in a process of their own, which is killed.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.matrix import boundaries, points
from tests.matrix.cells import Beyond, Matrix, Recording, Results, cells, sample
from tests.matrix.faults import Fault
from tests.matrix.scenarios import SCENARIOS
from tests.matrix.table import table
from tests.matrix.world import new_world

#: Rows of the code's own list that no scenario crosses, and why.
NO_SCENARIO: Final[dict[object, str]] = {
    ("blob", "database.bulk.bulk_insert:bulk_insert_method.<locals>.write"): "only a SQL Server has BULK INSERT",
    ("commit", "database.bulk.bulk_insert:bulk_insert_method.<locals>.write"): "only a SQL Server has BULK INSERT",
    ("commit", "database.bulk.load:Loading._remove"): "only after a failed load: cells reach it, no scenario does",
    ("commit", "ledger.responses.staging:clear"): "only after an interrupted load: cells reach it, no scenario does",
    ("commit", "steps.stage:stage"): "only when no recipient is left: a retry records the rejects again",
    (
        "blob",
        "steps.unfinished_lines:remove_from_reject_file",
    ): "after the commit that withdrew the reject: what is left is a row in a reject file too many",
    (
        "commit",
        "ledger.schema:Schema._apply_next",
    ): "a migration, which tests/unit/ledger/test_migrations.py interrupts",
    ("blob", "files.locations:_Container.write"): "a file for FERG, which the folder stands for: it is replaced whole",
    ("site", "files.locations:_SftpFolder.write"): "a file for FERG, which the folder stands for: it is replaced whole",
}
NO_EFFECT: Final = {
    ("copy", "closed loop", "after import"): "Optimizely makes the copy",
    ("copy", "export file", "upload only"): "nothing is prepared",
    ("copy", "import job", "upload only"): "nothing is prepared",
    ("start", "export file", "upload only"): "nothing is sent",
    ("start", "import job", "upload only"): "nothing is sent",
}
NO_COMMIT: Final = {
    ("broadcast", "sending", "failed"): "a start was tried, so that nobody can promise that nobody was mailed",
    ("broadcast", "sent", "failed"): "people were mailed",
    (
        "broadcast",
        "claimed",
        "needs_operator",
    ): "its list was removed after an upload without an answer, and the site is "
    "down; `prepared`, from which it is parked, stands for it",
    ("broadcast", "staged", "needs_operator"): "what was uploaded was forgotten or is the batch's own; `prepared`, "
    "from which it is parked, stands for it",
}
#: Cells whose end is not true, and why: the window of docs/why/leases.md, which only the other side could close.
BEYOND: Final[Beyond] = {}
#: Calls of an operator that change nothing.
READS: Final = frozenset(
    {
        *("doctor:examine", "erasure.erase:plan", "peoplestage:lists", "peoplestage:messages"),
        *("peoplestage:preview", "peoplestage:test_login", "sent_since:sent_since", "test_send:report"),
    }
)
#: Commands, and the operation that each one calls; None: it changes nothing, or only this machine.
COMMANDS: Final[dict[str, str | None]] = {
    **{
        f"broadcast {name}": f"broadcasts:{name}"
        for name in ("acknowledge", "cancel", "park", "pause", "release", "resolve", "resume", "retry", "stop")
    },
    "erase": "erasure.erase:erase",
    "hold": "holds:add",
    "responses load": "responses:add_file",
    "responses replay": "responses:load_again",
    "test-send": "test_send:for_message",
    **dict.fromkeys(
        ("broadcast show", "broadcasts", "db status", "doctor", "erasures", "errors", "settings", "status")
    ),
    **dict.fromkeys(("responses inspect", "responses show", "schema-map show", "sent-since")),
    **dict.fromkeys(("demo", "setup", "smoke")),
    "db migrate": None,  # see Schema._apply_next
}


#: Faults that the fast form plays at each row; which, differs from row to row.
_FAST_FAULTS: Final = 2


@pytest.fixture
def matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Matrix]:
    """Records scenarios and runs cells."""
    boundaries.installed(monkeypatch)
    new_world(tmp_path / "template")
    logging.disable(logging.CRITICAL)  # whatever goes wrong here is reported by its cell
    yield Matrix(tmp_path / "template", tmp_path)
    logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_every_row_of_the_codes_own_list_is_played_and_every_end_is_true(
    matrix: Matrix, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = [matrix.record(scenario) for scenario in SCENARIOS]
    missing = _missing(recordings)
    assert not missing, "a row without a scenario, or a reason without a row: " + "; ".join(missing)
    results = matrix.run(sample(recordings, faults=_FAST_FAULTS), BEYOND)
    with capsys.disabled():
        _print(table(results, rows=len(points.boundaries()), scenarios=len(recordings)))
    assert not results.wrong, "\n".join(results.wrong)


@pytest.mark.nightly
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_cell_of_a_story_has_a_true_end(
    matrix: Matrix, scenario: object, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = matrix.record(scenario)  # type: ignore[arg-type]
    results = matrix.run(cells(recording), BEYOND)
    with capsys.disabled():
        _print(table(results, rows=len({passage.point.kind for passage in recording.passages}), scenarios=1))
    assert not results.wrong, "\n".join(results.wrong)


@pytest.mark.nightly
def test_a_process_that_is_killed_leaves_the_same_as_one_that_dies_in_memory(
    matrix: Matrix, capsys: pytest.CaptureFixture[str]
) -> None:
    recordings = [matrix.record(scenario) for scenario in SCENARIOS]
    deaths = [cell for cell in sample(recordings) if cell.fault in {Fault.DEATH_BEFORE, Fault.DEATH_AFTER}]
    results = matrix.run(deaths, BEYOND, killed=True)
    with capsys.disabled():
        _print(table(results, rows=len(points.boundaries()), scenarios=len(recordings)))
    assert not results.wrong, "\n".join(results.wrong)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


def _missing(recordings: list[Recording]) -> list[str]:
    """What the code has and no scenario crosses, and reasons that have no row any more."""
    operations = {
        _name(act.operation) for recording in recordings for act in recording.scenario.acts if act.operation is not None
    } | {"broadcasts:resolve"}  # an operator's answer wherever a broadcast is parked
    passed = {passage.point.kind for recording in recordings for passage in recording.passages}
    effects = {(str(kind), *rest) for recording in recordings for kind, *rest in recording.effects}
    commits = {commit for recording in recordings for commit in recording.commits}
    pairs: list[tuple[set[object], set[object], set[object]]] = [
        (set(points.boundaries()), set(passed), set(NO_SCENARIO)),
        ({(str(kind), *rest) for kind, *rest in points.effects()}, set(effects), set(NO_EFFECT)),
        (set(points.commits()), set(commits), set(NO_COMMIT)),
        (set(points.operations()), set(operations), set(READS)),
        (set(points.commands()), set(), set(COMMANDS)),
        ({name for name in COMMANDS.values() if name}, set(points.operations()), set()),
    ]
    return [
        str(row)
        for rows, played, reasons in pairs
        for row in sorted((rows - played - reasons) | (reasons - rows) | (reasons & played), key=str)
    ]


def _name(operation: object) -> str:
    module, name = operation.__module__, operation.__name__  # type: ignore[attr-defined]
    return f"{module.removeprefix('shared.operations.')}:{name}"


def test_a_row_without_a_story_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "operations", lambda: {"broadcasts:launch"})
    assert "broadcasts:launch" in _missing([])


def test_results_are_a_table_with_their_counts() -> None:
    results = Results()
    results.run["rest", Fault.FROZEN] = 3
    results.impossible["rest", Fault.TWICE] = 2
    results.reasons["no operator's call"] = 2
    shown = table(results, rows=1, scenarios=1)
    assert "3 cells run, 2 impossible, 5 in all" in shown
    assert "2  no operator's call" in shown
