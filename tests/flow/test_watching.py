"""What is watched in Azure is really logged: by a broadcast's whole way, and by the app in a real host."""

import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.broadcast import State
from shared.config.version import version
from shared.errors import SettingsInvalid, StorageUnavailable
from shared.ledger.alerts import AlertKind
from shared.operations.responses import add_file, load_again
from shared.steps.chores.report_backlog import queues
from shared.steps.housekeeping import CHORES, housekeeping
from shared.telemetry import log
from shared.web.health import Health
from shared.web.status import status
from tests.clocks import MovableClock
from tests.flow.harness import Flow, app_host, until


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[dict[str, Any]]]:
    """The fields of every line with an action."""
    caplog.set_level(logging.INFO, logger=log.name)
    return lambda action: [one.__dict__ for one in caplog.records if one.__dict__.get("action") == action]


def test_a_broadcast_and_its_responses_show_their_figures(
    alone: Flow, logged: Callable[[str], list[dict[str, Any]]]
) -> None:
    broadcast = alone.run(alone.order(recipients=200))
    assert broadcast.rows is not None
    end = logged("end")[-1]
    assert (end["broadcast"], end["state"]) == (broadcast.key, State.CLOSED)
    assert (end["read"], end["uploaded"]) == (broadcast.rows.read, broadcast.rows.uploaded)
    assert (end["imported"], end["sent"]) == (broadcast.imported, broadcast.sent)
    rejects = [one for one in logged("rejects") if one["file"] == broadcast.request.delivery_file]
    assert {one["reason"]: one["rows"] for one in rejects} == alone.bridge.ledger.broadcasts.rejects(broadcast)
    alone.collect_responses()
    loads, totals = logged("load"), alone.bridge.ledger.response_files.totals()
    for name in ("read", "loaded", "known", "rejected", "unmatched"):
        assert sum(one[name] for one in loads) == totals[f"rows_{name}"]
    assert sum(one["rows"] for one in logged("responses")) == totals["rows_loaded"] > 0
    assert all(one["minutes"] >= 0 for one in logged("gather"))
    files = status(alone.bridge)["response_files"]
    assert files
    for one in files:
        ages = [datetime.fromisoformat(one[name]) for name in ("seen_at", "gathered_at", "loaded_at")]
        assert ages == sorted(ages)
        assert datetime.fromisoformat(one["modified"]).utcoffset() == timedelta()


