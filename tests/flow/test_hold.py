"""A hold: nothing new is started, released or handed over until it is lifted; what runs is finished."""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from typer.testing import Result

from shared.broadcast import ORDER, RouteKind, SendMode, State
from shared.config.channels import DEFAULT
from shared.errors import Held
from shared.ledger.effects import Effect, Kind
from shared.operations import broadcasts as operations
from shared.operations import holds
from shared.operations import test_send as test_sends
from shared.steps.housekeeping import housekeeping
from shared.steps.monitor_import import monitor_import
from shared.steps.upload_list import upload_list
from shared.web.health import Health
from shared.web.status import status
from tests.flow.harness import Flow, channel, until

REASON = "wrong voucher codes"


def step(flow: Flow, job_id: int) -> None:
    """Deliver the message of a broadcast."""
    broadcast = flow.broadcast(job_id)
    before_upload = ORDER.index(broadcast.state) < ORDER.index(State.UPLOADED)
    (upload_list if before_upload else monitor_import)(flow.bridge, broadcast.key, broadcast.version)


@pytest.mark.parametrize(
    ("route", "state"),
    [
        (RouteKind.IMPORT_JOB, State.STAGED),
        (RouteKind.IMPORT_JOB, State.PREPARED),
        (RouteKind.CLOSED_LOOP, State.PREPARED),
        (RouteKind.SENDING_BATCH, State.STAGED),
        (RouteKind.SENDING_BATCH, State.PREPARED),
    ],
)
def test_nothing_new_leaves_the_bridge_until_the_hold_is_lifted(flow: Flow, route: RouteKind, state: State) -> None:
    flow.use(channel(route))
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, state)
    holds.add(flow.bridge, REASON, by="jane")
    campaigns = len(flow.simulator()["campaigns"])
    for _ in range(flow.bridge.settings.max_attempts + 2):
        step(flow, job_id)
    waiting = flow.broadcast(job_id)
    # In a closed loop nothing is prepared at Optimizely, so that state is reached without an effect.
    assert (waiting.state, waiting.attempts) == (state, 0)
    assert (waiting.waiting_for or "").startswith("the hold to be lifted, placed by jane on ")
    assert REASON in (waiting.waiting_for or "")
    assert all(effect.tries == 0 for effect in flow.bridge.ledger.effects.of(waiting) if effect.done_at is None)
    assert len(flow.simulator()["campaigns"]) == campaigns
    holds.lift(flow.bridge, by="joe")
    step(flow, job_id)
    sent = flow.run(job_id)
    assert sent.state is State.CLOSED
    assert flow.simulator()["mailed_twice"] == 0


def test_a_start_is_held_and_what_was_started_is_finished(flow: Flow) -> None:
    running = flow.order(seed=1)
    flow.poll()
    until(lambda: flow.broadcast(running).state is State.SENDING, "the first is sending", between=flow.deliver)
    holds.add(flow.bridge, REASON, by="jane")
    assert flow.run(running).state is State.CLOSED


def test_an_imported_list_is_not_sent_while_all_is_held(flow: Flow) -> None:
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.UPLOADED)
    holds.add(flow.bridge, REASON, by="jane")

    def is_held() -> bool:
        return (flow.broadcast(job_id).waiting_for or "").startswith("the hold to be lifted")

    until(is_held, "it waits for the hold", between=lambda: step(flow, job_id))
    assert flow.broadcast(job_id).state is State.IMPORTED
    assert flow.campaign(flow.broadcast(job_id))["mails_sent"] == 0
    holds.lift(flow.bridge, by="joe")
    assert flow.run(job_id).state is State.CLOSED


