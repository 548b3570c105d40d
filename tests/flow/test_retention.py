"""What is kept for a set time goes when it is over, and nothing that is still needed does."""

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Table, func, select, update

from shared.broadcast import Broadcast, State
from shared.config.settings import Settings
from shared.errors import ResponseFileNotKept, StorageUnavailable
from shared.ledger import person_rows, removals, tables
from shared.ledger.leases import LeaseName
from shared.operations.broadcasts import retry
from shared.operations.responses import add_file, load_again
from shared.steps.chores import remove_expired as step
from shared.steps.chores.remove_expired import EVERY, KINDS, remove_expired
from shared.steps.housekeeping import housekeeping
from shared.steps.poll_jobs import poll_jobs
from shared.storage import blob_names
from shared.storage.staging import Staging
from shared.telemetry import log
from shared.web.status import status
from tests.flow.harness import Flow, change_job


@pytest.fixture
def pass_days(flow: Flow) -> Callable[[float], None]:
    """Lets days pass for the bridge; blobs are as old as Azurite's clock says, which is not moved."""
    return lambda days: (flow.clock.advance(days=days), None)[1]


def blobs(flow: Flow) -> set[str]:
    """The blobs that belong to a broadcast or a response file."""
    containers = {"lists": flow.bridge.lists, "rejects": flow.bridge.rejects, "responses": flow.bridge.responses}
    names = {f"{name}:{blob}" for name, container in containers.items() for blob in container.names()}
    return names - {f"lists:{blob_names.HIGH_WATER_MARK}"}


def rows(flow: Flow, table: Table) -> int:
    with flow.bridge.rs_database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def response_file(flow: Flow, number: int = 1, row: str = "1;K1;Open;01.03.2026 12:00") -> int:
    path = Path(flow.folder, f"Response-{number}.csv")
    path.write_text(f"Urn;CommunicationKey;MessageType;EventTriggeredDate\n{row}\nrefused\n")
    os.utime(path, (1_770_000_000, 1_770_000_000))  # by name, size and time of change it is the same file again
    file = add_file(flow.bridge, path)
    load_again(flow.bridge, file.id)
    return file.id


def test_the_mark_of_the_ledger_never_goes(flow: Flow, pass_days: Callable[[float], None]) -> None:
    flow.bridge.mark.grow()
    pass_days(1000)
    remove_expired(flow.bridge)
    assert flow.bridge.lists.find(blob_names.HIGH_WATER_MARK) is not None
    flow.bridge.mark.sync()
    assert flow.bridge.ledger.hold.in_force() == []


