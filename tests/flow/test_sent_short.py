"""Whoever was imported and not mailed is counted at the end of every route: `sent-short`, an alert, the numbers."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import Result

from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.errors import IllegalTransition
from shared.ledger.alerts import AlertKind
from shared.operations.broadcasts import acknowledge, stop
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.optimizely.rest.client import OptimizelyRest
from shared.steps.chores.compare_reports import compare_reports
from shared.web.status import status
from tests.flow.harness import Flow, channel, until

IMPORT_JOB, CLOSED_LOOP, BATCH = RouteKind.IMPORT_JOB, RouteKind.CLOSED_LOOP, RouteKind.SENDING_BATCH
LOST = [{"kind": "import-loses", "percent": 50, "times": 1}]
FAILED = [{"kind": "import-fails", "times": 1}]
#: The list lacks recipients, but the count of REST includes them.
MISCOUNTED = [*LOST, {"kind": "wrong-count", "by": 30}]


def alerts(flow: Flow) -> dict[str, str]:
    return {one.subject: one.text for one in flow.bridge.ledger.alerts.active() if one.kind is AlertKind.SENT_SHORT}


def run_with(flow: Flow, faults: list[dict[str, Any]], route: RouteKind, **more: Any) -> Broadcast:
    flow.use(channel(route, **more))
    for fault in faults:
        flow.add_fault(fault)
    return flow.run(flow.order(recipients=70))


@pytest.mark.parametrize(
    ("route", "mode", "faults"),
    [
        (BATCH, None, FAILED),
        (BATCH, None, LOST),
        (IMPORT_JOB, None, MISCOUNTED),
        (IMPORT_JOB, SendMode.AFTER_IMPORT, MISCOUNTED),
        (CLOSED_LOOP, None, MISCOUNTED),
    ],
)
def test_recipients_who_are_lost_after_the_count_close_the_broadcast_with_a_code(
    alone: Flow, route: RouteKind, mode: SendMode | None, faults: list[dict[str, Any]]
) -> None:
    broadcast = run_with(alone, faults, route, send=mode)
    mailed = alone.campaign(broadcast)["mails_sent"]
    assert (broadcast.state, broadcast.error_code, broadcast.sent) == (State.CLOSED, "sent-short", mailed)
    sentence = f"mailed only {mailed} of {broadcast.imported} recipients"
    assert sentence in (broadcast.error or "")
    assert any(sentence in change.note for change in alone.bridge.ledger.broadcasts.history(broadcast))
    assert sentence in alerts(alone)[broadcast.key]
    shown = json.loads(json.dumps(status(alone.bridge)))
    assert (shown["broadcasts"][0]["error_code"], shown["alerts"][0]["kind"]) == ("sent-short", "sent-short")
    state, results = alone.job(broadcast.request.job_id or 0)
    assert (state, results["ErrorCode"], results["RecipientsBroadcast"]) == ("done", "sent-short", str(mailed))
    assert results["RecipientsImported"] == str(broadcast.imported)


def test_an_import_that_loses_recipients_before_the_count_mails_nobody(alone: Flow) -> None:
    broadcast = run_with(alone, LOST, IMPORT_JOB)
    assert (broadcast.state, broadcast.error_code, alerts(alone)) == (State.FAILED, "import-count-wrong", {})


def test_as_many_may_be_missing_as_the_channel_allows(alone: Flow) -> None:
    broadcast = run_with(alone, LOST, BATCH, max_shortfall_percent=60)
    assert (broadcast.state, broadcast.error_code, alerts(alone)) == (State.CLOSED, None, {})
    assert 0 < (broadcast.sent or 0) < (broadcast.imported or 0)


def test_recipients_whom_the_report_skips_or_queues_are_not_missing(
    alone: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = OptimizelyRest.get_report

    def explains(rest: OptimizelyRest, campaign_id: int) -> SmartCampaignReport:
        return replace(report(rest, campaign_id), skipped=25, in_queue=20)

    monkeypatch.setattr(OptimizelyRest, "get_report", explains)
    broadcast = run_with(alone, [], IMPORT_JOB)
    assert (broadcast.state, broadcast.error_code, alerts(alone)) == (State.CLOSED, None, {})
    assert broadcast.sent == (broadcast.imported or 0) - 45


def test_recipients_whom_an_operator_kept_from_being_mailed_are_not_missing(slow_flow: Flow) -> None:
    flow = slow_flow
    flow.use(channel(IMPORT_JOB))
    job_id = flow.order(recipients=400)
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sent", between=flow.live)
    stop(flow.bridge, flow.broadcast(job_id).key, owner="a test")
    assert (flow.run(job_id).error_code, alerts(flow)) == ("send-stopped", {})


def test_an_operator_acknowledges_the_alert_once_and_the_broadcast_keeps_its_code(
    flow: Flow, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def mailed_nobody(_rest: OptimizelyRest, _campaign: int) -> SmartCampaignReport:
        return SmartCampaignReport(recipients_total=0, skipped=0, in_queue=0)

    monkeypatch.setattr(OptimizelyRest, "get_report", mailed_nobody)
    key = flow.run(flow.order(recipients=20)).key
    offered = f"you can: bridge broadcast acknowledge {key}"
    assert f"bridge broadcast acknowledge {key}" in alerts(flow)[key]
    assert offered in command("broadcast", "show", key).output
    assert command("broadcast", "acknowledge", key).exit_code == 0
    assert alerts(flow) == {}
    shown = command("broadcast", "show", key)
    assert offered not in shown.output
    assert "sent-short" in shown.output
    assert "acknowledged by an operator" in shown.output
    with pytest.raises(IllegalTransition):
        acknowledge(flow.bridge, key, owner="a test")


def test_a_report_that_was_behind_clears_the_alert_once_it_agrees(alone: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    report = OptimizelyRest.get_report

    def behind(_rest: OptimizelyRest, _campaign: int) -> SmartCampaignReport:
        return SmartCampaignReport(recipients_total=1, skipped=0, in_queue=0)

    monkeypatch.setattr(OptimizelyRest, "get_report", behind)
    broadcast = run_with(alone, [], IMPORT_JOB)
    assert broadcast.key in alerts(alone)
    monkeypatch.setattr(OptimizelyRest, "get_report", report)
    alone.collect_responses()
    compare_reports(alone.bridge)
    assert alerts(alone) == {}
