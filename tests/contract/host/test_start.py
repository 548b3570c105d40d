"""A host that cannot start says why and ends with status 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.contract.host.conftest import APP, Hosts


def run(hosts: Hosts, *arguments: str, without: str = "") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in {**os.environ, **hosts.environment()}.items() if name != without}
    return subprocess.run(
        [sys.executable, "-m", "local.host", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_missing_setting_is_named_with_its_function_and_binding(hosts: Hosts) -> None:
    ended = run(hosts, "--app", str(APP), without="APP_QUEUE")
    assert ended.returncode == 2
    assert "function work, binding message: the setting APP_QUEUE is missing" in ended.stdout


def test_an_app_that_cannot_be_imported_is_an_error_that_says_so(hosts: Hosts) -> None:
    ended = run(hosts, "--app", str(APP.parent / "broken_app"))
    assert ended.returncode == 2
    assert "no_such_module" in ended.stdout


def test_a_schedule_that_azure_does_not_take_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"Values": {"APP_TICK": "every minute"}}))
    ended = run(hosts, "--app", str(APP), "--settings", str(settings), without="APP_TICK")
    assert ended.returncode == 2
    assert "function tick" in ended.stdout
    assert "every minute" in ended.stdout


def test_without_storage_there_is_no_host(hosts: Hosts) -> None:
    ended = run(hosts, "--app", str(APP), without="AzureWebJobsStorage")
    assert ended.returncode == 2
    assert "AzureWebJobsStorage is missing" in ended.stdout
