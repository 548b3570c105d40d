"""The timer trigger fires on schedule, on one host at a time, and makes up for what was missed."""

import json
import os
import signal

from azure.storage.blob import BlobServiceClient

from tests.contract.host.conftest import Hosts, until


def write_status(hosts: Hosts, function: str, following: str) -> None:
    with BlobServiceClient.from_connection_string(hosts.connection) as service:
        container = service.get_container_client("azure-webjobs-hosts")
        if not container.exists():
            container.create_container()
        status = {"Last": "2020-01-01T00:00:00+00:00", "Next": following, "LastUpdated": "2020-01-01T00:00:00+00:00"}
        container.upload_blob(f"timers/{hosts.tag}/Host.Functions.{function}/status", json.dumps(status))


def test_a_timer_fires_on_schedule(hosts: Hosts) -> None:
    hosts.start()
    until(lambda: len(hosts.records("tick")) >= 3, "three ticks")
    assert not any(one["past_due"] for one in hosts.records("tick"))


def test_a_timer_that_runs_on_startup_does_and_one_that_does_not_waits(hosts: Hosts) -> None:
    hosts.start()
    until(lambda: bool(hosts.records("yearly")), "it ran at the start")
    until(lambda: len(hosts.records("tick")) >= 2, "the host is at work")
    assert [one["past_due"] for one in hosts.records("yearly")] == [False]
    assert hosts.records("patient") == []


def test_a_firing_that_was_missed_is_made_up_for_once(hosts: Hosts) -> None:
    write_status(hosts, "patient", "2021-01-01T00:00:00+00:00")
    first, _ = hosts.start("first")
    until(lambda: bool(hosts.records("patient")), "it is made up for")
    assert [one["past_due"] for one in hosts.records("patient")] == [True]
    first.stop()
    hosts.start("second")
    ticks = len(hosts.records("tick"))
    until(lambda: len(hosts.records("tick")) >= ticks + 2, "the second host is at work")
    assert len(hosts.records("patient")) == 1


def test_of_two_hosts_one_fires_and_the_other_takes_over_when_it_dies(hosts: Hosts) -> None:
    _, one = hosts.start("one")
    until(lambda: bool(hosts.records("tick")), "the first host fires")
    _, two = hosts.start("two")
    ticks = len(hosts.records("tick"))
    until(lambda: len(hosts.records("tick")) >= ticks + 4, "some more ticks")
    assert {record["pid"] for record in hosts.records("tick")} == {one["pid"]}
    os.kill(one["pid"], signal.SIGKILL)
    until(lambda: any(record["pid"] == two["pid"] for record in hosts.records("tick")), "the other took over")
