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

        A line that is executed at import, such as one of a table, is reached by whatever reaches its module or,
        if nothing calls that, its room. The tests beside it in the mirrored folder come first then.

        Args:
            path: the module, below the root.
            lines: the lines of the mutant.
        """
        module = self.by_line.get(path, {})
        reaching = set().union(*(module.get(line, set()) for line in lines))
        mirrored: tuple[str, ...] = ()
        if not reaching:
            *rooms, _ = path.split("/")
            mirrored = tuple(f"tests/unit/{'/'.join(rooms[1:depth])}/" for depth in range(2, len(rooms) + 1))
            reaching = set().union(*module.values()) or self._tests_of_room("/".join(rooms[:2]))
        chosen, total = [], 0.0
        for test in sorted(reaching, key=lambda test: (not test.startswith(mirrored), self.seconds.get(test, 0.0))):
            total += self.seconds.get(test, 0.0)
            if total > BUDGET_SECONDS:
                break
            chosen.append(test)
        return chosen

    def _tests_of_room(self, room: str) -> set[str]:
        modules = (lines for path, lines in self.by_line.items() if path.startswith(f"{room}/"))
        return set().union(*(tests for lines in modules for tests in lines.values()))

    def timeout(self, tests: list[str]) -> float:
        """When a run of these tests is taken for one without end, in seconds."""
        return 60 + 5 * sum(self.seconds.get(test, 0.0) for test in tests)
