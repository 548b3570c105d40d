"""Alerts: raised once, active until their cause is over."""

import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import update

from shared.database.connections import Database
from shared.ledger.alerts import Alert, AlertKind, Alerts
from shared.ledger.tables import alert as table
from tests.clocks import MovableClock

GAP = AlertKind.REPORT_GAP
TEXT = "Responses are missing. Look at the SFTP site."


@pytest.fixture
def alerts(database: Database, clock: MovableClock) -> Alerts:
    return Alerts(database, clock)


def subjects(alerts: Alerts) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in alerts.active()]


def test_an_alert_is_raised_once_and_stands(
    alerts: Alerts, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    assert alerts.report(GAP, "J1", TEXT)
    raised_at = clock.now()
    clock.advance(hours=1)
    assert not alerts.report(GAP, "J1", "More are missing.")
    assert alerts.active() == [Alert(kind=GAP, subject="J1", text="More are missing.", raised_at=raised_at)]
    assert [one.message for one in caplog.records if one.levelno == logging.ERROR] == [TEXT]


def test_an_alert_that_only_a_later_version_knows_hides_no_other(alerts: Alerts, database: Database) -> None:
    for subject in ("J1", "J2"):
        alerts.report(GAP, subject, TEXT)
    with database.writing() as connection:
        connection.execute(update(table).where(table.c.subject == "J1").values(kind="of-tomorrow"))
    assert subjects(alerts) == [(GAP, "J2")]


def test_an_alert_that_is_over_can_be_raised_anew(alerts: Alerts, clock: MovableClock) -> None:
    alerts.report(GAP, "J1", TEXT)
    clock.advance(hours=1)
    assert alerts.clear(GAP, "J1")
    assert alerts.active() == []
    assert not alerts.clear(GAP, "J1")
    clock.advance(hours=1)
    assert alerts.report(GAP, "J1", TEXT)
    assert [one.raised_at for one in alerts.active()] == [clock.now()]


def test_alerts_are_distinguished_by_kind_and_subject(alerts: Alerts, clock: MovableClock) -> None:
    for kind, subject in ((GAP, "J1"), (GAP, "J2"), (AlertKind.NO_RESPONSE_FILE, "J1")):
        assert alerts.report(kind, subject, TEXT)
    clock.advance(minutes=1)
    assert alerts.clear_others(GAP, {"J2"}) == 1
    assert subjects(alerts) == [(AlertKind.NO_RESPONSE_FILE, "J1"), (GAP, "J2")]


def test_what_two_find_at_once_is_raised_once(open_database: Callable[[], Database], clock: MovableClock) -> None:
    several = [Alerts(open_database(), clock) for _ in range(4)]
    together, raised = threading.Barrier(len(several)), list[bool]()

    def find(alerts: Alerts) -> None:
        together.wait()
        raised.append(alerts.report(GAP, "J1", TEXT))

    threads = [threading.Thread(target=find, args=(alerts,)) for alerts in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(raised) == [False, False, False, True]
    assert subjects(several[0]) == [(GAP, "J1")]


def test_a_text_that_is_too_long_is_cut(alerts: Alerts) -> None:
    alerts.report(GAP, "J1", "x" * 5000)
    assert [len(one.text) for one in alerts.active()] == [2000]
