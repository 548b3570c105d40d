"""A broadcast whose staged list is gone before its upload goes back to `claimed`, and is staged again."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

import shared.steps.broadcast_step
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.config.channels import SendingBatch
from shared.ledger import tables
from shared.ledger.effects import Effects, Kind
from shared.ledger.leases import LeaseName
from shared.ledger.suppressions import Suppressions
from shared.operations.broadcasts import retry
from shared.rejects import RejectReason
from shared.routes.import_job import ImportJobRoute
from shared.storage import blob_names
from shared.storage.staging import StagedFileWriter
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, channel

#: Of a broadcast that is prepared, loses its list, and goes on until it is uploaded.
STAGED_AGAIN = ["claimed", "staged", "prepared", "claimed", "staged", "prepared", "uploaded"]


def prepared_without_list(flow: Flow, **job: Any) -> Broadcast:
    """A broadcast that is prepared, and whose staged list was removed."""
    job_id = flow.order(**job)
    flow.poll()
    flow.stop_at(job_id, State.PREPARED)
    broadcast = flow.broadcast(job_id)
    flow.bridge.lists.remove(blob_names.staged_list(broadcast.key))
    return broadcast


def states(flow: Flow, broadcast: Broadcast) -> list[str]:
    return [row.to_state for row in flow.bridge.ledger.broadcasts.history(broadcast)]


def assert_mailed_once(flow: Flow, closed: Broadcast) -> None:
    assert (closed.state, closed.error) == (State.CLOSED, None)
    copies = flow.copies(closed)
    assert len(copies) == 1
    assert copies[0]["mails_sent"] == copies[0]["distinct_recipients_mailed"] == closed.sent
    assert closed.rows is not None
    assert closed.rows.accounted == closed.rows.read


@pytest.mark.parametrize(
    ("route", "mode"), [(RouteKind.IMPORT_JOB, None), (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT)], ids=str
)
def test_a_list_that_is_gone_is_staged_again_and_everybody_is_mailed_once(
    flow: Flow, route: RouteKind, mode: SendMode | None
) -> None:
    flow.use(channel(route, send=mode))
    before = prepared_without_list(flow)
    rejects = flow.bridge.ledger.broadcasts.rejects(before)
    closed = flow.run(before.request.job_id)
    assert_mailed_once(flow, closed)
    assert states(flow, closed)[: len(STAGED_AGAIN)] == STAGED_AGAIN
    assert closed.rows == before.rows
    assert closed.campaign_id == before.campaign_id
    assert rejects
    assert flow.bridge.ledger.broadcasts.rejects(closed) == rejects


def test_what_was_prepared_is_kept_while_it_is_staged_again(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    before = prepared_without_list(flow)
    effects = flow.bridge.ledger.effects.of(before)
    let_die(monkeypatch, StagedFileWriter, "commit")
    with pytest.raises(Died):
        flow.run(before.request.job_id)
    claimed = flow.broadcast(before.request.job_id)
    assert claimed.state is State.CLAIMED
    assert claimed.rows == before.rows
    assert (claimed.list_id, claimed.campaign_id) == (before.list_id, before.campaign_id)
    assert flow.bridge.ledger.effects.of(claimed) == effects
    assert flow.bridge.ledger.leases.find_owner(LeaseName.for_list(before.list_id)) == before.key
    assert_mailed_once(flow, flow.sweep_until_at_rest(before.request.job_id))


def test_a_delivery_file_that_has_changed_is_not_staged_again(flow: Flow) -> None:
    before = prepared_without_list(flow)
    path = Path(flow.bridge.settings.delivery_files, before.request.delivery_file)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n", 0, -2) + 1])  # one row less
    failed = flow.run(before.request.job_id)
    assert (failed.state, failed.error_code) == (State.FAILED, "delivery-file-changed")
    assert flow.bridge.lists.find(blob_names.staged_list(failed.key)) is None
    assert failed.rows == before.rows
    retry(flow.bridge, failed.key, owner="a test")
    failed = flow.run(before.request.job_id)
    assert (failed.state, failed.error_code) == (State.FAILED, "delivery-file-changed"), "a retry compares again"

    path.write_bytes(content)
    retry(flow.bridge, failed.key, owner="a test")
    assert_mailed_once(flow, flow.run(before.request.job_id))


def test_who_is_suppressed_may_have_changed(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow.use(channel(suppress=True))
    monkeypatch.setattr(Suppressions, "complete", lambda _: True)
    before = prepared_without_list(flow)
    assert before.rows is not None
    assert before.rows.suppressed == 0

    def three(_: Suppressions, _list_id: int, addresses: list[str]) -> dict[str, RejectReason]:
        return dict.fromkeys(addresses[:3], RejectReason.UNSUBSCRIBED)

    monkeypatch.setattr(Suppressions, "among", three)
    closed = flow.run(before.request.job_id)
    assert_mailed_once(flow, closed)
    assert closed.rows is not None
    assert closed.rows.suppressed == 3
    assert closed.rows.uploaded + closed.rows.suppressed == before.rows.uploaded
    assert flow.bridge.ledger.broadcasts.rejects(closed)["unsubscribed"] == closed.rows.suppressed


def test_a_broadcast_that_is_released_stays_released(flow: Flow) -> None:
    before = prepared_without_list(flow)
    row = tables.broadcast
    with flow.bridge.rs_database.writing() as connection:
        connection.execute(update(row).where(row.c.id == before.id).values(held=True, released_at=flow.clock.now()))
    assert_mailed_once(flow, flow.run(before.request.job_id))


DEATHS: list[tuple[Any, str, int]] = [
    (StagedFileWriter, "commit", 1),
    (StagedFileWriter, "commit", 2),
    # prepared to claimed, to staged, to prepared
    *((shared.steps.broadcast_step, "advance", call) for call in range(1, 4)),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("where", "name", "call"), DEATHS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_death_while_it_is_staged_again_mails_everybody_once(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, call: int, after: bool
) -> None:
    before = prepared_without_list(flow)
    interruption = let_die(monkeypatch, where, name, call, after=after)
    with pytest.raises(Died):
        flow.run(before.request.job_id)
    assert interruption.struck
    closed = flow.sweep_until_at_rest(before.request.job_id)
    assert_mailed_once(flow, closed)
    assert states(flow, closed)[: len(STAGED_AGAIN)] == STAGED_AGAIN
    assert sum(flow.bridge.ledger.broadcasts.rejects(closed).values()) == closed.rows.read - closed.rows.uploaded  # type: ignore[union-attr]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("mode", [None, SendMode.AFTER_IMPORT], ids=str)
def test_a_list_that_goes_while_its_upload_is_under_way_is_uploaded_once(
    slow_flow: Flow, monkeypatch: pytest.MonkeyPatch, mode: SendMode | None, after: bool
) -> None:
    flow = slow_flow
    flow.use(channel(RouteKind.IMPORT_JOB, send=mode))
    job_id = flow.order()
    let_die(monkeypatch, ImportJobRoute, "transfer", after=after)
    with pytest.raises(Died):
        flow.run(job_id)
    broadcast = flow.broadcast(job_id)
    upload = flow.bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    assert upload is not None
    assert upload.tries == 1
    flow.bridge.lists.remove(blob_names.staged_list(broadcast.key))
    flow.set_clock(speed=21600)
    closed = flow.sweep_until_at_rest(job_id)
    assert_mailed_once(flow, closed)
    assert states(flow, closed)[: len(STAGED_AGAIN)] == STAGED_AGAIN


def test_the_chunks_of_a_batch_go_on_after_it_is_staged_again(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow.use(channel(RouteKind.SENDING_BATCH, sending_batch=SendingBatch(chunk_rows=15)))
    job_id = flow.order()
    let_die(monkeypatch, Effects, "add_evidence", 2)  # after its second chunk
    with suppress(Died):
        flow.run(job_id)
    broadcast = flow.broadcast(job_id)
    assert broadcast.state is State.PREPARED
    flow.bridge.lists.remove(blob_names.staged_list(broadcast.key))
    assert_mailed_once(flow, flow.sweep_until_at_rest(job_id))
