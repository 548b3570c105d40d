"""The queue trigger has the semantics of the storage extension."""

import base64
import json
import os
import signal
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest

from tests.contract.host.conftest import Hosts, until


def text_of(content: str) -> str:
    return base64.b64decode(content).decode()


def test_a_message_runs_its_function_once_and_is_deleted(running: Hosts) -> None:
    message = running.send(id=1)
    until(running.is_empty, "the message is deleted")
    (seen,) = running.begun(1)
    assert (seen["message"], seen["count"], seen["receipt"]) == (message, 1, True)


def test_a_function_receives_insertion_visibility_and_expiration_time_of_its_message(running: Hosts) -> None:
    running.send(id=2)
    until(lambda: bool(running.begun(2)), "it runs")
    (seen,) = running.begun(2)
    times = [datetime.fromisoformat(seen[name]) for name in ("insertion_time", "time_next_visible", "expiration_time")]
    inserted, visible, expires = times
    assert all(moment.utcoffset() is not None for moment in times)
    assert 599 <= (visible - inserted).total_seconds() <= 660  # ten minutes, as in Azure
    assert (expires - inserted).days == 7


def test_a_failing_message_is_retried_after_a_while_and_ends_in_the_poison_queue(running: Hosts) -> None:
    running.send(id=3, fails=True)
    until(
        lambda: {"id": 3, "fails": True} in [json.loads(text_of(message)) for message in running.contents("-poison")],
        "poison",
    )
    tries = running.begun(3)
    assert [record["count"] for record in tries] == [1, 2, 3]
    pauses = [later["at"] - earlier["at"] for earlier, later in pairwise(tries)]
    assert all(pause >= 0.9 for pause in pauses), "host.json asks for a second between two tries"
    until(running.is_empty, "the queue is empty")


@pytest.mark.parametrize("content", ["not base64!", base64.b64encode(b"\xff\xfe").decode()], ids=["base64", "utf-8"])
def test_a_message_in_another_encoding_goes_to_the_poison_queue_without_running(running: Hosts, content: str) -> None:
    begun = len(running.records("begun"))
    running.queue().send_message(content)
    until(lambda: content in running.contents("-poison"), "the message is poison, as it was")
    assert len(running.records("begun")) == begun


def test_a_message_delivered_too_many_times_goes_to_the_poison_queue_without_running(hosts: Hosts) -> None:
    hosts.send(id=1)
    for _ in range(3):
        message = hosts.queue().receive_message(visibility_timeout=1)
        assert message is not None
        hosts.queue().update_message(message.id, message.pop_receipt, visibility_timeout=0)
    hosts.start()
    until(lambda: len(hosts.contents("-poison")) == 1, "the message is poison")
    assert hosts.records("begun") == []


def test_no_more_run_at_once_than_batch_size_and_threshold_allow(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    for number in range(10):
        hosts.send(id=number, held=True)
    process, _ = hosts.start()
    until(lambda: len(hosts.records("begun")) >= 2, "some run")
    until(lambda: len(hosts.records("tick")) >= 3, "the host had time to take more")
    assert len(hosts.records("begun")) == 2, "the batch is two, and more are taken when one or none is left"
    (hosts.folder / "hold").unlink()
    until(lambda: len(hosts.records("ended")) == 10, "all ran")
    assert process.ended() is None
    running, most = 0, 0
    for record in sorted([*hosts.records("begun"), *hosts.records("ended")], key=lambda record: record["at"]):
        running += 1 if "begun" in record else -1
        most = max(most, running)
    assert most <= 3


def test_messages_can_be_unencoded(hosts: Hosts) -> None:
    hosts.with_host_json(queues={"messageEncoding": "none", "maxPollingInterval": "00:00:01", "maxDequeueCount": 1})
    hosts.start()
    hosts.queue().send_message(json.dumps({"id": 1}))
    hosts.queue("-async").send_message(json.dumps({"id": 2}))
    hosts.queue().send_message(json.dumps({"id": 3, "fails": True}))
    until(lambda: [record["ended"] for record in hosts.records("ended")] == [1], "it ran")
    until(lambda: hosts.contents("-returned") == ["asynchronous ä 2"], "what it returned is not encoded either")
    until(lambda: len(hosts.contents("-poison")) == 1, "nor is poison")
    assert json.loads(hosts.contents("-poison")[0]) == {"id": 3, "fails": True}


def test_a_return_value_is_sent_to_a_queue_that_is_created_for_it(running: Hosts) -> None:
    running.send("-async", id=4)
    until(lambda: bool(running.contents("-returned")), "it is there")
    assert [text_of(message) for message in running.contents("-returned")] == ["asynchronous ä 4"]


def test_output_bindings_send_messages_when_the_function_succeeds(running: Hosts) -> None:
    running.send("-in", id=5, fails=True)
    until(lambda: bool(running.contents("-in-poison")), "it failed")
    running.send("-in", id=6)
    until(lambda: len(running.contents("-several")) == 2, "both are there")
    until(lambda: len(running.contents("-one")) == 1, "and the one")
    assert sorted(text_of(message) for message in running.contents("-several")) == ["6-first", '{"second": 6}']
    assert [text_of(message) for message in running.contents("-one")] == ["one-6"]


def test_the_log_names_functions_messages_and_errors_and_no_content(running: Hosts) -> None:
    message = running.send(id=7, fails=True)
    until(lambda: len(running.begun(7)) == 3, "it failed")
    until(running.is_empty, "it is settled")
    log = (running.folder / "host.log").read_text()
    assert f"work started (message {message}, delivery 1)." in log
    assert f"Message {message} of {running.tag} has failed too many times; moving it to {running.tag}-poison." in log
    assert "ValueError at " in log
    assert "function_app.py:" in log
    assert "somebody@example.org" not in log
    assert "fails" not in log


def test_a_stopping_host_receives_no_more_messages_and_lets_its_functions_finish(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    hosts.send(id=1, held=True)
    process, ready = hosts.start()
    until(lambda: bool(hosts.records("begun")), "it runs")
    os.kill(ready["pid"], signal.SIGTERM)
    until(lambda: "lets running invocations finish" in process.log.read_text(), "it heard")
    hosts.send(id=2)
    (hosts.folder / "hold").unlink()
    until(lambda: process.ended() is not None, "it stopped")
    assert process.ended() == "ended with exit code 0"
    assert [record["ended"] for record in hosts.records("ended")] == [1]
    assert hosts.queue().get_queue_properties().approximate_message_count == 1, "the second message is still there"


def test_a_function_that_does_not_finish_does_not_keep_the_host_from_stopping(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    hosts.send(id=1, held=True)
    process, ready = hosts.start("host", "--finish-seconds", "0.5")
    until(lambda: bool(hosts.records("begun")), "it runs")
    os.kill(ready["pid"], signal.SIGINT)
    began = time.monotonic()
    until(lambda: process.ended() is not None, "it stopped")
    assert time.monotonic() - began < 10
    assert process.ended() == "ended with exit code 0"
    assert hosts.records("ended") == []
    assert not hosts.is_empty(), "the message comes again"


def test_two_hosts_share_the_messages_and_each_runs_once(hosts: Hosts) -> None:
    (hosts.folder / "hold").touch()
    hosts.start("one")
    hosts.start("two")
    for number in range(12):
        hosts.send(id=number, held=True)
    until(lambda: len({record["pid"] for record in hosts.records("begun")}) == 2, "both work")
    (hosts.folder / "hold").unlink()
    until(hosts.is_empty, "the queue is empty")
    assert Counter(record["ended"] for record in hosts.records("ended")) == Counter(range(12))
