"""The functions of the app, indexed by the worker library of Azure, have exactly the bindings that are meant."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
#: The worker library keeps one app a process, so it is asked in a process of its own.
ASK = """
import asyncio, json, os, pathlib
os.environ["PYTHON_THREADPOOL_THREAD_COUNT"] = "1"
from local.host.worker import Worker
worker = asyncio.run(Worker.start(pathlib.Path.cwd()))
print(json.dumps({function.name: function.bindings for function in worker.functions}))
worker.stop()
"""


@pytest.fixture(scope="module")
def indexed() -> dict[str, list[dict[str, Any]]]:
    ended = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    found: dict[str, list[dict[str, Any]]] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_there_are_the_functions_of_the_map_the_status_the_channel_and_the_health(indexed: dict[str, Any]) -> None:
    assert set(indexed) == {
        "poll_jobs",
        "upload_list",
        "monitor_import",
        "gather_responses",
        "load_responses",
        "housekeeping",
        "draw_suppressions",
        "status",
        "peoplestage",
        "health",
    }


@pytest.mark.parametrize("name", ["poll_jobs", "gather_responses", "housekeeping", "draw_suppressions"])
def test_timers_have_their_schedule_from_a_setting(indexed: dict[str, Any], name: str) -> None:
    (binding,) = indexed[name]
    assert binding["type"] == "timerTrigger"
    assert binding["schedule"] == f"%{name.upper()}_SCHEDULE%"
    assert not binding.get("runOnStartup")


@pytest.mark.parametrize("name", ["upload_list", "monitor_import", "load_responses"])
def test_queue_functions_have_their_queue_from_a_setting(indexed: dict[str, Any], name: str) -> None:
    (binding,) = indexed[name]
    assert binding["type"] == "queueTrigger"
    assert binding["queueName"] == f"%{name.upper()}_QUEUE%"
    assert binding["connection"] == "AzureWebJobsStorage"


def test_the_status_asks_for_a_key(indexed: dict[str, Any]) -> None:
    trigger, answer = sorted(indexed["status"], key=lambda binding: str(binding["direction"]))
    assert {trigger["type"], answer["type"]} == {"httpTrigger", "http"}
    trigger = trigger if trigger["type"] == "httpTrigger" else answer
    assert trigger["route"] == "status"
    assert [str(method).upper() for method in trigger["methods"]] == ["GET"]
    assert str(trigger["authLevel"]).upper() == "FUNCTION"


def test_anybody_may_ask_for_the_health(indexed: dict[str, Any]) -> None:
    (trigger,) = (binding for binding in indexed["health"] if binding["type"] == "httpTrigger")
    assert trigger["route"] == "health"
    assert [str(method).upper() for method in trigger["methods"]] == ["GET"]
    assert str(trigger["authLevel"]).upper() == "ANONYMOUS"


def test_the_slots_of_the_channel_ask_for_a_key(indexed: dict[str, Any]) -> None:
    (trigger,) = (binding for binding in indexed["peoplestage"] if binding["type"] == "httpTrigger")
    assert trigger["route"] == "peoplestage/{slot}"
    assert [str(method).upper() for method in trigger["methods"]] == ["POST"]
    assert str(trigger["authLevel"]).upper() == "FUNCTION"


def test_each_function_is_a_few_lines() -> None:
    import ast  # noqa: PLC0415

    tree = ast.parse((ROOT / "function_app.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
    assert all(len(node.body) <= 3 for node in functions)
