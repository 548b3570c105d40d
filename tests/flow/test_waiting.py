"""Nothing waits in silence: for what, held by whom, since when (rule 13)."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from typer.testing import Result

from shared.broadcast import Broadcast, RouteKind, State
from shared.ledger.broadcasts import advance
from shared.steps.upload_list import upload_list
from shared.web.status import status
from tests.flow.harness import Flow, channel


def waits(flow: Flow, broadcast: Broadcast) -> list[str]:
    """The waits in the history of a broadcast."""
    notes = (row.note for row in flow.bridge.ledger.broadcasts.history(broadcast))
    return [note for note in notes if note.startswith("waits for")]


def park(flow: Flow, broadcast: Broadcast) -> None:
    """Park it, as a step does whose outcome is unknown."""
    now = flow.bridge.clock.now()
    with flow.bridge.rs_database.writing() as connection:
        advance(connection, broadcast, State.NEEDS_OPERATOR, owner="test", note="parked", now=now)


def check_again(flow: Flow, job_id: int, *, after: timedelta = timedelta(hours=1)) -> Broadcast:
    """Deliver the message of a broadcast that waits."""
    flow.clock.advance(seconds=after.total_seconds())
    broadcast = flow.broadcast(job_id)
    upload_list(flow.bridge, broadcast.key, broadcast.version)
    return flow.broadcast(job_id)


def test_a_broadcast_says_which_parked_one_holds_its_list(
    flow: Flow, command: Callable[..., Result], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first, second = flow.order(seed=1), flow.order(seed=2)
    flow.poll()
    flow.stop_at(first, State.PREPARED)
    flow.stop_at(second, State.STAGED)
    holder = flow.broadcast(first)
    park(flow, holder)
    began = flow.clock.now()
    for _ in range(3):
        waiting = check_again(flow, second)
    assert waiting.state is State.STAGED
    assert waiting.waiting_for is not None
    assert waiting.waiting_for.startswith(f"the list “Customers”, held by broadcast {holder.key} since ")
    assert waiting.waiting_for.endswith("which is needs_operator")
    assert waiting.waiting_since is not None
    # By the first of the three checks, an hour after it was staged.
    assert timedelta() <= waiting.waiting_since - began - timedelta(hours=1) < timedelta(hours=1)
    assert len(waits(flow, waiting)) == 1
    assert [getattr(record, "action", None) for record in caplog.records].count("waits") == 1
    (shown,) = [row for row in status(flow.bridge)["broadcasts"] if row["key"] == waiting.key]
    assert shown["waiting_for"] == waiting.waiting_for
    assert shown["waiting_since"] == waiting.waiting_since.isoformat()
    assert f"held by broadcast {holder.key}" in command("broadcast", "show", waiting.key).output
    shown_holder = command("broadcast", "show", holder.key).output
    assert f"it holds list:{holder.list_id} since " in shown_holder
    assert f"broadcast {waiting.key} waits for it since " in shown_holder
    assert "It waits for a decision of an operator, whether it was sent" in shown_holder
    (listed,) = [row for row in json.loads(command("broadcasts", "--json").output) if row["key"] == waiting.key]
    assert listed["waiting_for"] == waiting.waiting_for


def test_a_broadcast_waits_for_its_turn_in_the_closed_loop(flow: Flow) -> None:
    flow.use(channel(RouteKind.CLOSED_LOOP))
    first, second = flow.order(seed=1), flow.order(seed=2)
    flow.poll()
    flow.stop_at(first, State.PREPARED)
    flow.stop_at(second, State.STAGED)
    waiting = check_again(flow, second)
    assert (waiting.waiting_for or "").startswith(
        f"its turn in the closed loop, held by broadcast {flow.broadcast(first).key}"
    )


def test_what_goes_on_waits_for_nothing_any_more(flow: Flow) -> None:
    broadcast = flow.run(flow.order())
    assert broadcast.state is State.CLOSED
    assert (broadcast.waiting_for, broadcast.waiting_since) == (None, None)


def test_an_attempt_that_failed_says_why_the_next_one_is_waited_for(flow: Flow) -> None:
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.STAGED)
    flow.add_fault({"kind": "status", "operation": "*", "when": "before", "status": 503})
    try:
        waiting = check_again(flow, job_id)
    finally:
        flow.clear_faults()
    assert (waiting.waiting_for or "").startswith("another attempt, after attempt 1: ")
    assert "[optimizely-unavailable]" in (waiting.waiting_for or "")
