"""A cancel, or an end by an error, that is half carried out when its process dies is carried out by the next one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import shared.steps.broadcast_step
from local.azurite import Azurite
from shared.broadcast import RESTING, Broadcast, RouteKind, SendMode, State
from shared.errors import BroadcastChangedMeanwhile, IllegalTransition, OptimizelyRefused
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.effects import Kind, forget_effects
from shared.operations.broadcasts import cancel, retry
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.closed_loop import ClosedLoopRoute
from shared.routes.import_job import ImportJobRoute
from shared.routes.route import SendState, SendStatus
from shared.sftp.session import SftpSession
from shared.steps.housekeeping import housekeeping
from tests.databases import Databases
from tests.deaths import Died, let_die
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow, change_job, channel, until
from tests.flow.simulators import Simulators
from tests.freezes import let_freeze

#: Each death on the way from the recall to the end.
DEATHS = [
    pytest.param(SftpSession, "rename", True, id="the file has its unfinished name again"),
    pytest.param(SftpSession, "remove_unfinished", False, id="it is recorded that it was taken back"),
    pytest.param(SftpSession, "remove_unfinished", True, id="the file is removed"),
    pytest.param(shared.steps.broadcast_step, "end", False, id="before the end"),
]


@pytest.fixture
def waiting(tmp_path: Path, azurite: Azurite, databases: Databases, simulators: Simulators) -> Iterator[Flow]:
    """A bridge whose Optimizely takes no file."""
    patience = {"IMPORT_TIMEOUT_MINUTES": "600", "SEND_TIMEOUT_MINUTES": "600"}
    with (
        simulators.new(tmp_path / "simulator") as site,
        bridge_over(site, tmp_path, azurite, databases, **patience) as flow,
    ):
        flow.add_fault({"kind": "import-never"})
        yield flow


def uploaded(flow: Flow) -> int:
    """A job whose broadcast is uploaded, and whose list nobody has taken yet."""
    job_id = flow.order()
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.UPLOADED, "it is uploaded", between=flow.deliver)
    return job_id


def die(flow: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, after: bool) -> None:
    """Deliver until the process dies there."""
    with monkeypatch.context() as patched:
        interruption = let_die(patched, where, name, after=after)

        def deliver() -> None:
            try:
                flow.deliver()
            except Died:
                assert interruption.struck

        until(lambda: interruption.struck, "the death", between=deliver)


def assert_nobody_is_mailed(flow: Flow) -> None:
    flow.clear_faults()
    flow.pass_time(hours=12)
    until(lambda: bool(flow.simulator()["idle"]), "Optimizely is idle")
    assert sum(one["mails_sent"] for one in flow.simulator()["campaigns"]) == 0
    assert flow.simulator()["imports"] == []


@pytest.mark.parametrize(("where", "name", "after"), DEATHS)
def test_a_cancel_of_a_file_that_nobody_has_taken_is_not_forgotten(
    waiting: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, after: bool
) -> None:
    flow = waiting
    flow.use(channel(RouteKind.CLOSED_LOOP))
    job_id = uploaded(flow)
    cancel(flow.bridge, flow.broadcast(job_id).key, owner="operator")
    die(flow, monkeypatch, where, name, after=after)
    assert flow.sweep_until_at_rest(job_id).state is State.CANCELLED
    assert_nobody_is_mailed(flow)


@pytest.mark.parametrize(("where", "name", "after"), DEATHS)
def test_an_end_by_an_error_is_not_forgotten(
    waiting: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, after: bool
) -> None:
    flow = waiting
    flow.use(channel(RouteKind.CLOSED_LOOP))
    job_id = uploaded(flow)

    refused = raising(OptimizelyRefused(operation="getSmartCampaign", status=404))
    with monkeypatch.context() as patched:
        patched.setattr(ClosedLoopRoute, "import_status", refused)
        die(flow, monkeypatch, where, name, after=after)
    failed = flow.sweep_until_at_rest(job_id)
    assert (failed.state, failed.error_code, failed.ended_in) == (State.FAILED, "optimizely-refused", State.UPLOADED)
    assert_nobody_is_mailed(flow)


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_cancelled_activation_stays_taken_back(
    waiting: Flow, monkeypatch: pytest.MonkeyPatch, *, taken_back: bool
) -> None:
    flow = waiting
    flow.use(channel(send=SendMode.AFTER_IMPORT))
    job_id = uploaded(flow)
    assert flow.campaign(flow.broadcast(job_id))["status"] == "activated"
    cancel(flow.bridge, flow.broadcast(job_id).key, owner="operator")
    die(flow, monkeypatch, OptimizelyRest, "deactivate_smart_campaign", after=taken_back)
    cancelled = flow.sweep_until_at_rest(job_id)
    assert cancelled.state is State.CANCELLED
    assert flow.campaign(cancelled)["status"] == "activationRequired"
    assert_nobody_is_mailed(flow)


def test_a_cancel_that_its_client_takes_back_while_it_is_carried_out_stays(
    waiting: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = waiting
    job_id = uploaded(flow)
    change_job(flow, job_id, cancel_requested=1)
    die(flow, monkeypatch, shared.steps.broadcast_step, "end", after=False)
    change_job(flow, job_id, cancel_requested=0)
    assert flow.sweep_until_at_rest(job_id).state is State.CANCELLED
    assert_nobody_is_mailed(flow)


def test_a_start_without_an_answer_is_not_repeated_after_a_cancel(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = []

    def lost(*_: Any) -> None:
        starts.append(1)
        cancel(flow.bridge, flow.broadcast(job_id).key, owner="operator")
        raise Died

    monkeypatch.setattr(ImportJobRoute, "start", lost)
    job_id = flow.order()
    with pytest.raises(Died):
        flow.run(job_id)
    parked = at_rest(flow, job_id)
    assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, "send-outcome-unknown")
    assert starts == [1]


# Nobody is said to be unmailed without a record


@pytest.mark.parametrize(
    ("kind", "state", "code"),
    [(Kind.UPLOAD, State.UPLOADED, "upload-unrecorded"), (Kind.START, State.SENDING, "campaign-not-startable")],
)
def test_what_was_uploaded_or_is_sent_without_a_record_of_it_is_never_failed(
    slow_flow: Flow, monkeypatch: pytest.MonkeyPatch, kind: Kind, state: State, code: str
) -> None:
    flow = slow_flow
    job_id = flow.order()
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is state, f"it is {state}", between=flow.live)
    with flow.bridge.rs_database.writing() as connection:
        forget_effects(connection, flow.broadcast(job_id), (kind,))
    broken = SendState(status=SendStatus.BROKEN, vendor_status="deleted")
    monkeypatch.setattr(ImportJobRoute, "send_status", lambda *_: broken)
    parked = at_rest(flow, job_id)
    assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, code)


def test_the_slower_of_two_retries_forgets_nothing(slow_flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = slow_flow
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.PREPARED)
    monkeypatch.setattr(ImportJobRoute, "before_transfer", raising(OptimizelyRefused(operation="x", status=404)))
    assert at_rest(flow, job_id).state is State.FAILED
    monkeypatch.undo()
    key = flow.broadcast(job_id).key

    def the_faster_one() -> None:
        retry(flow.bridge, key, owner="the faster one")
        until(lambda: flow.broadcast(job_id).state is State.UPLOADED, "it is uploaded", between=flow.deliver)

    let_freeze(monkeypatch, Broadcasts, "get", the_faster_one, after=True)
    with pytest.raises((BroadcastChangedMeanwhile, IllegalTransition)):
        retry(flow.bridge, key, owner="the slower one")
    assert [effect.kind for effect in flow.bridge.ledger.effects.of(flow.broadcast(job_id))] == [Kind.COPY, Kind.UPLOAD]
    flow.set_clock(speed=21600)
    closed = flow.run(job_id)
    assert (closed.state, flow.campaign(closed)["mailed_more_than_once"]) == (State.CLOSED, 0)
    assert flow.campaign(closed)["mails_sent"] == closed.imported


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


def at_rest(flow: Flow, job_id: int) -> Broadcast:
    """The broadcast, once it has ended or is parked."""
    flow.clock.advance(seconds=flow.bridge.settings.lease_seconds)

    def pass_on() -> None:
        housekeeping(flow.bridge)
        flow.deliver()

    until(lambda: flow.broadcast(job_id).state in RESTING, "at rest", between=pass_on)
    return flow.broadcast(job_id)
