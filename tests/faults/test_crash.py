"""A process that dies before or after any effect: whoever goes on ends with everybody mailed once."""

from typing import Any

import pytest

import shared.steps.broadcast_step
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.config.channels import SendingBatch
from shared.errors import OptimizelyUnavailable
from shared.faststats.ws_db import WsDb
from shared.ledger.effects import Effects
from shared.operations.broadcasts import resolve
from shared.optimizely.rest.client import OptimizelyRest
from shared.routes.campaign import BroadcastCampaign
from shared.routes.closed_loop import ClosedLoopRoute
from shared.routes.import_job import ImportJobRoute
from shared.steps.poll_jobs import poll_jobs
from shared.storage.queues import Queues
from shared.storage.staging import StagedFileWriter
from tests.deaths import Died, let_die
from tests.flow.harness import Flow, channel, until

#: Where a process dies: a module or a class, a function of it, and the call at which it dies.
Death = tuple[Any, str, int]

# A process dies before or after a call. Of deaths that leave the same in the ledger and outside, only one is played:
# * after an act (`prepare`, `transfer`, `start`, …) is before its `done`, and after a chunk is before its evidence;
# * after a `done` is before the `advance`, the act or the intent that follows it;
# * after an `advance` is before it, since both roll its transaction back, and with it whatever the transaction holds
#   (rejects, `record_prepared`, `record_delivered`); once it is committed is before the next intent or message.


def calls(where: Any, name: str, *numbers: int) -> list[Death]:
    return [(where, name, number) for number in numbers]


#: On the import-job route.
BEFORE: list[Death] = [
    (WsDb, "claim", 1),
    (WsDb, "finish", 1),
    (StagedFileWriter, "commit", 1),
    (ImportJobRoute, "prepare", 1),
    (ImportJobRoute, "transfer", 1),
    (ImportJobRoute, "start", 1),
    *calls(Effects, "intend", 1, 2, 3),
    *calls(Effects, "add_evidence", 1, 2, 3),
    *calls(Queues, "send", 1, 2),
    # An import that is over at the first check makes no third message and skips a state.
    *calls(shared.steps.broadcast_step, "advance", 1, 3, 4, 5, 6, 7),
]
AFTER: list[Death] = [
    (WsDb, "claim", 1),
    (WsDb, "finish", 1),
    (StagedFileWriter, "commit", 1),
    (ImportJobRoute, "prepare", 1),
    (ImportJobRoute, "transfer", 1),
    (ImportJobRoute, "start", 1),
    *calls(Effects, "intend", 1, 2, 3),
    (Effects, "done", 1),
    (Effects, "done", 3),
    *calls(Effects, "add_evidence", 1, 2, 3),
    *calls(Queues, "send", 1, 2),
]

#: On the other routes, and in the other send mode that differs: what they do besides.
OTHER_BEFORE: dict[tuple[RouteKind, SendMode | None], list[Death]] = {
    (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT): [
        (BroadcastCampaign, "set_wait_node", 1),
        (ImportJobRoute, "arm", 1),
        (ImportJobRoute, "transfer", 1),
        *calls(Effects, "intend", 1, 2, 3),
        (Effects, "done", 4),
        *calls(shared.steps.broadcast_step, "advance", 3, 4, 5, 6),
    ],
    (RouteKind.CLOSED_LOOP, None): [
        (ClosedLoopRoute, "transfer", 1),
        *calls(Effects, "intend", 1, 2),
        *calls(Effects, "add_evidence", 1, 2, 3),
        *calls(Effects, "done", 1, 3),
        *calls(shared.steps.broadcast_step, "advance", 2, 3, 4, 5, 6),
    ],
    (RouteKind.SENDING_BATCH, None): [
        (OptimizelyRest, "prepare_new_batch", 1),
        (OptimizelyRest, "add_recipients_to_batch", 1),
        (OptimizelyRest, "send_batch", 1),
        *calls(Effects, "intend", 1, 2, 3),
        *calls(shared.steps.broadcast_step, "advance", 3, 4, 5, 6, 7),
    ],
}
OTHER_AFTER: dict[tuple[RouteKind, SendMode | None], list[Death]] = {
    (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT): [
        (BroadcastCampaign, "set_wait_node", 1),
        (ImportJobRoute, "arm", 1),
        (ImportJobRoute, "transfer", 1),
        *calls(Effects, "intend", 1, 2, 3),
    ],
    (RouteKind.CLOSED_LOOP, None): [
        (ClosedLoopRoute, "transfer", 1),
        *calls(Effects, "intend", 1, 2),
        *calls(Effects, "add_evidence", 1, 2, 3),
    ],
    (RouteKind.SENDING_BATCH, None): [
        (OptimizelyRest, "prepare_new_batch", 1),
        *calls(OptimizelyRest, "add_recipients_to_batch", 1, 2, 3),
        (OptimizelyRest, "send_batch", 1),
        *calls(Effects, "intend", 1, 2, 3),
        *calls(Effects, "add_evidence", 1, 2, 3),
        (Effects, "done", 1),
    ],
}


