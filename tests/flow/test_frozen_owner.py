"""An owner that freezes before it acts, and wakes after others have gone on: it changes nothing any more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.azurite import Azurite
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.config.channels import SendingBatch
from shared.errors import BroadcastChangedMeanwhile, OptimizelyRefused
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.effects import Effects
from shared.ledger.leases import LeaseName, Leases
from shared.operations.broadcasts import cancel, pause, resume, retry
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.import_job import ImportJobRoute
from shared.sftp.session import SftpSession
from shared.steps.monitor_import import monitor_import
from tests.databases import Databases
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow, channel, until
from tests.flow.simulators import Simulators
from tests.flow.test_export import exported, loop, receiver, start, write_channels
from tests.freezes import Freeze, let_freeze
from tests.unit.sftp.sftp_server import HOST_KEY, Server

__all__ = ["loop", "receiver", "start"]

#: So long that no heartbeat comes during a test; and nothing times out while the clock moves past its end.
LONG = {"LEASE_SECONDS": "600", "IMPORT_TIMEOUT_MINUTES": "600", "SEND_TIMEOUT_MINUTES": "600"}


@pytest.fixture
def frozen(tmp_path: Path, azurite: Azurite, databases: Databases, simulators: Simulators) -> Iterator[Flow]:
    """A bridge with a simulator of its own, in which leases live long."""
    with (
        simulators.new(tmp_path / "simulator") as site,
        bridge_over(site, tmp_path, azurite, databases, **LONG) as flow,
    ):
        yield flow


def run_frozen(flow: Flow, job_id: int, freeze: Freeze) -> Broadcast:
    """Run a broadcast whose owner freezes, and let Optimizely do what it was asked for in the end."""
    broadcast = flow.run(job_id)
    assert freeze.struck
    until(lambda: bool(flow.simulator()["idle"]), "Optimizely is idle")
    return flow.broadcast(broadcast.request.job_id)


def mails_sent(flow: Flow, broadcast: Broadcast) -> int:
    return sum(copy["mails_sent"] for copy in flow.copies(broadcast))


def history(flow: Flow, broadcast: Broadcast) -> list[str]:
    return [row.to_state for row in flow.bridge.ledger.broadcasts.history(broadcast)]


def end_cancelled(flow: Flow, job_id: int) -> None:
    """Another host takes over, and cancels as an operator asks."""
    cancel(flow.bridge, flow.broadcast(job_id).key, owner="operator")
    assert flow.sweep_until_at_rest(job_id).state is State.CANCELLED


# Sends


@pytest.mark.parametrize("ending", ["cancelled", "failed"])
@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.SENDING_BATCH], ids=str)
def test_a_broadcast_that_ended_while_its_owner_was_frozen_is_not_started(
    frozen: Flow, monkeypatch: pytest.MonkeyPatch, route: RouteKind, ending: str
) -> None:
    flow = frozen
    flow.use(channel(route))
    job_id = flow.order()

    def others_end_it() -> None:
        assert flow.broadcast(job_id).state is State.IMPORTED
        if ending == "cancelled":
            end_cancelled(flow, job_id)
            return
        with monkeypatch.context() as patched:
            patched.setattr(type(flow.bridge.routes[route]), "is_unchanged", lambda *_: False)
            assert flow.sweep_until_at_rest(job_id).state is State.FAILED

    freeze = let_freeze(monkeypatch, Effects, "trying", others_end_it, call=3)
    ended = run_frozen(flow, job_id, freeze)
    assert ended.state == ending
    assert mails_sent(flow, ended) == 0
    assert {copy["status"] for copy in flow.copies(ended)} <= {"activationRequired"}


def test_a_list_that_was_filled_for_the_next_broadcast_is_mailed_by_that_one_alone(
    frozen: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = frozen
    first = flow.order(seed=1)
    following: list[Broadcast] = []

    def next_broadcast_runs() -> None:
        end_cancelled(flow, first)
        job_id = flow.order(seed=2)
        following.append(flow.run(job_id))

    freeze = let_freeze(monkeypatch, Effects, "trying", next_broadcast_runs, call=3)
    cancelled = run_frozen(flow, first, freeze)
    assert (cancelled.state, mails_sent(flow, cancelled)) == (State.CANCELLED, 0)
    assert following[0].state is State.CLOSED
    assert mails_sent(flow, following[0]) == following[0].imported
    assert flow.bridge.ledger.leases.find_owner(LeaseName.for_list(cancelled.list_id)) is None


def test_an_activation_does_not_come_back_after_a_cancel(frozen: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = frozen
    flow.use(channel(send=SendMode.AFTER_IMPORT))
    job_id = flow.order()
    freeze = let_freeze(monkeypatch, Effects, "trying", lambda: end_cancelled(flow, job_id), call=2)
    cancelled = run_frozen(flow, job_id, freeze)
    assert cancelled.state is State.CANCELLED
    assert flow.campaign(cancelled)["status"] == "activationRequired"


def test_a_start_that_wakes_does_not_undo_a_pause(frozen: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = frozen
    job_id = flow.order()

    def start_and_pause() -> None:
        flow.clock.advance(seconds=flow.bridge.settings.lease_seconds)
        flow.set_clock(speed=0)
        monkeypatch.setattr(flow.bridge.__class__, "send_on", lambda *_: None)  # no further step

        def sending() -> bool:
            return flow.broadcast(job_id).state is State.SENDING

        broadcast = flow.broadcast(job_id)
        monitor_import(flow.bridge, broadcast.key, broadcast.version)
        until(sending, "sending")
        pause(flow.bridge, broadcast.key, owner="operator")
        assert flow.campaign(flow.broadcast(job_id))["status"] == "paused"

    freeze = let_freeze(monkeypatch, Effects, "trying", start_and_pause, call=3)
    flow.poll()
    until(lambda: freeze.struck, "frozen", between=flow.live)
    assert flow.campaign(flow.broadcast(job_id))["status"] == "paused"


def test_a_resume_that_wakes_does_not_undo_a_pause(slow_flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = slow_flow
    job_id = flow.order(recipients=400)
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sent", between=flow.live)
    key = flow.broadcast(job_id).key
    pause(flow.bridge, key, owner="one")

    def another_goes_on_and_pauses() -> None:
        resume(flow.bridge, key, owner="another")
        pause(flow.bridge, key, owner="another")

    let_freeze(monkeypatch, Broadcasts, "get", another_goes_on_and_pauses, after=True)
    with pytest.raises(BroadcastChangedMeanwhile):
        resume(flow.bridge, key, owner="one")
    assert flow.campaign(flow.broadcast(job_id))["status"] == "paused"


# Files and chunks


@pytest.mark.parametrize(
    ("where", "name", "call"),
    [
        (Effects, "trying", 2),
        (SftpSession, "resume_file", 1),
        (Effects, "add_evidence", 2),
        (Effects, "add_evidence", 3),
    ],
    ids=["before its upload", "during its upload", "before it is closed", "before it gets its name"],
)
@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.CLOSED_LOOP], ids=str)
def test_a_list_file_is_not_put_again_after_its_broadcast_closed(
    frozen: Flow, monkeypatch: pytest.MonkeyPatch, route: RouteKind, where: Any, name: str, call: int
) -> None:
    flow = frozen
    flow.use(channel(route))
    job_id = flow.order()
    if route is RouteKind.CLOSED_LOOP and name == "trying":
        call = 1  # nothing is prepared

    def others_close_it() -> None:
        assert flow.sweep_until_at_rest(job_id).state is State.CLOSED

    freeze = let_freeze(monkeypatch, where, name, others_close_it, call=call)
    closed = run_frozen(flow, job_id, freeze)
    flow.pass_time(hours=2)
    until(lambda: bool(flow.simulator()["idle"]), "Optimizely is idle")
    assert closed.state is State.CLOSED
    assert len(flow.simulator()["imports"]) == 1
    assert flow.simulator()["mailed_twice"] == 0
    assert sum(one["mails_sent"] for one in flow.simulator()["campaigns"]) == closed.imported
    destination = flow.bridge.routes[route].destination(closed)
    with flow.bridge.site.connect() as session:
        assert session.find(destination) is None
        # Frozen after it confirmed its lease and before it opened the file, it leaves an unfinished one.
        assert session.remove_unfinished(destination) == (1 if where is SftpSession else 0)


def test_a_chunk_is_not_put_after_its_batch_was_sent(frozen: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = frozen
    flow.use(channel(RouteKind.SENDING_BATCH, sending_batch=SendingBatch(chunk_rows=15)))
    job_id = flow.order()
    chunks: list[str] = []
    put = OptimizelyRest.add_recipients_to_batch

    def counting(self: OptimizelyRest, batch: int, chunk: str, recipients: Any) -> int:
        chunks.append(chunk)
        return put(self, batch, chunk, recipients)

    monkeypatch.setattr(OptimizelyRest, "add_recipients_to_batch", counting)

    def others_close_it() -> None:
        assert flow.sweep_until_at_rest(job_id).state is State.CLOSED

    closed = run_frozen(flow, job_id, let_freeze(monkeypatch, Effects, "add_evidence", others_close_it, call=2))
    assert len(chunks) == len(set(chunks)) == 4
    assert mails_sent(flow, closed) == closed.imported


# What is prepared and taken back


@pytest.mark.parametrize(
    ("where", "name", "after"),
    [(Effects, "trying", False), (OptimizelyRest, "find_wait_nodes", True)],
    ids=["copy", "Wait node"],
)
def test_what_was_prepared_is_not_prepared_again(
    frozen: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, *, after: bool
) -> None:
    flow = frozen
    flow.use(channel(send=SendMode.AFTER_IMPORT))
    job_id = flow.order()
    nodes: list[int] = []
    create = OptimizelyRest.create_wait_node

    def counting(self: OptimizelyRest, campaign_id: int, **node: Any) -> Any:
        nodes.append(campaign_id)
        return create(self, campaign_id, **node)

    monkeypatch.setattr(OptimizelyRest, "create_wait_node", counting)

    def others_close_it() -> None:
        assert flow.sweep_until_at_rest(job_id).state is State.CLOSED

    closed = run_frozen(flow, job_id, let_freeze(monkeypatch, where, name, others_close_it, after=after))
    assert len(flow.copies(closed)) == len(nodes) == 1
    assert mails_sent(flow, closed) == closed.imported


def test_a_list_is_not_leased_to_a_broadcast_that_ended(frozen: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = frozen
    job_id = flow.order()
    freeze = let_freeze(monkeypatch, Leases, "acquire_until_released", lambda: end_cancelled(flow, job_id))
    cancelled = run_frozen(flow, job_id, freeze)
    assert flow.bridge.ledger.leases.find_owner(LeaseName.for_list(cancelled.list_id)) is None


def test_a_file_that_was_put_again_is_not_taken_back(frozen: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = frozen
    flow.set_clock(speed=0)
    job_id = flow.order()

    def others_fail_it_and_it_is_retried() -> None:
        assert flow.sweep_until_at_rest(job_id).state is State.FAILED
        monkeypatch.setattr(ImportJobRoute, "import_status", import_status)
        retry(flow.bridge, flow.broadcast(job_id).key, owner="operator")
        until(lambda: flow.broadcast(job_id).state is State.UPLOADED, "uploaded again", between=flow.deliver)

    import_status = ImportJobRoute.import_status
    freeze = let_freeze(monkeypatch, ImportJobRoute, "withdraw", others_fail_it_and_it_is_retried)

    def refused(*_: Any) -> None:
        raise OptimizelyRefused(operation="getRecipientList", status=404)

    monkeypatch.setattr(ImportJobRoute, "import_status", refused)
    flow.poll()
    until(lambda: freeze.struck, "frozen", between=flow.deliver)
    broadcast = flow.broadcast(job_id)
    with flow.bridge.site.connect() as session:
        assert session.find(flow.bridge.routes[RouteKind.IMPORT_JOB].destination(broadcast)) is not None
    flow.set_clock(speed=21600)
    closed = flow.run(job_id)
    assert (closed.state, mails_sent(flow, closed)) == (State.CLOSED, closed.imported)


def test_an_export_that_its_receiver_has_is_not_handed_over_again(
    tmp_path: Path,
    azurite: Azurite,
    shared_simulator: dict[str, Any],
    receiver: Server,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = write_channels(tmp_path, receiver, HOST_KEY.get_fingerprint())
    with bridge_over(shared_simulator, tmp_path, azurite, databases, CHANNELS_FILE=channels, **LONG) as flow:
        job_id = flow.order()

        def receiver_takes_it() -> None:
            assert flow.sweep_until_at_rest(job_id).state is State.CLOSED
            exported(receiver)[0].unlink()

        freeze = let_freeze(monkeypatch, Effects, "trying", receiver_takes_it)
        assert flow.run(job_id).state is State.CLOSED
        assert freeze.struck
        assert exported(receiver) == []