def test_each_kind_goes_after_its_own_time_and_it_is_reported(
    flow: Flow, pass_days: Callable[[float], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=log.name)
    broadcast = flow.run(flow.order(recipients=200))
    file = response_file(flow)
    mine = {f"lists:{broadcast.key}/list", f"rejects:{broadcast.key}/rejects.csv"}
    mine |= {f"rejects:responses/{file}/rejects.csv", f"responses:{file}/Response-1.csv"}
    assert blobs(flow) == mine
    history, recipients = rows(flow, tables.history), rows(flow, tables.recipient)
    assert min(history, recipients, rows(flow, tables.effect), rows(flow, tables.unmatched_response)) > 0
    pass_days(29)
    assert remove_expired(flow.bridge) == {}
    assert blobs(flow) == mine
    pass_days(2)
    assert remove_expired(flow.bridge) == {"staged-lists": 1}
    assert remove_expired(flow.bridge) == {}
    pass_days(60)
    assert remove_expired(flow.bridge) == {"reject-files": 2, "response-files": 1}
    assert blobs(flow) == set()
    assert rows(flow, tables.recipient) == recipients
    pass_days(90)
    assert remove_expired(flow.bridge) == {"recipient-keys": 1, "unmatched-keys": 1}
    assert rows(flow, tables.recipient) == rows(flow, tables.unmatched_response) == 0
    assert rows(flow, tables.history) == history
    pass_days(550)
    assert remove_expired(flow.bridge) == {"histories": 1}
    assert rows(flow, tables.history) == rows(flow, tables.effect) == 0
    result = {one["kind"]: one["removed_ever"] for one in status(flow.bridge)["removals"]}
    assert result == dict.fromkeys(KINDS, 1) | {"reject-files": 2}
    lines = [one.__dict__ for one in caplog.records if one.__dict__.get("action") == "remove-old"]
    assert {line["kind"]: line["removed"] for line in lines} == result


def test_a_job_whose_broadcast_is_long_over_is_never_carried_again(
    flow: Flow, pass_days: Callable[[float], None]
) -> None:
    job = flow.order(recipients=40)
    broadcast = flow.run(job)
    pass_days(5000)
    for _ in range(2):
        remove_expired(flow.bridge)
        pass_days(1)
    assert rows(flow, tables.history) == 0
    change_job(flow, job, state=flow.bridge.ws_db.schema.states["waiting"], server=None)  # type: ignore[union-attr]
    poll_jobs(flow.bridge)
    flow.deliver()
    assert flow.broadcast(job).state is State.CLOSED
    assert flow.campaign(broadcast)["mailed_more_than_once"] == 0


@pytest.mark.parametrize("state", [State.STAGED, State.NEEDS_OPERATOR])
def test_nothing_of_a_broadcast_that_is_under_way_or_parked_goes(
    flow: Flow, pass_days: Callable[[float], None], state: State
) -> None:
    job = flow.order(recipients=40)
    flow.poll()
    flow.stop_at(job, State.STAGED)
    if state is State.NEEDS_OPERATOR:
        _set(flow, flow.broadcast(job), state=state)
    before = blobs(flow)
    pass_days(5000)
    assert remove_expired(flow.bridge) == {}
    assert blobs(flow) == before
    assert rows(flow, tables.recipient) > 0


def test_a_failed_broadcast_keeps_what_must_not_happen_twice_and_can_go_on(
    flow: Flow, pass_days: Callable[[float], None]
) -> None:
    job = flow.order(recipients=40)
    flow.poll()
    flow.stop_at(job, State.UPLOADED)
    _set(flow, flow.broadcast(job), state=State.FAILED, ended_in=State.PREPARED, reported_at=flow.clock.now())
    effects = rows(flow, tables.effect)
    assert effects > 0
    pass_days(5000)
    removed = remove_expired(flow.bridge)
    assert "histories" not in removed
    assert removed["staged-lists"] == 1
    assert rows(flow, tables.effect) == effects
    retry(flow.bridge, flow.broadcast(job).key, owner="operator")
    assert flow.sweep_until_at_rest(job).state is State.CLOSED  # the list is staged again from the delivery file
    assert flow.campaign(flow.broadcast(job))["mailed_more_than_once"] == 0


def test_a_broadcast_whose_end_is_not_reported_yet_keeps_its_files(
    flow: Flow, pass_days: Callable[[float], None]
) -> None:
    broadcast = flow.run(flow.order(recipients=40))
    _set(flow, broadcast, reported_at=None)
    pass_days(5000)
    removed = remove_expired(flow.bridge)
    assert "staged-lists" not in removed
    assert "histories" not in removed


def test_a_removed_response_file_says_so_and_taken_in_again(flow: Flow, pass_days: Callable[[float], None]) -> None:
    file = response_file(flow)
    pass_days(91)
    assert remove_expired(flow.bridge)["response-files"] == 1
    with pytest.raises(ResponseFileNotKept):
        load_again(flow.bridge, file)
    assert response_file(flow) == file
    totals = flow.bridge.ledger.response_files.totals()
    assert (totals["rows_read"], totals["rows_loaded"]) == (2, 1)


def test_a_response_file_that_waits_for_its_load_stays(flow: Flow, pass_days: Callable[[float], None]) -> None:
    file = flow.bridge.ledger.response_files.get(response_file(flow))
    flow.bridge.ledger.response_files.load_again(file, due_at=flow.clock.now(), owner="operator")
    pass_days(91)
    assert "response-files" not in remove_expired(flow.bridge)


def test_it_removes_some_at_a_time_until_nothing_is_left(
    flow: Flow, pass_days: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_BLOBS", 2)
    for number in range(5):
        response_file(flow, number, f"1;K1;Open;01.03.2026 12:{number:02}")
    pass_days(100)
    rounds = [remove_expired(flow.bridge) for _ in range(4)]
    for kind in ("response-files", "reject-files"):
        assert [removed.get(kind, 0) for removed in rounds] == [2, 2, 1, 0]
    (result,) = [one for one in removals.removals(flow.bridge.ledger.database) if one.kind == "response-files"]
    assert result.removed_ever == 5


def test_recipients_of_great_lists_are_removed_in_several_rounds(
    flow: Flow, pass_days: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "_RECIPIENTS", 40)
    for seed in (1, 2, 3):
        flow.run(flow.order(recipients=30, seed=seed))
    pass_days(181)
    rounds = [remove_expired(flow.bridge).get("recipient-keys", 0) for _ in range(3)]
    assert rounds == [2, 1, 0]
    assert rows(flow, tables.recipient) == 0


def test_it_looks_every_hour_and_not_more_often(flow: Flow, pass_days: Callable[[float], None]) -> None:
    response_file(flow)
    half_an_hour = EVERY / 2 / timedelta(days=1)
    pass_days(flow.bridge.settings.keep_response_files_days - half_an_hour)
    assert "response-files" not in remove_expired(flow.bridge)
    pass_days(half_an_hour)
    assert remove_expired(flow.bridge) == {}
    pass_days(half_an_hour)
    assert remove_expired(flow.bridge)["response-files"] == 1


def test_what_cannot_be_removed_now_is_removed_later_and_stops_nothing_else(
    flow: Flow, pass_days: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.run(flow.order(recipients=40))
    response_file(flow)
    pass_days(400)

    def unavailable(_container: Staging, _before: datetime) -> Iterator[str]:
        raise StorageUnavailable(operation="list staged files", reason="status 503")

    with monkeypatch.context() as broken:
        broken.setattr(Staging, "older_than", unavailable)
        removed = remove_expired(flow.bridge)
    assert set(removed) == {"response-files", "recipient-keys", "unmatched-keys"}
    assert set(remove_expired(flow.bridge)) == {"staged-lists", "reject-files"}


class Died(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("after", [False, True])
def test_whoever_dies_in_between_leaves_nothing_behind(
    flow: Flow, pass_days: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    file = response_file(flow)
    pass_days(100)
    original = Staging.remove

    def die(container: Staging, name: str) -> None:
        if after:
            original(container, name)
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(Staging, "remove", die)
        with pytest.raises(Died):
            remove_expired(flow.bridge)
    remove_expired(flow.bridge)
    assert blobs(flow) == set()
    found = flow.bridge.ledger.response_files.get(file)
    assert found is not None
    assert found.removed_at is not None


def test_two_do_not_remove_at_once_nor_what_somebody_works_on(flow: Flow, pass_days: Callable[[float], None]) -> None:
    broadcast = flow.run(flow.order(recipients=40))
    pass_days(40)
    with flow.bridge.ledger.leases.held(LeaseName.for_chore("remove-old"), "another"):
        assert remove_expired(flow.bridge) == {}
    with flow.bridge.ledger.leases.held(LeaseName.for_broadcast(broadcast.key), "another"):
        assert remove_expired(flow.bridge) == {}
    pass_days(EVERY / timedelta(days=1))
    assert remove_expired(flow.bridge) == {"staged-lists": 1}


def test_a_file_of_no_broadcast_goes_after_its_time_too(flow: Flow, pass_days: Callable[[float], None]) -> None:
    with flow.bridge.lists.writer("never-ordered/delivery") as file:
        file.write(b"1")
        file.commit({})
    remove_expired(flow.bridge)
    assert "lists:never-ordered/delivery" in blobs(flow)
    pass_days(31)
    assert remove_expired(flow.bridge) == {"staged-lists": 1}


def test_housekeeping_removes_what_is_over(flow: Flow, pass_days: Callable[[float], None]) -> None:
    broadcast = flow.run(flow.order(recipients=40))
    pass_days(200)
    housekeeping(flow.bridge)
    assert blobs(flow) == set()
    assert list(person_rows.recipients_of(flow.bridge.ledger.database, broadcast.id)) == []


def test_keys_are_kept_as_long_as_responses_come_and_the_history_longer(flow: Flow) -> None:
    values: dict[str, Any] = {
        str(field.alias): getattr(flow.bridge.settings, name) for name, field in Settings.model_fields.items()
    }
    for wrong in ({"KEEP_RECIPIENT_KEYS_DAYS": 30}, {"KEEP_HISTORY_DAYS": 100}, {"KEEP_STAGED_LISTS_DAYS": 0}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Settings(**{**values, **wrong})


def _set(flow: Flow, broadcast: Broadcast, **columns: Any) -> None:
    table = tables.broadcast
    with flow.bridge.rs_database.writing() as connection:
        connection.execute(update(table).where(table.c.id == broadcast.id).values(**columns))
