"""Every route with every send mode that it can do, from the job in WS_DB to the mails that were sent."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.broadcast import SEND_MODES, RouteKind, SendMode, State
from shared.operations.broadcasts import cancel, pause, resume, stop
from tests.flow.harness import Flow, channel, until

#: One by one, in the order of the page on channels. What is exported has tests of its own.
WAYS = [
    (route, mode)
    for route in RouteKind
    for mode in SendMode
    if mode in SEND_MODES[route] and route is not RouteKind.EXPORT_FILE
]


def order(flow: Flow, route: RouteKind, mode: SendMode, **more: Any) -> int:
    """A job for a channel of this route; a mode that only the job can say is said by it."""
    parameters = ""
    if mode is SendMode.AT_TIME:
        parameters = f"SendAt={flow.simulated_time() + timedelta(hours=12):%Y-%m-%dT%H:%M:%S%z}"
    own = mode in {SendMode.VERIFY_THEN_START, SendMode.AFTER_IMPORT}
    flow.use(channel(route, send=mode if own else None))
    return flow.order(parameters=parameters, upload_only=mode is SendMode.UPLOAD_ONLY, **more)


@pytest.mark.parametrize(("route", "mode"), WAYS, ids=[f"{route}, {mode}" for route, mode in WAYS])
def test_a_broadcast_reaches_everybody_on_its_list_once(flow: Flow, route: RouteKind, mode: SendMode) -> None:
    job_id = order(flow, route, mode, recipients=300)
    broadcast = flow.run(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert (broadcast.request.route, broadcast.request.send_mode) == (route, mode)
    assert broadcast.rows is not None
    assert broadcast.rows.accounted == broadcast.rows.read
    assert flow.job(job_id)[1]["State"] == "closed"
    if mode is SendMode.UPLOAD_ONLY:
        assert flow.copies(broadcast) == []
        assert broadcast.imported
        return
    campaign = flow.campaign(broadcast)
    assert campaign["status"] == "finished"
    assert campaign["mails_sent"] == campaign["distinct_recipients_mailed"] == broadcast.sent
    assert broadcast.imported == broadcast.sent
    assert 0 < campaign["mails_sent"] < broadcast.rows.uploaded, "some are unsubscribed or blocklisted"
    if mode is SendMode.AT_TIME:
        assert broadcast.request.send_at is not None
        assert datetime.fromisoformat(campaign["first_mail_at"]) >= broadcast.request.send_at


@pytest.mark.parametrize(
    "mode", [SendMode.VERIFY_THEN_START, SendMode.AFTER_IMPORT, SendMode.AT_TIME, SendMode.UPLOAD_ONLY]
)
@pytest.mark.parametrize("state", [State.CLAIMED, State.PREPARED, State.UPLOADED])
def test_a_broadcast_that_is_cancelled_before_its_start_mails_nobody(
    slow_flow: Flow, mode: SendMode, state: State
) -> None:
    flow = slow_flow
    job_id = order(flow, RouteKind.IMPORT_JOB, mode)
    flow.poll()
    flow.stop_at(job_id, state)
    broadcast = flow.broadcast(job_id)
    cancel(flow.bridge, broadcast.key, owner="a test")
    ended = flow.run(job_id)
    assert ended.state is State.CANCELLED
    assert flow.job(job_id) == ("cancel", flow.job(job_id)[1])
    assert all(copy["status"] == "activationRequired" for copy in flow.copies(ended))
    flow.set_clock(speed=21600)
    later = flow.run(order(flow, RouteKind.IMPORT_JOB, SendMode.VERIFY_THEN_START))
    assert later.state is State.CLOSED, "its list is free for the next broadcast"
    assert all(copy["mails_sent"] == 0 for copy in flow.copies(ended)), "nor by the next import"


def test_a_broadcast_that_waits_for_its_time_can_be_cancelled(flow: Flow) -> None:
    flow.use(channel(RouteKind.IMPORT_JOB))
    late = flow.simulated_time() + timedelta(days=3000)
    job_id = flow.order(parameters=f"SendAt={late.isoformat()}")
    flow.poll()

    def armed() -> bool:
        broadcast = flow.broadcast(job_id)
        return broadcast.campaign_id is not None and flow.campaign(broadcast)["status"] == "activated"

    until(armed, "its copy is activated", between=flow.deliver)
    assert flow.broadcast(job_id).state is State.IMPORTED
    cancel(flow.bridge, flow.broadcast(job_id).key, owner="a test")
    ended = flow.run(job_id)
    assert ended.state is State.CANCELLED
    assert flow.campaign(ended)["status"] == "activationRequired"


def test_a_broadcast_that_is_sent_can_be_paused_gone_on_with_and_stopped(slow_flow: Flow) -> None:
    flow = slow_flow
    flow.use(channel(RouteKind.IMPORT_JOB))
    job_id = flow.order(recipients=400)
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sent", between=flow.live)
    key = flow.broadcast(job_id).key
    flow.pass_time(seconds=20)

    pause(flow.bridge, key, owner="a test")
    assert flow.campaign(flow.broadcast(job_id))["status"] == "paused"
    held = flow.campaign(flow.broadcast(job_id))["mails_sent"]
    flow.pass_time(hours=5)
    flow.deliver()
    assert flow.broadcast(job_id).state is State.SENDING
    assert flow.campaign(flow.broadcast(job_id))["mails_sent"] == held

    resume(flow.bridge, key, owner="a test")
    flow.pass_time(seconds=5)
    stop(flow.bridge, key, owner="a test")
    ended = flow.run(job_id)
    assert (ended.state, ended.error_code) == (State.CLOSED, "send-stopped")
    sent = flow.campaign(ended)["mails_sent"]
    assert ended.sent == sent
    assert 0 < held <= sent < (ended.imported or 0)
    assert str(sent) in (ended.error or "")
    notes = [row.note for row in flow.bridge.ledger.broadcasts.history(ended)]
    assert [note for note in notes if note.endswith("by an operator")] == [
        "paused by an operator",
        "resumed by an operator",
        "stopped by an operator",
    ]
    assert flow.job(job_id)[1]["ErrorCode"] == "send-stopped"
    assert flow.campaign(ended)["mailed_more_than_once"] == 0
