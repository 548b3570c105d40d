"""Run mutants against the tests that reach them: `python -m tools.mutation [--sample 300] [--seed 1]`.

The first run measures which test reaches which line. The session is kept in `.tools/mutation`, one for each commit,
sample and seed: started again, the command goes on where it stopped.
"""

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.mutation.mutants import create_session, modules, open_session
from tools.mutation.report import report
from tools.mutation.selection import Selection
from tools.mutation.worker import Worker

ROOT = Path(__file__).parents[2]
#: Tests that run the code in their own process. The others start hosts, and notice nothing that these do not.
TESTS = ("tests/unit", "tests/flow")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 if fewer mutants are killed than `--at-least` says."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, help="so many mutants, chosen at random (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="of the choice (default: 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: the cores)")
    parser.add_argument("--at-least", type=float, default=85, help="per cent to be killed (default: 85)")
    parser.add_argument("--tests", nargs="+", default=TESTS, help=f"which tests (default: {' '.join(TESTS)})")
    parser.add_argument("--only", default="", help="mutate only modules whose path contains this")
    options = parser.parse_args(arguments)
    if _git("status", "--porcelain", "--", "shared", "tests"):
        print("shared/ or tests/ have changes that are not committed; commit them first.", file=sys.stderr)
        return 2
    commit = _git("rev-parse", "--short", "HEAD")
    folder = ROOT / ".tools" / "mutation" / "-".join([commit, *(test.replace("/", "_") for test in options.tests)])
    folder.mkdir(parents=True, exist_ok=True)
    selection = Selection.load(folder) or _measure(folder, options.tests)
    name = f"{options.sample or 'all'}-{options.seed}{options.only.replace('/', '-')}.sqlite"
    if not (folder / name).exists():
        paths = [path for path in modules(ROOT) if options.only in str(path)]
        create_session(folder / name, ROOT, paths, sample=options.sample, rng=random.Random(options.seed))  # noqa: S311 - no secret
    with open_session(folder / name) as session:
        pending = session.pending_work_items
        print(f"Commit {commit}, seed {options.seed}: {session.num_work_items} mutants, {len(pending)} to run.")
        workers = [Worker(ROOT, folder / f"worker-{number}", commit) for number in range(options.jobs)]
        idle = list(workers)
        with ThreadPoolExecutor(options.jobs) as pool:

            def run(item: object) -> tuple[str, object]:
                worker = idle.pop()
                try:
                    return worker.run(item, selection)
                finally:
                    idle.append(worker)

            for done, (job_id, result) in enumerate(pool.map(run, pending), start=1):
                session.set_result(job_id, result)
                print(f"\r{done}/{len(pending)}", end="", flush=True, file=sys.stderr)
        score = report(session, folder / name.replace(".sqlite", ".md"))
    return 0 if score >= options.at_least else 1


def _measure(folder: Path, tests: Sequence[str]) -> Selection:
    print("Measuring which test reaches which line; this takes as long as the tests.")
    environment = os.environ | {
        "COVERAGE_FILE": str(folder / "coverage"),
        "BRIDGE_TEST_DURATIONS": str(folder / "durations.json"),
        "COVERAGE_CORE": "ctrace",  # the only one that knows which test runs
    }
    command = [sys.executable, "-m", "pytest", *tests, "-q", "-n", "2", "-m", "not nightly", "-p", "pytest_cov"]
    command += ["-p", "tools.mutation.durations", "--cov=shared", "--cov-context=test", "--cov-report="]
    subprocess.run(command, cwd=ROOT, env=environment, check=False)
    selection = Selection.load(folder)
    if selection is None:
        raise SystemExit("The tests did not run; see above.")
    return selection


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S607


if __name__ == "__main__":
    raise SystemExit(main())
