"""Whatever goes wrong with one duty or one item of it, the others are done, and the heartbeat comes last."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from local.faststats.delivery_file_generator import write_delivery_file
from shared.bridge import Bridge
from shared.broadcast import Broadcast, BroadcastRequest, RouteKind, State
from shared.config.channels import Channel, Drop
from shared.errors import StorageUnavailable
from shared.faststats.rs_db import RsDb
from shared.faststats.ws_db import WsDb
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.responses import counts as response_counts
from shared.operations.doctor import CHECKS, Check
from shared.operations.responses import add_file, load_again
from shared.steps import take_dropped_files as drops
from shared.steps.chores import report_backlog as backlog
from shared.steps.chores.compare_reports import compare_reports
from shared.steps.chores.find_broadcast_rows import find_broadcast_rows
from shared.steps.chores.remove_expired import remove_expired
from shared.steps.delivery_source import with_step_and_run
from shared.steps.housekeeping import CHORES, housekeeping
from shared.storage.queues import Queues
from shared.storage.staging import Staging
from tests.flow.harness import Flow, channel, until

#: An error of a library, whose text carries a row's values.
BROKEN = ProgrammingError("SELECT", {"email": "ann@example.com"}, ValueError("ann@example.com"))


def fails_at(number: int, function: Callable[..., Any], error: Exception = BROKEN) -> Callable[..., Any]:
    """The function, which fails at its n-th call."""
    calls = []

    def failing(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == number:
            raise error
        return function(*arguments, **named)

    return failing


def actions(caplog: pytest.LogCaptureFixture, action: str) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.__dict__.get("action") == action]


def test_a_sweep_that_cannot_begin_stops_no_chore_and_no_heartbeat(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="bridge")
    monkeypatch.setattr(Broadcasts, "forgotten", fails_at(1, Broadcasts.forgotten))
    done: list[str] = []

    def noting(name: str, chore: Callable[[Bridge], object]) -> Callable[[Bridge], object]:
        def noted(bridge: Bridge) -> object:
            done.append(name)
            return chore(bridge)

        return noted

    for name, chore in CHORES.items():
        monkeypatch.setitem(CHORES, name, noting(name, chore))
    housekeeping(flow.bridge)
    assert done == list(CHORES)
    assert [line["chore"] for line in actions(caplog, "unexpected")] == ["sweep-broadcasts"]
    assert caplog.records[-1].__dict__["action"] == "standing"
    assert "ann@" not in caplog.text


def test_a_broadcast_that_cannot_be_queued_again_stops_no_other(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in (1, 2, 3):
        flow.order(recipients=20, seed=seed)
    flow.poll()
    flow.take(flow.bridge.settings.upload_list_queue)
    flow.clock.advance(hours=1)
    monkeypatch.setattr(Queues, "send", fails_at(2, Queues.send, LookupError("ann@example.com")))
    housekeeping(flow.bridge)
    assert len(flow.take(flow.bridge.settings.upload_list_queue)) == 2
    (line,) = actions(caplog, "unexpected")
    assert line["broadcast"] in {broadcast.key for broadcast in flow.bridge.ledger.broadcasts.newest(9)}
    assert "ann@" not in caplog.text


def test_a_report_that_cannot_be_compared_stops_no_other(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcasts = [flow.run(flow.order(recipients=20, seed=seed)) for seed in (1, 2)]
    for seed, broadcast in enumerate(broadcasts):
        file = Path(flow.folder, f"Response-{seed}.csv")
        file.write_text(
            f"Urn;BroadcastKey;MessageType;EventTriggeredDate\n1;{broadcast.key};Complaint;01.03.2026 12:00\n", "utf-8"
        )
        load_again(flow.bridge, add_file(flow.bridge, file).id)
    monkeypatch.setattr(response_counts, "compared", fails_at(1, response_counts.compared))
    assert compare_reports(flow.bridge) == 1
    assert compare_reports(flow.bridge) == 0
    flow.clock.advance(hours=1)
    assert compare_reports(flow.bridge) == 1


def test_a_row_that_cannot_be_read_stops_no_other(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for seed in (1, 2):
        flow.order(recipients=20, seed=seed)
    flow.poll()
    broadcasts = flow.bridge.ledger.broadcasts.newest(9)
    monkeypatch.setattr(Broadcasts, "without_row", lambda *_, **__: broadcasts)
    monkeypatch.setattr(RsDb, "find_broadcast", fails_at(1, lambda *_: 4711))
    assert find_broadcast_rows(flow.bridge) == 1
    assert [line["broadcast"] for line in actions(caplog, "unexpected")] == [broadcasts[0].key]


@pytest.mark.parametrize(
    ("module", "name", "error", "missing"),
    [
        (backlog, "broadcasts_under_way", BROKEN, "claimed"),
        (backlog, "response_files_under_way", BROKEN, "files_seen"),
        (backlog, "ferg_files_under_way", BROKEN, "ferg_files"),
        (Queues, "length", StorageUnavailable(operation="read", reason="status 404"), "poison_upload_list"),
    ],
)
def test_what_cannot_be_counted_is_left_out_of_the_heartbeat(
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    module: Any,
    name: str,
    error: Exception,
    missing: str,
) -> None:
    caplog.set_level("INFO", logger="bridge")
    poison = f"poison_{next(iter(backlog.queues(flow.bridge.settings)))}"
    flow.order(recipients=20)
    flow.poll()
    monkeypatch.setattr(module, name, fails_at(1, getattr(module, name), error))
    housekeeping(flow.bridge)
    (line,) = actions(caplog, "standing")
    fields = {"claimed": 1, "files_seen": 0, "ferg_files": 0, poison: 0}
    del fields[poison if missing.startswith("poison") else missing]
    assert {
        field: line.get(field) for field in ("claimed", "files_seen", "ferg_files", poison) if field in line
    } == fields


def test_a_blob_that_cannot_be_removed_stops_no_other(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in (1, 2):
        flow.run(flow.order(recipients=20, seed=seed))
    flow.clock.advance(days=31)
    monkeypatch.setattr(Staging, "remove", fails_at(1, Staging.remove, LookupError()))
    assert remove_expired(flow.bridge)["staged-lists"] == 1
    flow.clock.advance(hours=2)
    assert remove_expired(flow.bridge)["staged-lists"] == 1


def test_a_dropped_file_that_cannot_be_claimed_stops_no_other(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(flow.folder, "drop")
    folder.mkdir()
    for number in (1, 2, 3):
        write_delivery_file(folder / f"news-{number}.txt", 20, number)
    flow.use(
        Channel(
            drop=Drop(
                place=str(folder),
                list_name="Customers",
                message_name="Spring Newsletter",
                urn_column="Kunden ID",
                settle_seconds=0.1,
            )
        )
    )

    def first_fails(bridge: Bridge, request: BroadcastRequest) -> BroadcastRequest:
        if request.delivery_file == "news-1.txt":
            raise BROKEN
        return with_step_and_run(bridge, request)

    monkeypatch.setattr(drops, "with_step_and_run", first_fails)
    taken = 0

    def take() -> None:
        nonlocal taken
        taken += drops.take_dropped_files(flow.bridge)

    until(lambda: taken == 2, "the others are taken in", between=take)


def test_jobs_are_claimed_though_cancelled_ones_cannot_be_ended(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WsDb, "end_cancelled", fails_at(1, WsDb.end_cancelled))
    job_id = flow.order(recipients=20)
    flow.poll()
    assert flow.broadcast(job_id).state is State.CLAIMED


def test_a_job_whose_progress_cannot_be_written_goes_on(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(_ws_db: WsDb, _job_id: int, _broadcast: Broadcast) -> None:
        raise BROKEN

    flow.use(channel(RouteKind.IMPORT_JOB))
    monkeypatch.setattr(WsDb, "report_progress", cannot)
    assert flow.run(flow.order(recipients=20)).state is State.CLOSED


def test_a_check_of_the_doctor_that_breaks_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]
) -> None:
    def breaks() -> str:
        raise BROKEN

    monkeypatch.setitem(CHECKS, "channels", lambda _settings: iter([Check("channels", breaks)]))
    result = command("doctor")
    assert result.exit_code == 1
    failed = [line for line in result.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.startswith("FAIL  channels: unexpected ProgrammingError at") for line in failed] == [True]
    assert "ok    REST login" in result.stdout
    assert "ann@" not in result.stdout
