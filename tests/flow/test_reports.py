"""What is loaded beside what the reports of Smart Campaigns show."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import Result

from shared.errors import BridgeError, OptimizelyRefused, OptimizelyUnavailable
from shared.ledger.alerts import AlertKind
from shared.ledger.responses import counts as response_counts
from shared.operations.responses import add_file, load_again
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.optimizely.rest.client import OptimizelyRest
from shared.steps.chores.compare_reports import DAYS, compare_reports
from shared.steps.housekeeping import housekeeping
from shared.web.status import status
from tests.flow.harness import Flow


def gap_alerts(flow: Flow) -> list[str]:
    return [one.text for one in flow.bridge.ledger.alerts.active() if one.kind is AlertKind.REPORT_GAP]


def load_one_more(flow: Flow, key: str, number: int) -> None:
    """One more response of the broadcast, in a file of its own."""
    file = Path(flow.folder, f"Response-more-{number}.csv")
    file.write_text(
        f"Urn;BroadcastKey;MessageType;EventTriggeredDate\n1;{key};Complaint;01.03.2026 12:{number:02}\n", "utf-8"
    )
    assert load_again(flow.bridge, add_file(flow.bridge, file).id) is not None


def test_every_load_is_compared_with_the_report_and_the_two_agree(alone: Flow) -> None:
    flow = alone
    broadcast = flow.run(flow.order(recipients=90))
    assert status(flow.bridge)["broadcasts"][0]["responses"] is None
    flow.collect_responses()
    housekeeping(flow.bridge)

    shown = json.loads(json.dumps(status(flow.bridge)))["broadcasts"][0]["responses"]

    assert shown["error_code"] is None
    assert datetime.fromisoformat(shown["compared_at"]).tzinfo is UTC
    assert shown["loaded"] == flow.campaign(broadcast)["events_by_type"]
    assert set(shown["reported"]) == {"Send", "Open", "Click", "Bounce", "Unsubscription"}
    assert {kind: shown["loaded"].get(kind, 0) for kind in shown["reported"]} == shown["reported"]
    assert (compare_reports(flow.bridge), gap_alerts(flow)) == (0, [])  # nothing was loaded since


def test_responses_that_find_their_broadcast_later_are_counted_then(alone: Flow) -> None:
    flow = alone
    job_id = flow.order(recipients=20)
    flow.poll()
    key = flow.broadcast(job_id).key
    load_one_more(flow, key, 1)
    assert response_counts.of_broadcasts(flow.bridge.ledger.database, [flow.broadcast(job_id).id]) == {}
    broadcast = flow.run(job_id)
    housekeeping(flow.bridge)
    load_one_more(flow, key, 2)
    found = response_counts.of_broadcasts(flow.bridge.ledger.database, [broadcast.id])[broadcast.id]
    assert found.loaded == {"Complaint": 2}
    assert compare_reports(flow.bridge) == 1


def test_a_gap_that_grows_day_after_day_is_reported_until_it_does_not_any_more(
    alone: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = alone
    broadcast = flow.run(flow.order(recipients=30))
    flow.collect_responses()
    missing = 0
    report = OptimizelyRest.get_report

    def ahead(rest: OptimizelyRest, campaign_id: int) -> SmartCampaignReport:
        result = report(rest, campaign_id)
        # Nobody ever gets a file of unsubscriptions here.
        return replace(result, opens_total=(result.opens_total or 0) + missing, unsubscribes=10 * missing)

    monkeypatch.setattr(OptimizelyRest, "get_report", ahead)
    monkeypatch.setattr(response_counts, "types_ever_loaded", lambda _database: {"Open", "Send"})
    assert compare_reports(flow.bridge) == 1
    for day in range(1, DAYS + 1):
        assert gap_alerts(flow) == []
        flow.clock.ahead = timedelta(days=day)
        missing += 5
        for file in range(2):  # however many files a day has
            load_one_more(flow, broadcast.key, 2 * day + file)
            assert compare_reports(flow.bridge) == 1
    (text,) = gap_alerts(flow)
    assert broadcast.key in text
    assert "Open" in text
    assert "Unsubscription" not in text
    # Nothing is loaded any more, and yet it is looked at again: the gap grows on, and then it does not.
    assert compare_reports(flow.bridge) == 0
    flow.clock.advance(days=1)
    missing += 5
    assert (compare_reports(flow.bridge), len(gap_alerts(flow))) == (1, 1)
    flow.clock.advance(days=1)
    assert (compare_reports(flow.bridge), gap_alerts(flow)) == (1, [])
    flow.clock.advance(days=1)
    assert compare_reports(flow.bridge) == 0


def test_a_gap_that_is_new_is_checked_on_the_next_day_though_nothing_is_loaded(
    alone: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = alone
    flow.run(flow.order(recipients=30))
    flow.collect_responses()
    missing = 5
    report = OptimizelyRest.get_report

    def ahead(rest: OptimizelyRest, campaign_id: int) -> SmartCampaignReport:
        result = report(rest, campaign_id)
        return replace(result, opens_total=(result.opens_total or 0) + missing)

    monkeypatch.setattr(OptimizelyRest, "get_report", ahead)
    assert (compare_reports(flow.bridge), compare_reports(flow.bridge)) == (1, 0)
    for _ in range(DAYS):
        assert gap_alerts(flow) == []
        flow.clock.advance(days=1)
        missing += 5
        assert compare_reports(flow.bridge) == 1
    assert len(gap_alerts(flow)) == 1


@pytest.mark.parametrize(
    ("error", "due_again"),
    [
        (OptimizelyRefused(operation="getReport_1", status=404), False),
        (OptimizelyUnavailable(operation="getReport_1", reason="status 503"), True),
    ],
)
def test_a_report_that_does_not_come_is_asked_for_again_where_that_can_help(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, error: BridgeError, *, due_again: bool
) -> None:
    def refuse(_rest: OptimizelyRest, _campaign_id: int) -> SmartCampaignReport:
        raise error

    broadcast = flow.run(flow.order(recipients=30))
    load_one_more(flow, broadcast.key, 1)
    monkeypatch.setattr(OptimizelyRest, "get_report", refuse)
    assert compare_reports(flow.bridge) == 0
    database = flow.bridge.ledger.database
    found = response_counts.of_broadcasts(database, [broadcast.id])[broadcast.id]
    assert (found.compared_at, found.error_code) == (None, error.code)
    assert response_counts.due(database, 9, now=datetime.now(UTC)) == []  # not at once
    later = datetime.now(UTC) + timedelta(hours=1)
    assert [one for one, _ in response_counts.due(database, 9, now=later)] == [broadcast.id] * due_again


def test_the_command_shows_both_numbers(flow: Flow, command: Callable[..., Result]) -> None:
    broadcast = flow.run(flow.order(recipients=30))
    load_one_more(flow, broadcast.key, 1)
    compare_reports(flow.bridge)
    shown = command("broadcast", "show", broadcast.key).stdout
    assert "responses Complaint: 1 loaded\n" in shown
    assert f"responses Send: 0 loaded, {broadcast.sent} in the report of " in shown
