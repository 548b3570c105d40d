"""Which tests reach which line, by one run of the tests with coverage."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from coverage import CoverageData

#: Tests of one mutant may take so long, as measured when nothing was mutated: the fastest that reach it come first.
BUDGET_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Selection:
    """The tests by the lines that they reach.

    Args:
        by_line: node ids of tests, by path below the root and line.
        seconds: how long each test takes.
    """

    by_line: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """What a run has left in a folder; None if there was none."""
        durations, coverage = folder / "durations.json", folder / "coverage"
        if not durations.exists() or not coverage.exists():
            return None
        data = CoverageData(str(coverage))
        data.read()
        by_line: dict[str, dict[int, set[str]]] = {}
        for path in data.measured_files():
            lines = data.contexts_by_lineno(path)
            # A context is the node id and the phase: "tests/unit/test_a.py::test_b|run".
            by_line[path[path.index("/shared/") + 1 :]] = {
                line: {context.rpartition("|")[0] for context in contexts if context}
                for line, contexts in lines.items()
            }
        return cls(by_line, json.loads(durations.read_text(encoding="utf-8")))

    def tests(self, path: str, lines: range) -> list[str]:
        """The tests to run for a mutant, the fastest first, as many as `BUDGET_SECONDS` allows.

        A line that is executed at import is reached by every test that reaches its module.

        Args:
            path: the module, below the root.
            lines: the lines of the mutant.
        """
        module = self.by_line.get(path, {})
        reaching = set().union(*(module.get(line, set()) for line in lines))
        if not reaching:
            reaching = set().union(*module.values())
        chosen, total = [], 0.0
        for test in sorted(reaching, key=lambda test: self.seconds.get(test, 0.0)):
            total += self.seconds.get(test, 0.0)
            if total > BUDGET_SECONDS:
                break
            chosen.append(test)
        return chosen

    def timeout(self, tests: list[str]) -> float:
        """When a run of these tests is taken for one without end, in seconds."""
        return 60 + 5 * sum(self.seconds.get(test, 0.0) for test in tests)
