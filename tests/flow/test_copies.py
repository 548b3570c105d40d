"""Smart Campaigns that look alike: copies of import jobs, batches and closed loops, and those that people make."""

import pytest

from shared.broadcast import Broadcast, RouteKind, State
from shared.operations.broadcasts import cancel
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.sending_batch import SendingBatchRoute
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, channel

#: Lists in the simulator's pool.
POOL = 4


def take_in(flow: Flow, route: RouteKind, state: State) -> int:
    """A new broadcast on this route, brought as far as this state."""
    flow.use(channel(route))
    job_id = flow.order()
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


@pytest.mark.parametrize("cancelled", [False, True], ids=["goes on", "is cancelled"])
def test_the_copy_of_a_batch_that_was_not_recorded_is_known(
    alone: Flow, monkeypatch: pytest.MonkeyPatch, *, cancelled: bool
) -> None:
    alone.use(channel(RouteKind.SENDING_BATCH))
    batch = alone.order()
    let_die(monkeypatch, SendingBatchRoute, "prepare", after=True)
    with pytest.raises(Died):
        alone.run(batch)
    following = follow(alone, RouteKind.IMPORT_JOB)
    assert (following.state, following.error) == (State.CLOSED, None)
    alone.use(channel(RouteKind.SENDING_BATCH))
    if cancelled:
        cancel(alone.bridge, alone.broadcast(batch).key, owner="a test")
    ended = alone.sweep_until_at_rest(batch)
    assert ended.state is (State.CANCELLED if cancelled else State.CLOSED)
    assert len(alone.copies(ended)) == (0 if cancelled else 1)


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
