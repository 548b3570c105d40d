"""A test installation mails only whom ONLY_MAIL allows, and everything that it shows says what it is."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.errors import SeedsNotAllowed, TestInstallation
from shared.operations import test_send
from shared.operations.broadcasts import pause, resume, retry
from shared.steps.housekeeping import housekeeping
from shared.web.health import Health
from shared.web.status import status
from tests.flow.harness import Flow, channel, until
from tests.flow.test_peoplestage import Script, slot

#: A tester's address, which nothing may show, and the domain of some recipients.
TESTER = "tester.canary@private.example"
ONLY_MAIL = f"example.com, {TESTER}"
ROUTES = [
    (RouteKind.IMPORT_JOB, SendMode.VERIFY_THEN_START),
    (RouteKind.IMPORT_JOB, SendMode.AFTER_IMPORT),
    (RouteKind.CLOSED_LOOP, SendMode.AFTER_IMPORT),
    (RouteKind.SENDING_BATCH, SendMode.VERIFY_THEN_START),
]


def mails(flow: Flow) -> int:
    return sum(campaign["mails_sent"] for campaign in flow.simulator()["campaigns"])


def put_aside(flow: Flow, broadcast: Broadcast) -> int:
    return flow.bridge.ledger.broadcasts.rejects(broadcast).get("test-installation", 0)


def check_balance(flow: Flow, broadcast: Broadcast) -> None:
    """Only some were mailed, and every row is accounted for."""
    rows = broadcast.rows
    assert rows is not None
    assert rows.accounted == rows.read
    assert rows.suppressed == put_aside(flow, broadcast) > rows.uploaded > 0
    assert broadcast.sent == mails(flow) <= rows.uploaded


@pytest.mark.parametrize(("route", "mode"), ROUTES)
def test_everybody_else_is_put_aside_as_suppressed(alone: Flow, route: RouteKind, mode: SendMode) -> None:
    flow = alone
    flow.use(channel(route, send=mode))
    flow.set(only_mail=ONLY_MAIL)
    job_id = flow.order(recipients=200)
    sent = flow.run(job_id)
    assert (sent.state, sent.error) == (State.CLOSED, None)
    check_balance(flow, sent)
    assert f"test-installation={put_aside(flow, sent)}" in flow.job(job_id)[1]["RejectReasons"]


def test_where_nobody_is_allowed_the_broadcast_fails(flow: Flow) -> None:
    flow.set(only_mail=TESTER)
    failed = flow.run(flow.order())
    assert (failed.state, failed.error_code) == (State.FAILED, "no-recipients")
    assert TESTER not in str(failed)


@pytest.mark.parametrize("state", [State.STAGED, State.PREPARED])
def test_a_list_that_was_staged_for_everybody_is_staged_again(alone: Flow, state: State) -> None:
    """The setting came when the broadcast was under way, or the ledger is a copy of that of production."""
    flow = alone
    flow.use(channel())
    job_id = flow.order(recipients=200)
    flow.poll()
    flow.stop_at(job_id, state)
    assert put_aside(flow, flow.broadcast(job_id)) == 0
    flow.set(only_mail=ONLY_MAIL)
    sent = flow.sweep_until_at_rest(job_id)
    assert (sent.state, sent.error) == (State.CLOSED, None)
    check_balance(flow, sent)


@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.SENDING_BATCH])
def test_a_list_that_was_uploaded_for_everybody_is_not_sent(alone: Flow, route: RouteKind) -> None:
    flow = alone
    flow.use(channel(route))
    job_id = flow.order(recipients=200)
    flow.poll()
    flow.stop_at(job_id, State.UPLOADED)
    flow.set(only_mail=ONLY_MAIL)
    failed = flow.sweep_until_at_rest(job_id)
    assert (failed.state, failed.error_code) == (State.FAILED, "test-installation")
    assert mails(flow) == 0
    retry(flow.bridge, failed.key, owner="anna")
    again = flow.run(job_id)
    assert (again.state, again.error) == (State.CLOSED, None)
    check_balance(flow, again)


def test_a_paused_broadcast_to_everybody_is_not_resumed(slow_flow: Flow) -> None:
    flow = slow_flow
    flow.use(channel())
    job_id = flow.order(recipients=400)
    flow.poll()

    def live() -> None:
        flow.live()
        housekeeping(flow.bridge)

    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sending", between=live)
    key = flow.broadcast(job_id).key
    pause(flow.bridge, key, owner="anna")
    sent = mails(flow)
    flow.set(only_mail=ONLY_MAIL)
    with pytest.raises(TestInstallation):
        resume(flow.bridge, key, owner="anna", now=True)
    flow.pass_time(hours=5)
    assert (mails(flow), flow.campaign(flow.broadcast(job_id))["status"]) == (sent, "paused")


# Test sends


def test_a_test_send_goes_to_allowed_seeds_only(flow: Flow) -> None:
    flow.use(channel())
    flow.set(only_mail=f"seed1@bridge.example, seed2@bridge.example, {TESTER}")
    sent = test_send.for_message(flow.bridge, "Spring Newsletter", channel="default")
    assert (sent.started.valid, sent.not_allowed) == (2, 3)
    _, answer = slot(flow, "send-test", {"MessageName": "Spring Newsletter"})
    assert (answer["Recipients"], answer["RecipientsRejected"]) == (2, 3)
    flow.set(only_mail=TESTER)
    with pytest.raises(SeedsNotAllowed, match="None of the 5 recipients of the seed list 'Seed list'"):
        test_send.for_message(flow.bridge, "Spring Newsletter", channel="default")


# Where it shows


def test_every_page_and_command_says_that_it_is_a_test_installation(
    flow: Flow, command: Callable[..., Result], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    sentence = "This is a test installation: it mails only the 1 domain and 1 address of ONLY_MAIL."
    flow.use(channel())
    flow.set(only_mail=ONLY_MAIL)
    sent = flow.run(flow.order(recipients=100))
    shown: list[Any] = [flow.bridge.ledger.broadcasts.history(sent), sent]

    Bridge.started(flow.bridge.settings).close()
    assert [record for record in caplog.records if getattr(record, "action", "") == "test-installation"]
    assert sentence in caplog.text

    assert status(flow.bridge)["test_installation"] == sentence
    _, health = Health(lambda: flow.bridge).answer()
    assert json.loads(health)["test_installation"] is True

    for arguments in (("status",), ("broadcasts",), ("broadcast", "show", sent.key)):
        result = command(*arguments)
        assert sentence in " ".join(result.stderr.split())
        shown.append(result.output)
    doctor = command("doctor").output
    assert "test installation: this is one: it mails only the 1 domain and 1 address of ONLY_MAIL" in doctor
    assert "test-installation" in command("broadcast", "show", sent.key).output

    script = Script(flow, tmp_path, rows=200)
    for name, given in (("test", {}), ("upload", script.inputs), ("preview", {"MessageName": "Spring Newsletter"})):
        code, answer = slot(flow, name, given)
        assert (code, answer["TestInstallation"]) == (200, sentence)

    assert TESTER not in f"{caplog.text}{shown}{doctor}{health}{status(flow.bridge)}"


def test_an_installation_without_the_setting_says_nothing(flow: Flow, command: Callable[..., Result]) -> None:
    assert status(flow.bridge)["test_installation"] is None
    assert json.loads(Health(lambda: flow.bridge).answer()[1])["test_installation"] is False
    assert "test installation" not in command("broadcasts").output
    assert "TestInstallation" not in slot(flow, "test", {})[1]
