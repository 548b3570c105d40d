"""A step that kills its process is not repeated for ever: after as many deaths its broadcast or file ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shared.steps.broadcast_step
import shared.steps.load_responses as load_step
import shared.steps.upload_list as upload_step
from shared.broadcast import State
from shared.operations.broadcasts import retry
from shared.operations.responses import add_file, load_again
from shared.response_file import FileState
from shared.steps.housekeeping import housekeeping
from tests.flow.harness import Flow, environment, until

DEATHS = 3
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def dying(flow: Flow) -> Flow:
    """A bridge that tries three times."""
    flow.set(max_attempts=DEATHS)
    return flow


def kill(flow: Flow, *what: object, attempts: Callable[[], int]) -> None:
    """Start processes that die in the step, until each attempt is used up."""

    def one_dies() -> None:
        before = attempts()
        process = subprocess.run(
            [sys.executable, "-m", "tests.flow.dying_process", *map(str, what)],
            cwd=_ROOT,
            # A short life: each process leaves its lease behind for the next one.
            env=os.environ | environment(flow.bridge.settings) | {"LEASE_SECONDS": "0.2"},
            check=False,
            timeout=300,
        )
        assert (process.returncode == -signal.SIGKILL) == (attempts() == before + 1)

    until(lambda: attempts() == DEATHS, "the deaths", between=one_dies)


def counting(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[str]:
    """The calls of a function."""
    calls, original = [], getattr(where, name)

    def count(*arguments: Any, **named: Any) -> Any:
        calls.append(name)
        return original(*arguments, **named)

    monkeypatch.setattr(where, name, count)
    return calls


def test_a_broadcast_whose_step_kills_its_process_ends_before_its_next_try(
    dying: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = dying
    job_id = flow.order()
    flow.poll()
    kill(flow, "broadcast", flow.broadcast(job_id).key, attempts=lambda: flow.broadcast(job_id).attempts)
    calls = counting(monkeypatch, upload_step, "stage")
    failed = flow.sweep_until_at_rest(job_id)
    assert (failed.state, failed.error_code, failed.ended_in) == (State.FAILED, "step-never-ends", State.CLAIMED)
    assert "The step claimed" in (failed.error or "")
    assert f"begun {DEATHS} times" in (failed.error or "")
    assert calls == []
    retry(flow.bridge, failed.key, owner="operator")
    assert flow.run(job_id).state is State.CLOSED
    assert calls == ["stage"]


def test_a_response_file_whose_load_kills_its_process_ends_before_its_next_try(
    dying: Flow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flow = dying
    path = tmp_path / "Response_deadly.csv"
    path.write_text("Urn;MessageType;EventTriggeredDate\n1;Open;01.03.2026 12:30\n")
    file = add_file(flow.bridge, path)
    files = flow.bridge.ledger.response_files
    kill(flow, "file", file.id, attempts=lambda: files.get(file.id).attempts)
    calls = counting(monkeypatch, load_step, "load")
    flow.clock.advance(seconds=flow.bridge.settings.lease_seconds)

    def pass_on() -> None:
        housekeeping(flow.bridge)
        flow.deliver()

    until(lambda: files.get(file.id).state is not FileState.GATHERED, "its end", between=pass_on)
    failed = files.get(file.id)
    assert (failed.state, failed.error_code) == (FileState.FAILED, "step-never-ends")
    assert calls == []
    assert load_again(flow.bridge, file.id).loaded == 1


def test_a_recall_that_kills_its_process_is_not_repeated_for_ever(dying: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = dying
    job_id = flow.order()
    flow.poll()
    kill(flow, "broadcast", flow.broadcast(job_id).key, attempts=lambda: flow.broadcast(job_id).attempts)

    class Killed(BaseException):
        pass

    recalls = []

    def killing(*_: Any) -> bool:
        recalls.append(1)
        raise Killed

    monkeypatch.setattr(shared.steps.broadcast_step, "_recall", killing)

    def pass_on() -> None:
        flow.clock.advance(seconds=flow.bridge.settings.lease_seconds)
        try:
            housekeeping(flow.bridge)
            flow.deliver()
        except Killed:
            return

    until(lambda: flow.broadcast(job_id).state is State.NEEDS_OPERATOR, "it is parked", between=pass_on)
    assert recalls == [1]
    assert flow.broadcast(job_id).error_code == "step-never-ends"
