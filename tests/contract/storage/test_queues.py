"""Queues: a message is ids in base64 JSON, as the triggers expect it."""

import base64
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient, QueueServiceClient

from shared.config.settings import Settings
from shared.errors import StorageUnavailable
from shared.storage.account import queue_service
from shared.storage.queues import Queues


def waiting(queues: QueueServiceClient, name: str) -> list[Any]:
    """The messages that are visible now."""
    with queues.get_queue_client(name) as client:
        return list(client.peek_messages(32))


def body(message: Any) -> Any:
    return json.loads(base64.b64decode(message.content, validate=True))


def count(queues: QueueServiceClient, name: str) -> int:
    """All messages, visible or not."""
    with queues.get_queue_client(name) as client:
        return client.get_queue_properties().approximate_message_count or 0


def test_the_body_of_a_message_is_json_in_base64(queues: QueueServiceClient, new_name: str) -> None:
    Queues(queues).send(new_name, {"broadcast": "J1-00000000", "response_file": 7, "name": "ä<&>"})
    (message,) = waiting(queues, new_name)
    assert body(message) == {"broadcast": "J1-00000000", "response_file": 7, "name": "ä<&>"}


def test_a_queue_that_is_not_there_is_created_and_its_message_sent(queues: QueueServiceClient, new_name: str) -> None:
    for number in range(3):
        Queues(queues).send(new_name, {"number": number})
    assert [body(message)["number"] for message in waiting(queues, new_name)] == [0, 1, 2]


def test_senders_that_create_a_queue_at_once_all_send(queues: QueueServiceClient, new_name: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: Queues(queues).send(new_name, {"number": number}), range(6)))
    assert sorted(body(message)["number"] for message in waiting(queues, new_name)) == list(range(6))


def test_a_message_with_a_delay_stays_invisible_that_long(queues: QueueServiceClient, new_name: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    Queues(queues).send(new_name, {"number": 1}, delay=timedelta(minutes=5))
    assert waiting(queues, new_name) == []
    assert count(queues, new_name) == 1
    visible = _next_visible(queues, new_name)
    assert before + timedelta(minutes=5) <= visible <= datetime.now(UTC) + timedelta(minutes=5, seconds=1)


def _next_visible(queues: QueueServiceClient, name: str) -> datetime:
    """When the delayed message becomes visible, as the answer to the same call says."""
    sent: list[Any] = []
    with queues.get_queue_client(name) as client:
        sent.append(client.send_message("x", visibility_timeout=300))
    return datetime.fromisoformat(str(sent[0].next_visible_on))


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (timedelta(), 0),
        (timedelta(seconds=-5), 0),
        (timedelta(milliseconds=400), 0),
        (timedelta(seconds=29, milliseconds=900), 30),
        (timedelta(days=7), 604_800),
    ],
    ids=str,
)
def test_a_delay_is_given_in_whole_seconds_and_never_below_none(
    queues: QueueServiceClient, new_name: str, monkeypatch: pytest.MonkeyPatch, delay: timedelta, seconds: int
) -> None:
    given: list[int] = []
    send = QueueClient.send_message

    def record(self: QueueClient, *args: Any, **more: Any) -> Any:
        given.append(more["visibility_timeout"])
        return send(self, *args, **more)

    Queues(queues).send(new_name, {"number": 0})
    monkeypatch.setattr(QueueClient, "send_message", record)
    Queues(queues).send(new_name, {"number": 1}, delay=delay)
    assert given == [seconds]
    assert count(queues, new_name) == 2


def test_a_delay_that_queues_do_not_offer_is_an_error_of_the_catalogue(
    queues: QueueServiceClient, new_name: str
) -> None:
    with pytest.raises(StorageUnavailable):
        Queues(queues).send(new_name, {"number": 1}, delay=timedelta(days=8))


def test_a_queue_that_cannot_be_created_is_an_error_of_the_catalogue(
    queues: QueueServiceClient, new_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise HttpResponseError("the queue is being deleted")

    monkeypatch.setattr(QueueClient, "create_queue", refuse)
    with pytest.raises(StorageUnavailable) as caught:
        Queues(queues).send(new_name, {"number": 1})
    assert caught.value.fields() == {"operation": "send a message", "reason": "HttpResponseError"}


def test_an_account_that_cannot_be_reached_is_a_passing_error_long_before_a_lease_runs_out(
    unreachable: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with queue_service(unreachable) as service, pytest.raises(StorageUnavailable) as caught:
        Queues(service).send("upload-list", {"broadcast": "J1-00000000"})
    assert caught.value.fields() == {"operation": "send a message", "reason": "ServiceRequestError"}
    assert "J1" not in str(caught.value)
    assert len(pauses) == 3, "it is tried four times"
    assert sum(pauses) < Settings.model_fields["lease_seconds"].default / 2


def test_a_bridge_can_be_shared_between_threads(queues: QueueServiceClient, new_name: str) -> None:
    shared: Callable[..., None] = Queues(queues).send
    shared(new_name, {"number": 0})
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: shared(new_name, {"number": number}), range(1, 20)))
    assert count(queues, new_name) == 20
