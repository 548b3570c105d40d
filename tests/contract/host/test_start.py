"""A host starts, or reports why it cannot and ends with status 2."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.host.conftest import APP, Hosts


def run(hosts: Hosts, *options: str, app: Path = APP, **settings: str | None) -> str:
    """Run a host that cannot start. Returns: what it says."""
    environment = {**os.environ, **hosts.environment(), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "local.host", "--app", str(app), *options],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (2, "")
    return ended.stdout


def write_app(folder: Path, code: str, host_json: str = '{"version": "2.0"}') -> Path:
    (folder / "function_app.py").write_text("import azure.functions as func\napp = func.FunctionApp()\n" + code)
    (folder / "host.json").write_text(host_json)
    return folder


def test_the_ready_file_says_how_to_reach_the_host_and_is_for_its_owner_only(hosts: Hosts) -> None:
    process, ready = hosts.start()
    assert ready["pid"] == process.pid
    assert set(ready) == {"pid", "url", "functions", "master_key", "function_key"}
    assert {"work", "tick", "person"} < set(ready["functions"])
    assert stat.S_IMODE((hosts.folder / "host.json").stat().st_mode) == 0o600
    assert ready["master_key"] not in process.log.read_text()


def test_settings_are_read_from_the_file_and_the_environment_takes_precedence(hosts: Hosts, tmp_path: Path) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": {"APP_TICK": "from the file", "A": "1"}}))
    assert "the schedule 'from the file'" in run(hosts, "--settings", str(settings), APP_TICK=None)
    assert "the schedule 'from outside'" in run(hosts, "--settings", str(settings), APP_TICK="from outside")


def test_a_missing_setting_is_named_with_its_function_and_binding(hosts: Hosts) -> None:
    output = run(hosts, APP_TICK=None)
    assert "function tick, binding timer: the setting APP_TICK is missing" in output


def test_an_app_that_cannot_be_imported_is_an_error_that_says_so(hosts: Hosts) -> None:
    output = run(hosts, app=APP.parent / "broken_app")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in output
    assert "broken_app/function_app.py:3" in output
    assert "sys.path" not in output


def test_a_function_whose_parameters_do_not_fit_its_bindings_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    code = (
        "@app.timer_trigger(arg_name='timer', schedule='0 * * * * *')\ndef f(clock: func.TimerRequest) -> None: ...\n"
    )
    output = run(hosts, app=write_app(tmp_path, code))
    assert "cannot load the f function" in output
    assert "clock" in output


def test_an_app_without_functions_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    assert "there are no functions" in run(hosts, app=write_app(tmp_path, ""))


def test_an_unsupported_binding_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    code = (
        "@app.blob_trigger(arg_name='blob', path='a/b', connection='AzureWebJobsStorage')\n"
        "def f(blob: func.InputStream) -> None: ...\n"
    )
    assert "function f: this host does not support blobTrigger" in run(hosts, app=write_app(tmp_path, code))
    code = (
        "@app.route(route='r')\n"
        "@app.blob_output(arg_name='blob', path='a/b', connection='AzureWebJobsStorage')\n"
        "def f(req: func.HttpRequest, blob: func.Out[str]) -> str: ...\n"
    )
    assert "function f, binding blob: this host does not support blob bindings" in run(
        hosts, app=write_app(tmp_path, code)
    )


def test_an_invalid_schedule_or_route_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    output = run(hosts, APP_TICK="0 0 0 ? * *")
    assert "function tick: '?' is not a valid day in NCRONTAB" in output
    code = "@app.route(route='a/{b:colour}')\ndef f(req: func.HttpRequest) -> str: ...\n"
    assert "function f: this host does not support the route constraint colour" in run(
        hosts, app=write_app(tmp_path, code)
    )


def test_a_host_json_that_is_missing_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    assert "host.json cannot be read" in run(hosts, app=tmp_path)


def test_a_host_needs_a_valid_storage_connection(hosts: Hosts) -> None:
    assert "the setting AzureWebJobsStorage is missing" in run(hosts, AzureWebJobsStorage=None)
    output = run(hosts, AzureWebJobsStorage="AccountKey=c2VjcmV0")
    assert "the setting AzureWebJobsStorage is not a connection string" in output
    assert "c2VjcmV0" not in output


@pytest.mark.slow
def test_a_storage_account_that_does_not_respond_is_an_error(hosts: Hosts) -> None:
    nowhere = "http://127.0.0.1:1/account"
    connection = f"AccountName=account;AccountKey=a2V5;BlobEndpoint={nowhere};QueueEndpoint={nowhere}"
    assert "the storage account cannot be used" in run(hosts, AzureWebJobsStorage=connection)


def test_a_port_in_use_is_an_error(hosts: Hosts) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert "address already in use" in run(hosts, "--port", str(other.getsockname()[1]))