def named(value: Any) -> str:
    if isinstance(value, bool):
        return "after" if value else "before"
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize(
    ("where", "name", "call", "after"),
    [*((*death, False) for death in BEFORE), *((*death, True) for death in AFTER)],
    ids=named,
)
def test_a_death_at_any_effect_mails_everybody_once(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, call: int, after: bool
) -> None:
    die_and_go_on(flow, monkeypatch, where, name, call, after=after)


@pytest.mark.parametrize(
    ("route", "mode", "where", "name", "call", "after"),
    [
        (*way, *death, after)
        for ways, after in ((OTHER_BEFORE, False), (OTHER_AFTER, True))
        for way, deaths in ways.items()
        for death in deaths
    ],
    ids=named,
)
def test_a_death_on_any_other_way_mails_everybody_once(  # noqa: PLR0917 - one of them is what varies
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    route: RouteKind,
    mode: SendMode | None,
    where: Any,
    name: str,
    call: int,
    after: bool,
) -> None:
    flow.use(channel(route, send=mode, sending_batch=SendingBatch(chunk_rows=15)))
    die_and_go_on(flow, monkeypatch, where, name, call, after=after)


def die_and_go_on(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, call: int, *, after: bool
) -> None:
    interruption = let_die(monkeypatch, where, name, call, after=after)
    job_id = flow.order(recipients=40)

    def until_death() -> None:
        try:
            flow.run(job_id)
        except (Died, StopIteration):
            return

    until_death()
    assert interruption.struck, "the effect was never reached"
    broadcast = flow.sweep_until_at_rest(job_id)

    assert broadcast.state is State.CLOSED
    assert flow.job(job_id)[0] == "done"
    copies = flow.copies(broadcast)
    assert sum(copy["mails_sent"] for copy in copies) == broadcast.sent
    # Of a chunk whose answer was lost it is not known how many Optimizely refused.
    assert 0 < (broadcast.sent or 0) <= (broadcast.imported or 0)
    assert all(copy["mailed_more_than_once"] == 0 for copy in copies)
    assert broadcast.rows is not None
    assert broadcast.rows.read == broadcast.rows.accounted


def test_a_start_without_an_answer_that_took_effect_is_adopted(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    original = ImportJobRoute.start
    calls = []

    def no_answer(self: ImportJobRoute, broadcast: Broadcast) -> None:
        calls.append(broadcast.campaign_id)
        original(self, broadcast)
        raise OptimizelyUnavailable(operation="startSmartCampaign", reason="ReadTimeout")

    monkeypatch.setattr(ImportJobRoute, "start", no_answer)
    broadcast = flow.run(flow.order())
    assert broadcast.state is State.CLOSED
    assert len(calls) == 1
    assert flow.campaign(broadcast)["mails_sent"] == broadcast.imported


def test_a_start_that_never_takes_effect_is_parked_and_an_operator_resolves_it(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def lost(_self: ImportJobRoute, broadcast: Broadcast) -> None:
        calls.append(broadcast.campaign_id)
        raise OptimizelyUnavailable(operation="startSmartCampaign", reason="ConnectTimeout")

    with monkeypatch.context() as patched:
        patched.setattr(ImportJobRoute, "start", lost)
        job_id = flow.order()
        parked = flow.run(job_id)
    assert parked.state is State.NEEDS_OPERATOR
    assert parked.error_code == "send-outcome-unknown"
    assert parked.error is not None
    assert f"resolve {parked.key} --started" in parked.error
    assert f"resolve {parked.key} --not-started" in parked.error
    assert len(calls) == 3
    assert flow.campaign(parked)["mails_sent"] == 0
    assert flow.job(job_id)[0] == "incomplete"

    resolve(flow.bridge, parked.key, started=False, owner="a test")
    closed = flow.run(job_id)
    assert closed.state is State.CLOSED
    assert flow.campaign(closed)["mails_sent"] == closed.imported


def test_a_lost_message_costs_time_not_a_broadcast(flow: Flow) -> None:
    job_id = flow.order()
    poll_jobs(flow.bridge)
    until(lambda: bool(flow.take(flow.bridge.settings.upload_list_queue)), "the message is there to lose")
    assert flow.sweep_until_at_rest(job_id).state is State.CLOSED
