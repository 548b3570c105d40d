"""The timer trigger fires on schedule, on one host at a time, and makes up for a missed firing."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.host.conftest import Hosts, until

NEVER = "0001-01-01T00:00:00+00:00"


def new_year(year: int) -> str:
    return f"{year}-01-01T00:00:00+00:00"


def write_status(hosts: Hosts, function: str, *, last: str, following: str) -> None:
    hosts.status_blob(function).upload_blob(json.dumps({"Last": last, "Next": following, "LastUpdated": last}))


def read_status(hosts: Hosts, function: str) -> dict[str, str]:
    status: dict[str, str] = json.loads(hosts.status_blob(function).download_blob().readall())
    return status


def wait_for_next(hosts: Hosts, function: str, following: str) -> None:
    """Until a timer's host has stored when it fires next; each timer gets its lock in its own time."""

    def is_stored() -> bool:
        blob = hosts.status_blob(function)
        status = json.loads(blob.download_blob().readall()) if blob.exists() else None
        return isinstance(status, dict) and status["Next"] == following

    until(is_stored, f"the next firing of {function} is stored")


def test_a_timer_fires_on_schedule(running: Hosts) -> None:
    until(lambda: len(running.records("tick")) >= 4, "four ticks")
    ticks = running.records("tick")
    assert not any(record["past_due"] for record in ticks)
    assert len(ticks) <= ticks[-1]["at"] - ticks[0]["at"] + 2, "once a second"
    assert not running.status_blob("tick").exists(), "a timer that fires so often is not monitored"


def test_a_timer_with_run_on_startup_fires_at_the_start_and_is_monitored(running: Hosts) -> None:
    until(lambda: bool(running.records("yearly")), "it ran at the start")
    (record,) = running.records("yearly")
    following = new_year(datetime.now(UTC).year + 1)
    assert not record["past_due"]
    assert (record["status"]["Last"], record["status"]["Next"]) == (NEVER, following), "it knew that it never ran"
    until(lambda: read_status(running, "yearly")["Last"] != NEVER, "the firing is noted")
    status = read_status(running, "yearly")
    assert status["Next"] == following
    assert datetime.now(UTC) - datetime.fromisoformat(status["Last"]) < timedelta(minutes=5)


def test_a_timer_that_is_not_due_waits(running: Hosts) -> None:
    until(lambda: len(running.records("tick")) >= 2, "the host is at work")
    wait_for_next(running, "patient", new_year(datetime.now(UTC).year + 1))
    assert running.records("patient") == []


def test_a_firing_that_was_missed_is_made_up_for_once_even_if_the_host_is_stopped_meanwhile(hosts: Hosts) -> None:
    write_status(hosts, "patient", last=new_year(2020), following=new_year(2021))
    (hosts.folder / "hold-timer").touch()
    first, ready = hosts.start("first")
    until(lambda: bool(hosts.records("patient")), "it is made up for")
    (record,) = hosts.records("patient")
    assert record["past_due"]
    assert record["status"]["Next"] == new_year(2021)
    os.kill(ready["pid"], signal.SIGTERM)
    until(lambda: "lets running invocations finish" in first.log.read_text(), "it heard")
    (hosts.folder / "hold-timer").unlink()
    until(lambda: first.ended() is not None, "it stopped")
    hosts.start("second")
    ticks = len(hosts.records("tick"))
    until(lambda: len(hosts.records("tick")) >= ticks + 2, "the second host is at work")
    assert len(hosts.records("patient")) == 1


def test_a_schedule_that_was_changed_is_not_past_due(hosts: Hosts) -> None:
    write_status(hosts, "patient", last=new_year(2020), following="2020-06-01T00:00:00+00:00")
    hosts.start()
    until(lambda: len(hosts.records("tick")) >= 2, "the host is at work")
    wait_for_next(hosts, "patient", new_year(datetime.now(UTC).year + 1))
    assert hosts.records("patient") == []


def test_an_unreadable_status_is_replaced(hosts: Hosts) -> None:
    hosts.status_blob("patient").upload_blob(b"[]")
    process, _ = hosts.start()
    until(lambda: len(hosts.records("tick")) >= 2, "the host is at work")
    wait_for_next(hosts, "patient", new_year(datetime.now(UTC).year + 1))
    assert process.ended() is None


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stops", "dies"])
def test_of_two_hosts_one_fires_and_the_other_takes_over(hosts: Hosts, how: signal.Signals) -> None:
    _, ready = hosts.start("one")
    until(lambda: bool(hosts.records("tick")), "the first host fires")
    _, two = hosts.start("two")
    ticks = len(hosts.records("tick"))
    until(lambda: len(hosts.records("tick")) >= ticks + 4, "some more ticks")
    assert {record["pid"] for record in hosts.records("tick")} == {ready["pid"]}
    os.kill(ready["pid"], how)
    until(lambda: any(record["pid"] == two["pid"] for record in hosts.records("tick")), "the other took over")
    fired = hosts.records("tick")
    assert len(fired) <= fired[-1]["at"] - fired[0]["at"] + 2, "no more often than once a second"
    # Each timer has a lock of its own.
    until(lambda: len(hosts.records("yearly")) == 2, "what runs on startup runs when a host takes over, as in Azure")
