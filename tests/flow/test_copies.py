"""Smart Campaigns that look alike: copies of import jobs, batches and closed loops, and those that people make."""

from collections.abc import Callable

import pytest
from typer.testing import Result

from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.errors import (
    AlreadyStarted,
    CampaignOfAnother,
    CopyPossible,
    IllegalTransition,
    ListFieldMissing,
    ListFileStillThere,
    ListFileTaken,
)
from shared.operations.broadcasts import cancel, resolve, retry
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.closed_loop import ClosedLoopRoute
from shared.routes.sending_batch import SendingBatchRoute
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, channel, until

#: Lists in the simulator's pool.
POOL = 4
#: Days that the closed-loop service takes when it is slow.
SLOW_DAYS = 100


def take_in(flow: Flow, route: RouteKind, state: State, *, seed: int = 1) -> int:
    """A new broadcast on this route, brought as far as this state."""
    flow.use(channel(route))
    job_id = flow.order(seed=seed)
    flow.poll()
    flow.stop_at(job_id, state)
    return job_id


def follow(flow: Flow, route: RouteKind) -> Broadcast:
    """The end of another broadcast of the same message; its name is resolved anew."""
    flow.clock.advance(minutes=2)
    flow.use(channel(route))
    return flow.run(flow.order(seed=2))


# The message of a sending batch


def test_the_copy_of_a_batch_does_not_make_its_message_ambiguous(alone: Flow) -> None:
    batch = take_in(alone, RouteKind.SENDING_BATCH, State.UPLOADED)
    following = follow(alone, RouteKind.IMPORT_JOB)
    assert (following.state, following.error) == (State.CLOSED, None)
    alone.use(channel(RouteKind.SENDING_BATCH))
    assert alone.run(batch).state is State.CLOSED
    assert alone.simulator()["mailed_twice"] == 0


def test_a_cancelled_batch_returns_its_list_to_the_pool(alone: Flow) -> None:
    for _ in range(POOL + 1):
        job_id = take_in(alone, RouteKind.SENDING_BATCH, State.PREPARED)
        cancel(alone.bridge, alone.broadcast(job_id).key, owner="a test")
        cancelled = alone.run(job_id)
        assert cancelled.state is State.CANCELLED
        assert alone.copies(cancelled) == []
    following = follow(alone, RouteKind.SENDING_BATCH)
    assert (following.state, following.error) == (State.CLOSED, None)


def test_a_failed_batch_returns_its_list_to_the_pool_and_a_retry_makes_another(alone: Flow) -> None:
    alone.use(channel(RouteKind.SENDING_BATCH))
    alone.add_fault({"kind": "status", "operation": "addRecipients_1", "status": 503, "when": "before"})
    failed = []
    for seed in range(1, POOL + 2):
        job_id = alone.order(seed=seed)
        failed.append(alone.run(job_id))
        assert (failed[-1].state, failed[-1].error_code) == (State.FAILED, "optimizely-unavailable")
        assert alone.copies(failed[-1]) == []
    alone.clear_faults()
    for broadcast in failed[:2]:
        retry(alone.bridge, broadcast.key, owner="a test")
        closed = alone.run(broadcast.request.job_id)
        assert (closed.state, closed.error) == (State.CLOSED, None)
        assert closed.batch_id != broadcast.batch_id
        assert alone.campaign(closed)["mails_sent"] == closed.sent
    assert alone.simulator()["mailed_twice"] == 0


@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.SENDING_BATCH])
def test_a_copy_that_somebody_deleted_is_made_again_by_a_retry(alone: Flow, route: RouteKind) -> None:
    job_id = take_in(alone, route, State.PREPARED)
    campaign_id = alone.broadcast(job_id).campaign_id
    assert campaign_id is not None
    alone.bridge.rest.delete_smart_campaign(campaign_id)
    failed = alone.run(job_id)
    assert failed.state is State.FAILED
    retry(alone.bridge, failed.key, owner="a test")
    closed = alone.run(job_id)
    assert (closed.state, closed.error) == (State.CLOSED, None)
    assert closed.campaign_id != campaign_id
    assert [copy["mails_sent"] for copy in alone.copies(closed)] == [closed.sent]