def test_a_response_file_of_which_no_row_can_be_read_is_reported_as_one_that_failed(
    flow: Flow, logged: Callable[[str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    for name, dates in {
        "Response_some.csv": ("01.03.2026 12:30", "2026/03/01"),
        "Response_none.csv": ("x", "y"),
    }.items():
        path = tmp_path / name
        path.write_text("Urn;MessageType;EventTriggeredDate\n" + "".join(f"1;Open;{date}\n" for date in dates))
        load_again(flow.bridge, add_file(flow.bridge, path).id)
    (failed,) = logged("fail")
    assert (failed["file"], failed["code"]) == ("Response_none.csv", "response-file-rows")


def test_housekeeping_shows_what_is_under_way(flow: Flow, logged: Callable[[str], list[dict[str, Any]]]) -> None:
    job = flow.order()
    flow.poll()
    for number, queue in enumerate(queues(flow.bridge.settings).values(), start=1):
        for _ in range(number):
            flow.bridge.queues.send(f"{queue}-poison", {"broadcast": "J0-00000000"})
    flow.bridge.ledger.alerts.report(AlertKind.RESPONSE_FILE_LEFT, "Response-1.csv", "It grows.")
    housekeeping(flow.bridge)
    standing = logged("standing")[-1]
    assert (standing["claimed"], standing["claimed_oldest"]) == (1, flow.broadcast(job).key)
    assert [standing[f"poison_{name}"] for name in ("upload_list", "monitor_import", "load_responses")] == [1, 2, 3]
    stands = logged("alert-stands")[-1]
    assert (stands["alert"], stands["subject"]) == (AlertKind.RESPONSE_FILE_LEFT, "Response-1.csv")


def test_a_chore_that_fails_stops_no_other_and_is_reported_by_itself(
    flow: Flow, logged: Callable[[str], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def failing(name: str, error: Exception) -> Callable[[Any], None]:
        def chore(_: Any) -> None:
            done.append(name)
            raise error

        return chore

    for number, name in enumerate(CHORES):
        error = (
            ValueError("ann@example.com")
            if number % 2
            else StorageUnavailable(operation="list blobs", reason="AzureError")
        )
        monkeypatch.setitem(CHORES, name, failing(name, error))
    housekeeping(flow.bridge)
    assert done == list(CHORES)
    assert [line["chore"] for line in logged("housekeep-later")] == done[::2]
    assert [line["chore"] for line in logged("unexpected")] == done[1::2]
    assert "ann" not in "".join(str(line["args"]) for line in logged("unexpected"))


# Health


def test_a_bridge_that_can_work_is_healthy(flow: Flow) -> None:
    status, text = Health(lambda: flow.bridge).answer()
    assert status == 200
    checks = [{"check": name, "ok": True, "code": None} for name in ("start", "database", "storage")]
    assert json.loads(text) == {
        "ok": True,
        "checks": checks,
        "holds": [],
        "test_installation": False,
        "version": version(),
    }


def test_a_container_that_is_missing_is_reported_by_a_code_alone(flow: Flow) -> None:
    flow.bridge.lists._container.delete_container()
    status, text = Health(lambda: flow.bridge).answer()
    assert status == 503
    assert json.loads(text)["checks"][2] == {"check": "storage", "ok": False, "code": "storage-unavailable"}
    assert flow.bridge.lists.name not in text


def test_a_bridge_that_cannot_start_is_reported_by_a_code_alone() -> None:
    def start() -> Any:
        raise SettingsInvalid(reason="SFTP_HOST: Field required")

    status, text = Health(start).answer()
    assert status == 503
    assert json.loads(text) == {
        "ok": False,
        "checks": [{"check": "start", "ok": False, "code": "settings-invalid"}],
        "holds": [],
        "test_installation": False,
        "version": version(),
    }


def test_whatever_else_goes_wrong_is_reported_by_a_code_alone(caplog: pytest.LogCaptureFixture) -> None:
    def start() -> Any:
        raise ValueError("ann@example.com")

    status, text = Health(start).answer()
    assert (status, json.loads(text)["checks"][0]["code"]) == (503, "unexpected-error")
    assert "ann" not in text + caplog.text


def test_however_often_somebody_asks_the_parts_are_checked_every_twenty_seconds(flow: Flow) -> None:
    looks, clock = [0], MovableClock(datetime(2026, 3, 1, tzinfo=UTC))

    def start() -> Any:
        looks[0] += 1
        return flow.bridge

    health = Health(start, clock=clock)
    for at, looked in ((100.0, 1), (119.9, 1), (120.0, 2), (139.0, 2)):
        clock.ahead = timedelta(seconds=at)
        assert health.answer()[0] == 200
        assert looks[0] == looked


def test_while_one_call_looks_the_others_are_given_the_last_answer(flow: Flow) -> None:
    clock, within = MovableClock(datetime(2026, 3, 1, tzinfo=UTC)), list[tuple[int, str]]()

    def start() -> Any:
        if clock.ahead:
            within.append(health.answer())  # it would wait for itself for ever
        return flow.bridge

    health = Health(start, clock=clock)
    first = health.answer()
    clock.advance(seconds=60)
    health.answer()
    assert within == [first]


def asked(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_anybody_is_reported_the_health_of_the_app_and_its_lines_carry_their_fields(flow: Flow, tmp_path: Path) -> None:
    listening = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=none"}
    with app_host(flow, HOUSEKEEPING_SCHEDULE="*/1 * * * * *", **listening) as (host, url):
        status, body = asked(url)
        assert (status, body["ok"]) == (200, True)
        until(lambda: '{"action":"standing"' in host.log.read_text(), "housekeeping logs what is under way")
    found = re.findall(r"Under way: nothing\. (\{[^{}]*\})$", host.log.read_text(), flags=re.MULTILINE)
    assert json.loads(found[0])["needs_operator"] == 0
    with app_host(flow, RS_DB=f"sqlite:///{tmp_path}/new.db", WS_DB="") as (_, url):
        status, body = asked(url)
    assert status == 503
    assert body["checks"] == [{"check": "start", "ok": False, "code": "schema-out-of-date"}]
