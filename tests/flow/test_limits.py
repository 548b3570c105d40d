"""The limits of a channel: recipients without a release, hours of the day, how late a broadcast may start."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import Result

from shared.broadcast import RouteKind, SendMode, State, delivery_key
from shared.config.channels import Channel
from shared.config.send_window import SendWindow
from shared.errors import IllegalTransition, OutsideSendTimes
from shared.faststats.schema_map.names import WsDbSchema
from shared.ledger.effects import Kind
from shared.operations.broadcasts import pause, release, resume, retry
from shared.sftp.site import SftpSite
from shared.steps.housekeeping import housekeeping
from shared.steps.upload_list import upload_list
from shared.web.status import status
from tests.databases import ZONE
from tests.deaths import Died, let_die
from tests.flow.harness import SWEEP_SECONDS, Flow, channel, until
from tests.flow.test_peoplestage import Script, slot

#: Every way in which a message gets out: the import job and the batch are started, the others start by themselves.
WAYS = [
    (RouteKind.IMPORT_JOB, SendMode.VERIFY_THEN_START, State.IMPORTED),
    (RouteKind.SENDING_BATCH, SendMode.VERIFY_THEN_START, State.IMPORTED),
    (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT, State.PREPARED),
    (RouteKind.CLOSED_LOOP, SendMode.AFTER_IMPORT, State.PREPARED),
]
every_way = pytest.mark.parametrize(("route", "mode"), [(route, mode) for route, mode, _ in WAYS])


def summary(flow: Flow, job_id: int) -> list[str]:
    """The delivery job summary of a job, as its client reads it."""
    table = WsDbSchema(ZONE).delivery_job_summary
    assert table is not None
    with flow.ws_database.reading() as connection:
        return list(connection.scalars(select(table.c.message).where(table.c.job_id == job_id)))


def mails(flow: Flow) -> int:
    return sum(campaign["mails_sent"] for campaign in flow.simulator()["campaigns"])


def until_it_waits(flow: Flow, job_id: int | None, waiting_for: str) -> None:
    """Deliver messages until the broadcast of a job waits for this."""

    def waits() -> bool:
        found = [row for row in flow.bridge.ledger.broadcasts.newest(10) if row.request.job_id == job_id]
        return bool(found) and (found[0].waiting_for or "").startswith(waiting_for)

    swept = time.monotonic()

    def pass_on() -> None:
        nonlocal swept
        flow.deliver()
        if time.monotonic() - swept > SWEEP_SECONDS:  # a lease may run out on a busy machine
            housekeeping(flow.bridge)
            swept = time.monotonic()

    until(waits, f"it waits for {waiting_for}", between=pass_on)


def opening_in(flow: Flow, *, hours: float, **more: Any) -> Channel:
    """A channel that sends for two hours, from so many hours on; for less than zero since then."""
    opens = flow.bridge.clock.now() + timedelta(hours=hours)
    window = SendWindow.parse(f"{opens:%H:%M}-{opens + timedelta(hours=2):%H:%M}")
    return channel(send_between=str(window), time_zone="UTC", **more)


# max_recipients


@every_way
def test_a_broadcast_to_too_many_waits_until_it_is_released(alone: Flow, route: RouteKind, mode: SendMode) -> None:
    flow = alone
    flow.use(channel(route, send=mode, max_recipients=20))
    job_id = flow.order()
    flow.poll()
    until_it_waits(flow, job_id, "its release by an operator")
    waiting = flow.broadcast(job_id)
    assert waiting.state is State.STAGED
    assert flow.bridge.ledger.effects.of(waiting) == []
    assert flow.copies(waiting) == []
    released = release(flow.bridge, waiting.key, owner="anna")
    assert waiting.rows is not None
    assert released.released_recipients == waiting.rows.uploaded > 20
    sent = flow.run(job_id)
    assert sent.state is State.CLOSED
    assert sent.sent == mails(flow) > 20
    assert ("anna", f"released by an operator for {waiting.rows.uploaded} recipients") in [
        (row.owner, row.note) for row in flow.bridge.ledger.broadcasts.history(sent)
    ]


def test_everybody_who_looks_sees_that_a_broadcast_waits_for_a_release(
    flow: Flow, command: Callable[..., Result]
) -> None:
    flow.use(channel(max_recipients=20))
    job_id = flow.order()
    flow.poll()
    until_it_waits(flow, job_id, "its release by an operator")
    waiting = flow.broadcast(job_id)
    remedy = f"bridge broadcast release {waiting.key}"
    assert remedy in str(waiting.waiting_for)
    (shown,) = [row for row in status(flow.bridge)["broadcasts"] if row["key"] == waiting.key]
    assert remedy in shown["waiting_for"]
    assert [line for line in summary(flow, job_id) if "waits for its release" in line and remedy in line]
    file = flow.folder / "channels.toml"
    file.write_text("[channels.default]\nmax_recipients = 20\n")
    text = command("broadcast", "show", waiting.key, CHANNELS_FILE=str(file)).output
    assert f"you can: {remedy}" in " ".join(text.split())
    assert command("broadcast", "release", waiting.key, CHANNELS_FILE=str(file)).exit_code == 0
    assert flow.run(job_id).state is State.CLOSED
    with pytest.raises(IllegalTransition, match="it does not wait for a release"):
        release(flow.bridge, waiting.key, owner="anna")


def test_what_was_released_is_not_asked_for_again(flow: Flow) -> None:
    flow.use(channel(max_recipients=20))
    job_id = flow.order(message_name="Spring Newsletter")
    flow.poll()
    until_it_waits(flow, job_id, "its release by an operator")
    key = flow.broadcast(job_id).key
    flow.use(channel(max_recipients=20, latest_start_hours=1))
    release(flow.bridge, key, owner="anna")
    flow.clock.advance(hours=2)
    assert flow.run(job_id).error_code == "start-too-late"
    retry(flow.bridge, key, owner="anna")
    assert flow.run(job_id).state is State.CLOSED


def test_a_broadcast_to_few_enough_goes_out(flow: Flow) -> None:
    flow.use(channel(max_recipients=60))
    assert flow.run(flow.order()).state is State.CLOSED


def test_peoplestage_reads_that_its_delivery_waits_for_a_release(flow: Flow, tmp_path: Path) -> None:
    flow.use(channel(max_recipients=20))
    script = Script(flow, tmp_path)
    script.staged()
    script.broadcast()
    until_it_waits(flow, None, "its release by an operator")
    answer = script.broadcast()
    assert (answer["Done"], answer["State"]) == (False, "staged")
    assert f"bridge broadcast release {delivery_key(script.guid)}" in str(answer["WaitingFor"])
    release(flow.bridge, delivery_key(script.guid), owner="anna")
    assert script.until_done(script.broadcast)["WaitingFor"] is None


# send_between


@pytest.mark.parametrize(("route", "mode", "state"), WAYS)
def test_nobody_is_mailed_outside_the_hours_of_the_channel(
    alone: Flow, route: RouteKind, mode: SendMode, state: State
) -> None:
    flow = alone
    flow.use(opening_in(flow, hours=3, route=route, send=mode))
    job_id = flow.order()
    flow.poll()
    until_it_waits(flow, job_id, "the hours in which channel default sends")
    flow.pass_time(hours=2)
    flow.clock.advance(hours=2)
    housekeeping(flow.bridge)
    flow.deliver()
    waiting = flow.broadcast(job_id)
    assert waiting.state is state
    start, upload = (flow.bridge.ledger.effects.find(waiting, kind) for kind in (Kind.START, Kind.UPLOAD))
    assert start is None or start.tries == 0
    assert upload is None or state is State.IMPORTED
    assert mails(flow) == 0
    assert [line for line in summary(flow, job_id) if "waits for the hours in which channel default sends" in line]
    flow.clock.advance(hours=1, minutes=1)
    sent = flow.run(job_id)
    assert sent.state is State.CLOSED
    assert sent.sent == mails(flow) > 0


@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.CLOSED_LOOP])
def test_a_transfer_that_broke_off_is_not_repeated_at_night(
    alone: Flow, monkeypatch: pytest.MonkeyPatch, route: RouteKind
) -> None:
    """Its process died while it uploaded: nothing is at Optimizely under its final name, and nothing has started."""
    flow = alone
    flow.use(opening_in(flow, hours=-1, route=route, send=SendMode.AFTER_IMPORT))
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.PREPARED)
    with monkeypatch.context() as patched:
        let_die(patched, SftpSite, "upload")
        prepared = flow.broadcast(job_id)
        with pytest.raises(Died):
            upload_list(flow.bridge, prepared.key, prepared.version)
    upload = flow.bridge.ledger.effects.find(flow.broadcast(job_id), Kind.UPLOAD)
    assert upload is not None
    assert upload.tries == 1
    flow.clock.advance(hours=2)
    housekeeping(flow.bridge)
    until_it_waits(flow, job_id, "the hours in which channel default sends")
    assert mails(flow) == 0
    flow.clock.advance(hours=22)
    assert flow.run(job_id).state is State.CLOSED
    assert flow.simulator()["mailed_twice"] == 0


def test_a_start_without_an_answer_is_not_repeated_outside_the_hours(alone: Flow) -> None:
    flow = alone
    flow.use(opening_in(flow, hours=-1))
    flow.add_fault({"kind": "drop", "operation": "startSmartCampaign", "when": "before", "times": 1})
    job_id = flow.order()
    flow.poll()
    until_it_waits(flow, job_id, "the outcome of its start")
    flow.clock.advance(hours=2)
    housekeeping(flow.bridge)
    until_it_waits(flow, job_id, "the hours in which channel default sends")
    assert mails(flow) == 0
    flow.clock.advance(hours=22)
    sent = flow.run(job_id)
    assert (sent.state, sent.sent) == (State.CLOSED, mails(flow))
    assert flow.simulator()["mailed_twice"] == 0


def pass_time(flow: Flow, **by: float) -> None:
    """Let time pass here and at Optimizely."""
    flow.pass_time(**by)
    flow.clock.advance(**by)
    housekeeping(flow.bridge)
    flow.deliver()


@pytest.fixture
def timed(slow_flow: Flow) -> Flow:
    """A bridge that shares its time with its Optimizely."""
    slow_flow.clock.set_to(slow_flow.simulated_time())
    slow_flow.set(import_timeout_minutes=26 * 60.0, send_timeout_minutes=60.0)
    return slow_flow


def test_a_time_to_send_that_passed_during_an_outage_at_night_waits_for_the_morning(timed: Flow) -> None:
    flow = timed
    flow.use(opening_in(flow, hours=-1))
    send_at = flow.bridge.clock.now() + timedelta(minutes=30)
    job_id = flow.order(parameters=f"SendAt={send_at.isoformat()}")
    flow.poll()
    flow.stop_at(job_id, State.UPLOADED)
    pass_time(flow, hours=2)
    until(
        lambda: "the hours in which" in str(flow.broadcast(job_id).waiting_for),
        "it waits for the morning",
        between=lambda: pass_time(flow, minutes=5),
    )
    assert (flow.broadcast(job_id).state, mails(flow)) == (State.IMPORTED, 0)
    pass_time(flow, hours=18)
    until(
        lambda: flow.broadcast(job_id).state is State.CLOSED, "it is sent", between=lambda: pass_time(flow, minutes=20)
    )
    assert mails(flow) == flow.broadcast(job_id).sent


def test_a_time_to_send_in_the_hours_is_scheduled_outside_of_them(timed: Flow) -> None:
    flow = timed
    flow.use(opening_in(flow, hours=10))
    send_at = flow.bridge.clock.now() + timedelta(hours=11)
    job_id = flow.order(parameters=f"SendAt={send_at.isoformat()}")
    flow.poll()
    until(
        lambda: "its time to send" in str(flow.broadcast(job_id).waiting_for),
        "it is activated",
        between=lambda: pass_time(flow, minutes=5),
    )
    assert flow.bridge.clock.now() < send_at - timedelta(hours=1), "outside the hours"
    assert flow.campaign(flow.broadcast(job_id))["status"] == "activated"
    until(
        lambda: flow.broadcast(job_id).state is State.CLOSED, "it is sent", between=lambda: pass_time(flow, minutes=20)
    )


def test_a_time_to_send_outside_the_hours_is_refused_by_each_intake(flow: Flow, tmp_path: Path) -> None:
    flow.use(opening_in(flow, hours=3))
    send_at = (flow.bridge.clock.now() + timedelta(hours=1)).isoformat()
    job_id = flow.order(parameters=f"SendAt={send_at}")
    flow.poll()
    _, results = flow.job(job_id)
    assert results["ErrorCode"] == "job-command-invalid"
    assert "SendAt is outside the hours in which the channel sends" in results["Error"]
    code, text = slot(flow, "upload", Script(flow, tmp_path).inputs | {"SendAt": send_at})
    assert code == 400
    assert "SendAt: outside the hours in which the channel sends" in text["error"]


def test_a_paused_broadcast_is_resumed_in_the_hours_unless_an_operator_insists(slow_flow: Flow) -> None:
    flow = slow_flow
    flow.use(opening_in(flow, hours=-1))
    job_id = flow.order(recipients=400)
    flow.poll()

    def live() -> None:
        flow.live()
        housekeeping(flow.bridge)

    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sending", between=live)
    key = flow.broadcast(job_id).key
    pause(flow.bridge, key, owner="anna")
    flow.clock.advance(hours=2)
    with pytest.raises(OutsideSendTimes, match=r"sends between \d\d:\d\d-\d\d:\d\d UTC only"):
        resume(flow.bridge, key, owner="anna")
    assert flow.campaign(flow.broadcast(job_id))["status"] == "paused"
    resume(flow.bridge, key, owner="anna", now=True)
    flow.set_clock(speed=21600)
    assert flow.run(job_id).state is State.CLOSED


# latest_start_hours


@every_way
def test_after_an_outage_of_two_days_nobody_is_mailed_until_somebody_asks(
    alone: Flow, route: RouteKind, mode: SendMode
) -> None:
    """The job waited in WS_DB, before the bridge knew of it."""
    flow = alone
    flow.use(channel(route, send=mode, latest_start_hours=24))
    job_id = flow.order()
    flow.clock.advance(days=2)
    late = flow.run(job_id)
    assert (late.state, late.error_code) == (State.FAILED, "start-too-late")
    assert flow.bridge.ledger.effects.of(late) == []
    assert flow.job(job_id)[1]["ErrorCode"] == "start-too-late"
    retry(flow.bridge, late.key, owner="anna")
    assert flow.run(job_id).state is State.CLOSED


def test_an_outage_after_the_import_ends_the_broadcast_with_nobody_mailed(alone: Flow) -> None:
    flow = alone
    flow.use(channel(latest_start_hours=6))
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, State.UPLOADED)
    flow.clock.advance(hours=7)
    flow.pass_time(hours=7)
    flow.set(import_timeout_minutes=26 * 60)
    late = flow.sweep_until_at_rest(job_id)
    assert (late.state, late.ended_in, late.error_code) == (State.FAILED, State.IMPORTED, "start-too-late")
    assert mails(flow) == 0
    retry(flow.bridge, late.key, owner="anna")
    assert flow.run(job_id).state is State.CLOSED


def test_the_night_does_not_count_as_late(alone: Flow) -> None:
    flow = alone
    flow.use(opening_in(flow, hours=12, latest_start_hours=1))
    job_id = flow.order()
    flow.poll()
    until_it_waits(flow, job_id, "the hours in which channel default sends")
    flow.clock.advance(hours=12, minutes=30)
    assert flow.run(job_id).state is State.CLOSED


def test_a_delivery_counts_as_late_from_its_release_by_peoplestage(flow: Flow, tmp_path: Path) -> None:
    flow.use(channel(latest_start_hours=2))
    script = Script(flow, tmp_path)
    script.staged()
    flow.clock.advance(hours=5)
    script.until_done(script.broadcast)
    until(lambda: script.ledger.state is State.CLOSED, "it is sent", between=flow.deliver)