@pytest.mark.parametrize("cancelled", [False, True], ids=["goes on", "is cancelled"])
def test_the_copy_of_a_batch_that_was_not_recorded_is_known(
    alone: Flow, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    alone.use(channel(RouteKind.SENDING_BATCH))
    batch = alone.order()
    let_die(monkeypatch, SendingBatchRoute, "prepare", after=True)
    with pytest.raises(Died):
        alone.run(batch)
    if cancelled:
        cancel(alone.bridge, alone.broadcast(batch).key, owner="a test")
    following = follow(alone, RouteKind.IMPORT_JOB)
    assert (following.state, following.error) == (State.CLOSED, None)
    alone.use(channel(RouteKind.SENDING_BATCH))
    ended = alone.sweep_until_at_rest(batch)
    assert ended.state is (State.CANCELLED if cancelled else State.CLOSED)
    assert len(alone.copies(ended)) == (0 if cancelled else 1)


def test_a_retry_of_a_batch_whose_list_lacked_a_field_makes_another(
    alone: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was deleted with the failure, and the ledger knows neither its Smart Campaign nor its list."""

    def lacks(*_: object) -> None:
        raise ListFieldMissing(list="of the pool, 1", field="Urn")

    with monkeypatch.context() as patched:
        patched.setattr(SendingBatchRoute, "_check_fields", lacks)
        alone.use(channel(RouteKind.SENDING_BATCH))
        job_id = alone.order()
        failed = alone.run(job_id)
    assert (failed.state, failed.error_code, failed.campaign_id) == (State.FAILED, ListFieldMissing.code, None)
    retry(alone.bridge, failed.key, owner="a test")
    closed = alone.run(job_id)
    assert (closed.state, closed.error) == (State.CLOSED, None)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_death_at_the_deletion_of_a_batch_ends_in_its_cancel(
    alone: Flow, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    job_id = take_in(alone, RouteKind.SENDING_BATCH, State.UPLOADED)
    cancel(alone.bridge, alone.broadcast(job_id).key, owner="a test")
    let_die(monkeypatch, OptimizelyRest, "delete_smart_campaign", after=after)
    with pytest.raises(Died):
        alone.run(job_id)
    cancelled = alone.sweep_until_at_rest(job_id)
    assert cancelled.state is State.CANCELLED
    assert alone.copies(cancelled) == []


def test_a_copy_that_cannot_be_deleted_does_not_keep_a_broadcast_from_being_cancelled(alone: Flow) -> None:
    job_id = take_in(alone, RouteKind.SENDING_BATCH, State.PREPARED)
    cancel(alone.bridge, alone.broadcast(job_id).key, owner="a test")
    alone.add_fault({"kind": "status", "operation": "deleteSmartCampaign", "status": 503, "when": "before"})
    cancelled = alone.run(job_id)
    assert cancelled.state is State.CANCELLED
    notes = [row.note for row in alone.bridge.ledger.broadcasts.history(cancelled)]
    assert any("is not removed" in note and "optimizely-unavailable" in note for note in notes)


# The copy of a closed loop


def upload_to_slow_service(flow: Flow, *, days: int = SLOW_DAYS, seed: int = 1) -> int:
    """A broadcast whose list file the closed-loop service has taken, and whose copy comes much later."""
    flow.add_fault({"kind": "import-slow", "minutes": days * 24 * 60, "times": 1})
    imports = len(flow.simulator()["imports"])
    job_id = take_in(flow, RouteKind.CLOSED_LOOP, State.UPLOADED, seed=seed)
    until(lambda: len(flow.simulator()["imports"]) > imports, "the service has the file")
    flow.clear_faults()
    return job_id


def check_a_few_times(flow: Flow, job_id: int) -> Broadcast:
    """The broadcast, after the bridge has looked for its copy at least twice."""
    version = flow.broadcast(job_id).version
    until(lambda: flow.broadcast(job_id).version > version + 4, "some checks", between=flow.deliver)
    return flow.broadcast(job_id)


def copy_by_hand(flow: Flow) -> int:
    """Copy the Smart Campaign as a marketer does; the id of the copy."""
    source, recipients = flow.bridge.names.get_message("Spring Newsletter"), flow.bridge.names.get_list_id("Customers")
    return flow.bridge.rest.copy_smart_campaign(source.campaign_id, "Spring Newsletter copy", [recipients]).id


OTHERS: dict[str, Callable[[Flow], object]] = {
    "by hand": copy_by_hand,
    "import job": lambda flow: follow(flow, RouteKind.IMPORT_JOB),
    "sending batch": lambda flow: follow(flow, RouteKind.SENDING_BATCH),
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_closed_loop_adopts_nobody_elses_copy(alone: Flow, other: str) -> None:
    job_id = upload_to_slow_service(alone)
    OTHERS[other](alone)
    waiting = check_a_few_times(alone, job_id)
    assert (waiting.state, waiting.campaign_id) == (State.IMPORTING, None)
    alone.pass_time(days=SLOW_DAYS)
    broadcast = alone.run(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert broadcast.key in alone.campaign(broadcast)["name"]
    assert alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert alone.simulator()["mailed_twice"] == 0


def test_a_closed_loop_does_not_adopt_the_late_copy_of_an_earlier_broadcast(alone: Flow) -> None:
    earlier = upload_to_slow_service(alone)
    alone.set(import_timeout_minutes=0.02)
    parked = alone.run(earlier)
    assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, "copy-not-seen")
    wrong = copy_by_hand(alone)
    alone.bridge.rest.start_smart_campaign(wrong)
    resolve(alone.bridge, parked.key, started=True, campaign_id=wrong, owner="a test")
    assert alone.run(earlier).state is State.CLOSED
    alone.set(import_timeout_minutes=5)

    job_id = upload_to_slow_service(alone, days=3 * SLOW_DAYS, seed=3)
    alone.pass_time(days=SLOW_DAYS)
    until(lambda: len(alone.copies(parked)) == 1, "the copy of the earlier one")
    waiting = check_a_few_times(alone, job_id)
    assert (waiting.state, waiting.campaign_id) == (State.IMPORTING, None)
    alone.pass_time(days=2 * SLOW_DAYS)
    broadcast = alone.run(job_id)
    assert broadcast.state is State.CLOSED
    assert broadcast.key in alone.campaign(broadcast)["name"]


def test_a_closed_loop_without_a_proved_copy_is_parked_and_an_operator_excludes_the_others(alone: Flow) -> None:
    alone.add_fault({"kind": "import-fails", "times": 1})
    job_id = take_in(alone, RouteKind.CLOSED_LOOP, State.UPLOADED)
    other = copy_by_hand(alone)
    alone.set(import_timeout_minutes=0.02)
    parked = alone.run(job_id)
    assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, "copy-unproven")
    assert parked.error is not None
    assert str(other) in parked.error
    assert f"resolve {parked.key} --started --campaign ID" in parked.error
    assert f"resolve {parked.key} --not-started" in parked.error

    with pytest.raises(CopyPossible, match=f"{other}.*--not-campaign ID"):
        resolve(alone.bridge, parked.key, started=False, owner="a test")
    alone.set(import_timeout_minutes=5)
    alone.clock.advance(minutes=5)
    resolve(alone.bridge, parked.key, started=False, not_copies=[other], owner="a test")
    broadcast = alone.run(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert alone.simulator()["mailed_twice"] == 0


# An operator says that it was not started


def test_a_closed_loop_whose_copy_came_late_is_not_uploaded_again(alone: Flow) -> None:
    job_id = upload_to_slow_service(alone)
    alone.set(import_timeout_minutes=0.02)
    parked = alone.run(job_id)
    assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, "copy-not-seen")
    alone.pass_time(days=SLOW_DAYS)
    until(lambda: len(alone.copies(parked)) == 1, "its copy")
    (copy,) = alone.copies(parked)
    with pytest.raises(AlreadyStarted, match=f"resolve {parked.key} --started --campaign {copy['id']}"):
        resolve(alone.bridge, parked.key, started=False, owner="a test")

    resolve(alone.bridge, parked.key, started=True, campaign_id=copy["id"], owner="a test")
    broadcast = alone.run(job_id)
    assert (broadcast.state, broadcast.campaign_id) == (State.CLOSED, copy["id"])
    assert broadcast.mailing_id is not None, "by which its responses are known"
    assert alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert alone.simulator()["mailed_twice"] == 0


def test_a_list_file_that_can_still_be_taken_is_not_uploaded_again(
    alone: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.add_fault({"kind": "import-never"})
    job_id = take_in(alone, RouteKind.CLOSED_LOOP, State.UPLOADED)
    alone.set(import_timeout_minutes=0.02)
    with monkeypatch.context() as patched:
        patched.setattr(ClosedLoopRoute, "withdraw", lambda *_, **__: False)
        parked = alone.run(job_id)
    assert parked.state is State.NEEDS_OPERATOR
    alone.set(import_timeout_minutes=5)

    def not_started() -> Broadcast:
        return resolve(alone.bridge, parked.key, started=False, owner="a test")

    with pytest.raises(ListFileStillThere):
        not_started()
    with alone.bridge.site.connect() as session:
        session.remove(alone.bridge.routes[RouteKind.CLOSED_LOOP].destination(parked))
    # The service may have taken it just before: its time begins when the file is known to be gone.
    for passed in (0, 4):
        alone.clock.advance(minutes=passed)
        with pytest.raises(ListFileTaken, match=r"--started --campaign ID.*--not-started"):
            not_started()
    assert alone.broadcast(job_id).state is State.NEEDS_OPERATOR
    alone.clock.advance(minutes=1)
    not_started()
    alone.clear_faults()
    broadcast = alone.run(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert alone.simulator()["mailed_twice"] == 0


@pytest.mark.parametrize(
    ("route", "mode"),
    [
        (RouteKind.IMPORT_JOB, None),
        (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT),
        (RouteKind.CLOSED_LOOP, None),
        (RouteKind.SENDING_BATCH, None),
    ],
)
def test_what_was_sent_is_not_resolved_as_not_started(alone: Flow, route: RouteKind, mode: SendMode | None) -> None:
    alone.add_fault({"kind": "status", "operation": "getReport_1", "status": 500, "when": "before"})
    alone.use(channel(route, send=mode))
    job_id = alone.order()
    parked = alone.run(job_id)
    assert (parked.state, parked.ended_in) == (State.NEEDS_OPERATOR, State.SENDING)
    alone.clear_faults()
    command = f"resolve {parked.key} --started --campaign {parked.campaign_id}"
    with pytest.raises(AlreadyStarted, match=command):
        resolve(alone.bridge, parked.key, started=False, owner="a test")
    assert alone.broadcast(job_id) == parked
    resolve(alone.bridge, parked.key, started=True, owner="a test")
    broadcast = alone.run(job_id)
    assert broadcast.state is State.CLOSED
    assert alone.campaign(broadcast)["mails_sent"] == broadcast.sent
    assert alone.simulator()["mailed_twice"] == 0


def test_neither_the_copy_of_another_nor_the_source_is_accepted_from_an_operator(alone: Flow) -> None:
    other = follow(alone, RouteKind.IMPORT_JOB)
    assert other.campaign_id is not None
    job_id = upload_to_slow_service(alone)
    alone.set(import_timeout_minutes=0.02)
    parked = alone.run(job_id)
    with pytest.raises(CampaignOfAnother, match=other.key):
        resolve(alone.bridge, parked.key, started=True, campaign_id=other.campaign_id, owner="a test")
    with pytest.raises(IllegalTransition, match="holds its message"):
        resolve(alone.bridge, parked.key, started=True, campaign_id=parked.source_campaign_id, owner="a test")
    assert alone.broadcast(job_id) == parked


def test_the_command_names_what_is_not_its_copy(flow: Flow, command: Callable[..., Result]) -> None:
    flow.use(channel(RouteKind.CLOSED_LOOP))
    job_id = flow.order()
    flow.poll()
    key = flow.broadcast(job_id).key
    wrong = command("broadcast", "resolve", key, "--started", "--campaign", 1, "--not-campaign", 2)
    assert wrong.exit_code == 2
    refused = command("broadcast", "resolve", key, "--not-started", "--not-campaign", 1, "--not-campaign", 2)
    assert refused.exit_code == 1
    assert "cannot be resolved" in refused.output
