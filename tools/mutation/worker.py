"""Runs one mutant at a time in a checkout of its own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkResult

from tools.mutation.selection import Selection


class Worker:
    """A checkout of the commit, in which files may be changed.

    Args:
        root: the checkout of the developer; its environment and Azurite are used.
        folder: where the worker's checkout is, or will be.
        commit: what is checked out.
    """

    def __init__(self, root: Path, folder: Path, commit: str) -> None:
        self._folder = folder
        if not folder.exists():
            subprocess.run(["git", "clone", "--quiet", "--shared", str(root), str(folder)], check=True)  # noqa: S607
            for shared in (".venv", ".tools", "node_modules"):
                (folder / shared).symlink_to(root / shared)
        # A worker that was killed leaves its mutant behind.
        subprocess.run(["git", "checkout", "--quiet", "--force", commit], cwd=folder, check=True)  # noqa: S607

    def run(self, item: Any, selection: Selection) -> tuple[str, WorkResult]:
        """Run the tests against one mutant: its id and what became of it."""
        (mutation,) = item.mutations
        path = self._folder / mutation.module_path
        lines = range(mutation.start_pos[0], mutation.end_pos[0] + 1)
        tests = selection.tests(str(mutation.module_path), lines)
        operator = get_operator(mutation.operator_name)(**mutation.operator_args)
        with use_mutation(path, operator, mutation.occurrence) as (_, mutated):
            if mutated is None:
                return item.job_id, WorkResult(WorkerOutcome.NO_TEST)
            killed, output = self._tests_fail(tests, selection.timeout(tests)) if tests else (False, "no test")
        outcome = TestOutcome.KILLED if killed else TestOutcome.SURVIVED
        return item.job_id, WorkResult(
            WorkerOutcome.NORMAL, output[-2000:], outcome, mutated.splitlines()[lines[0] - 1]
        )

    def _tests_fail(self, tests: list[str], timeout: float) -> tuple[bool, str]:
        listed = self._folder.with_suffix(".tests")
        listed.write_text("\n".join(tests), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", f"@{listed}"]
        with subprocess.Popen(
            command,
            cwd=self._folder,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(self._folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                output = "time-out"
            finally:
                # What the tests started, such as Azurite, ends with them.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return process.returncode not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}, output
