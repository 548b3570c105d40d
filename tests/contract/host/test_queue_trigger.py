"""The queue trigger has the semantics of the storage extension."""

import base64
import json
import os
import signal
from collections import Counter

from azure.core.exceptions import ResourceNotFoundError

from tests.contract.host.conftest import Hosts, until


def poisoned(hosts: Hosts) -> list[str]:
    try:
        return [str(message.content) for message in hosts.poison.peek_messages(max_messages=32)]
    except ResourceNotFoundError:
        return []


def test_a_message_runs_its_function_once_and_is_deleted(hosts: Hosts) -> None:
    hosts.start()
    hosts.send(id=1)
    until(hosts.is_empty, "the message is deleted")
    assert [(one["begun"], one["count"]) for one in hosts.records("begun")] == [(1, 1)]


def test_a_message_that_fails_comes_again_and_ends_in_the_poison_queue(hosts: Hosts) -> None:
    process, _ = hosts.start()
    hosts.send(id=1, fails=True)
    until(lambda: len(poisoned(hosts)) == 1, "the message is poison")
    assert [one["count"] for one in hosts.records("begun")] == [1, 2, 3]
    assert json.loads(base64.b64decode(poisoned(hosts)[0])) == {"id": 1, "fails": True}
    until(hosts.is_empty, "the queue is empty")
    assert "somebody@example.org" not in process.log.read_text()


def test_a_message_that_is_not_base64_ends_in_the_poison_queue_without_running(hosts: Hosts) -> None:
    hosts.start()
    hosts.raw.send_message("not base64!")
    until(lambda: poisoned(hosts) == ["not base64!"], "the message is poison")
    assert hosts.records("begun") == []


def test_no_more_run_at_once_than_batch_size_and_threshold_allow(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    for number in range(10):
        hosts.send(id=number, held=True)
    process, _ = hosts.start()
    until(lambda: len(hosts.records("begun")) >= 2, "some run")
    until(lambda: len(hosts.records("tick")) >= 3, "the host had time to take more")
    assert len(hosts.records("begun")) <= 3
    (hosts.folder / "hold").unlink()
    until(lambda: len(hosts.records("ended")) == 10, "all ran")
    assert process.ended() is None


def test_a_host_that_is_told_to_stop_lets_its_functions_finish(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    hosts.send(id=1, held=True)
    process, ready = hosts.start()
    until(lambda: bool(hosts.records("begun")), "it runs")
    os.kill(ready["pid"], signal.SIGTERM)
    until(lambda: "lets invocations finish" in process.log.read_text(), "it heard")
    (hosts.folder / "hold").unlink()
    until(lambda: process.ended() is not None, "it stopped")
    assert process.ended() == "ended with exit code 0"
    assert [one["ended"] for one in hosts.records("ended")] == [1]
    assert hosts.is_empty()


def test_two_hosts_share_the_messages_and_each_runs_once(hosts: Hosts) -> None:
    hosts.start("one")
    hosts.start("two")
    for number in range(30):
        hosts.send(id=number)
    until(hosts.is_empty, "the queue is empty")
    assert Counter(one["ended"] for one in hosts.records("ended")) == Counter(range(30))
