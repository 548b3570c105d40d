"""The mutants: what our operators change, and what is left alone."""

import random
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator

from tools.mutation.mutants import create_session, modules, open_session
from tools.mutation.operators import Provider
from tools.mutation.selection import BUDGET_SECONDS, Selection

ROOT = Path(__file__).parents[3]
EXAMPLES = [(Provider()[name], example) for name in Provider() for example in Provider()[name].examples()]


@pytest.mark.parametrize(("operator", "example"), EXAMPLES)
def test_an_operator_does_what_its_examples_say(operator: type[Operator], example: Example) -> None:
    assert mutate_code(example.pre_mutation_code, operator(), example.occurrence) == example.post_mutation_code


def mutants(tmp_path: Path, source: str) -> set[tuple[str, int]]:
    """Operator and line of each mutant of a module."""
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    session = tmp_path / "session.sqlite"
    create_session(session, tmp_path, [Path("module.py")], sample=None, rng=random.Random(1))
    with open_session(session) as opened:
        return {(item.mutations[0].operator_name, item.mutations[0].start_pos[0]) for item in opened.work_items}


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""\n',
        'def save(row: "Row") -> "Saved": ...\n',
        "@dataclass(frozen=True)\nclass Row: ...\n",
        'log.info("a text for people", extra={"action": "sweep"})\n',
        '__slots__ = ("a",)\n',
    ],
)
def test_what_no_test_should_notice_has_no_mutant(tmp_path: Path, source: str) -> None:
    assert mutants(tmp_path, source) == set()


def test_a_condition_a_statement_and_a_word_have_mutants(tmp_path: Path) -> None:
    source = 'def f():\n    delete(table).where(name == "a", owner == b)\n    return 1\n'
    operators = {operator for operator, _ in mutants(tmp_path, source)}
    assert {"bridge/DropArgument", "bridge/DropStatement", "bridge/ChangeString"} <= operators


def test_a_seed_chooses_the_same_mutants(tmp_path: Path) -> None:
    chosen = []
    for number in range(2):
        session = tmp_path / f"{number}.sqlite"
        create_session(session, ROOT, modules(ROOT)[:2], sample=10, rng=random.Random(7))
        with open_session(session) as opened:
            chosen.append({(m.operator_name, m.start_pos) for item in opened.work_items for m in item.mutations})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 10


def test_the_fastest_tests_that_reach_a_line_run() -> None:
    by_line = {"shared/a.py": {1: {"slow", "fast", "endless"}, 2: {"other"}}}
    selection = Selection(by_line, {"slow": 9.0, "fast": 0.1, "endless": BUDGET_SECONDS, "other": 1.0})
    assert selection.tests("shared/a.py", range(1, 2)) == ["fast", "slow"]
    assert selection.tests("shared/a.py", range(9, 10)) == ["fast", "other", "slow"]
    assert selection.tests("cli/b.py", range(1, 2)) == []


def test_a_table_is_tested_by_its_room_the_mirrored_tests_first() -> None:
    mirrored, flow = "tests/unit/ledger/test_b.py::test", "tests/flow/test_a.py::test"
    by_line = {"shared/ledger/broadcasts.py": {1: {flow, mirrored}}, "shared/steps/stage.py": {1: {"another"}}}
    selection = Selection(by_line, {flow: 0.1, mirrored: 5.0})
    assert selection.tests("shared/ledger/tables/broadcasts.py", range(1, 2)) == [mirrored, flow]
