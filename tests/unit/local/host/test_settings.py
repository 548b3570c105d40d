"""Configuration of the host: settings, host.json, bindings."""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.host.queue_trigger import QueueOptions, poison_queue_name
from local.host.settings import HostError, load_settings, resolve


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"HERE": "from outside"})


def test_values_become_settings_and_the_environment_takes_precedence(tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text("\ufeff" + json.dumps({"IsEncrypted": False, "Values": {"HERE": "file", "NEW": "ä", "NUMBER": 7}}))
    load_settings(file)
    assert {name: os.environ[name] for name in ("HERE", "NEW", "NUMBER")} == {
        "HERE": "from outside",
        "NEW": "ä",
        "NUMBER": "7",
    }


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is not a JSON object"),
        ('{"IsEncrypted": true, "Values": {}}', "is encrypted"),
    ],
)
def test_a_settings_file_that_cannot_be_used_is_an_error(tmp_path: Path, content: str | None, complaint: str) -> None:
    file = tmp_path / "local.settings.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(HostError, match=complaint):
        load_settings(file)


def test_settings_replace_their_names_in_bindings() -> None:
    binding = {"name": "message", "queueName": "%HERE%-%HERE%", "runOnStartup": True, "route": "100% sure"}
    assert resolve("work", binding) == {**binding, "queueName": "from outside-from outside"}


def test_a_missing_setting_is_named_with_function_and_binding() -> None:
    with pytest.raises(HostError, match=r"^function work, binding message: the setting QUEUE is missing$"):
        resolve("work", {"name": "message", "queueName": "%QUEUE%"})


def queues(**options: Any) -> QueueOptions:
    return QueueOptions.from_host_json({"extensions": {"queues": options}})


def test_queue_options_have_the_defaults_of_the_extension() -> None:
    assert QueueOptions.from_host_json({"version": "2.0"}) == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        visibility_timeout=timedelta(),
        max_dequeue_count=5,
        max_polling_interval=timedelta(minutes=1),
        base64_encoded=True,
    )
    assert queues(batchSize=5).new_batch_threshold == 2
    assert queues(newBatchThreshold=0).new_batch_threshold == 0
    assert not queues(messageEncoding="None").base64_encoded


@pytest.mark.parametrize(
    "options",
    [
        {"batchSize": 0},
        {"batchSize": 33},
        {"newBatchThreshold": -1},
        {"maxDequeueCount": 0},
        {"visibilityTimeout": "30"},
        {"maxPollingInterval": "24:00:00"},
        {"messageEncoding": "utf-8"},
    ],
)
def test_invalid_queue_options_are_an_error(options: dict[str, Any]) -> None:
    with pytest.raises(HostError, match=r"host\.json, extensions\.queues"):
        queues(**options)


def test_a_queue_has_a_poison_queue_unless_it_is_one_or_the_name_becomes_too_long() -> None:
    assert poison_queue_name("upload-list") == "upload-list-poison"
    assert poison_queue_name("upload-list-poison") is None
    assert poison_queue_name("q" * 56) == "q" * 56 + "-poison"
    assert poison_queue_name("q" * 57) is None