@pytest.mark.parametrize("route", [RouteKind.CLOSED_LOOP, RouteKind.IMPORT_JOB])
def test_a_list_file_under_way_does_not_get_its_final_name(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, route: RouteKind
) -> None:
    flow.use(channel(route, send=SendMode.AFTER_IMPORT))
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.PREPARED)
    trying = flow.bridge.ledger.effects.trying

    def try_then_hold(*arguments: Any, **named: Any) -> Effect:
        effect = trying(*arguments, **named)
        if effect.kind is Kind.UPLOAD:
            holds.add(flow.bridge, REASON, by="jane")
        return effect

    monkeypatch.setattr(flow.bridge.ledger.effects, "trying", try_then_hold)
    step(flow, job_id)
    monkeypatch.undo()
    waiting = flow.broadcast(job_id)
    assert (waiting.waiting_for or "").startswith("the hold to be lifted")
    operations.cancel(flow.bridge, waiting.key, owner="operator")
    step(flow, job_id)
    assert flow.broadcast(job_id).state is State.CANCELLED


def test_jobs_are_claimed_and_staged_while_all_is_held(flow: Flow) -> None:
    holds.add(flow.bridge, REASON, by="jane")
    job_id = flow.order()
    flow.poll()
    flow.deliver()
    flow.deliver()
    waiting = flow.broadcast(job_id)
    assert waiting.state is State.STAGED
    operations.cancel(flow.bridge, waiting.key, owner="operator")
    assert flow.run(job_id).state is State.CANCELLED


def test_calls_are_refused_with_who_and_why(flow: Flow, command: Callable[..., Result]) -> None:
    flow.use(channel())
    broadcast = flow.run(flow.order())
    holds.add(flow.bridge, REASON, by="jane")
    with pytest.raises(Held, match=rf"jane placed a hold \({REASON}\)"):
        test_sends.for_message(flow.bridge, "Spring Newsletter", channel=DEFAULT)
    with pytest.raises(Held):
        operations.resume(flow.bridge, broadcast.key, owner="operator")
    with pytest.raises(Held):
        operations.release(flow.bridge, broadcast.key, owner="operator")
    refused = command("test-send", "Spring Newsletter")
    assert refused.exit_code == 1
    assert f"jane placed a hold ({REASON})" in refused.stderr.replace("\n", " ")


def test_the_command_places_shows_and_lifts_a_hold(command: Callable[..., Result]) -> None:
    assert command("hold").output == "Nothing is held.\n"
    placed = command("hold", "--reason", REASON, "--by", "jane")
    assert placed.exit_code == 0
    assert f"Everything is held: {REASON} [held], by jane since " in placed.output
    assert "you can: bridge hold --lift\n" in command("hold").output
    assert "Everything is held by jane since" in command("broadcasts").output
    lifted = command("hold", "--lift", "--by", "joe")
    assert f"Lifted: {REASON} [held], by jane" in lifted.output
    assert "Nothing is held." in lifted.output
    assert "lifted by joe on " in command("hold").output
    assert command("hold", "--lift").exit_code == 1
    assert command("hold", "--reason", " ").exit_code == 2
    assert command("hold", "--reason", REASON, "--lift").exit_code == 2


def test_a_hold_is_shown_everywhere(
    flow: Flow, command: Callable[..., Result], caplog: pytest.LogCaptureFixture
) -> None:
    holds.add(flow.bridge, REASON, by="jane")
    (shown,) = status(flow.bridge)["holds"]
    assert (shown["code"], shown["reason"], shown["placed_by"]) == ("held", REASON, "jane")
    assert json.loads(command("status").output)["holds"] == [shown]
    code, text = Health(lambda: flow.bridge).answer()
    assert code == HTTPStatus.OK
    assert [(hold["reason"], hold["placed_by"]) for hold in json.loads(text)["holds"]] == [(REASON, "jane")]
    assert "FAIL  holds: Everything is held since" in command("doctor").output
    housekeeping(flow.bridge)
    stands = [record for record in caplog.records if getattr(record, "action", None) == "hold-stands"]
    assert REASON in stands[-1].getMessage()
    assert stands[-1].levelno == logging.WARNING
