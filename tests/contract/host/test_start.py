"""How a host starts, and that one that cannot says why and ends with status 2."""

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


def test_settings_come_from_the_file_and_the_environment_wins(hosts: Hosts, tmp_path: Path) -> None:
    settings = tmp_path / "local.settings.json"
    settings.write_text(json.dumps({"IsEncrypted": False, "Values": {"APP_TICK": "from the file", "A": "1"}}))
    assert "the schedule 'from the file'" in run(hosts, "--settings", str(settings), APP_TICK=None)
    assert "the schedule 'from outside'" in run(hosts, "--settings", str(settings), APP_TICK="from outside")


def test_a_missing_setting_is_named_with_its_function_and_binding(hosts: Hosts) -> None:
    said = run(hosts, APP_TICK=None)
    assert "function tick, binding timer: the setting APP_TICK is missing" in said


def test_an_app_that_cannot_be_imported_is_an_error_that_says_so(hosts: Hosts) -> None:
    said = run(hosts, app=APP.parent / "broken_app")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in said
    assert "broken_app/function_app.py:3" in said
    assert "sys.path" not in said


def test_a_function_whose_parameters_do_not_fit_its_bindings_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    code = (
        "@app.timer_trigger(arg_name='timer', schedule='0 * * * * *')\ndef f(clock: func.TimerRequest) -> None: ...\n"
    )
    said = run(hosts, app=write_app(tmp_path, code))
    assert "cannot load the f function" in said
    assert "clock" in said


def test_an_app_without_functions_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    assert "there are no functions" in run(hosts, app=write_app(tmp_path, ""))


def test_a_binding_that_this_host_does_not_have_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
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


def test_a_schedule_or_a_route_that_azure_does_not_take_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    said = run(hosts, APP_TICK="0 0 0 ? * *")
    assert "function tick: '?' is not a valid day in NCRONTAB" in said
    code = "@app.route(route='a/{b:colour}')\ndef f(req: func.HttpRequest) -> str: ...\n"
    assert "function f: this host does not support the route constraint colour" in run(
        hosts, app=write_app(tmp_path, code)
    )


def test_a_host_json_that_is_missing_is_an_error(hosts: Hosts, tmp_path: Path) -> None:
    assert "host.json cannot be read" in run(hosts, app=tmp_path)


def test_without_storage_there_is_no_host(hosts: Hosts) -> None:
    assert "the setting AzureWebJobsStorage is missing" in run(hosts, AzureWebJobsStorage=None)
    said = run(hosts, AzureWebJobsStorage="AccountKey=c2VjcmV0")
    assert "the setting AzureWebJobsStorage is not a connection string" in said
    assert "c2VjcmV0" not in said


@pytest.mark.slow
def test_a_storage_account_that_does_not_answer_is_an_error(hosts: Hosts) -> None:
    nowhere = "http://127.0.0.1:1/account"
    connection = f"AccountName=account;AccountKey=a2V5;BlobEndpoint={nowhere};QueueEndpoint={nowhere}"
    assert "the storage account cannot be used" in run(hosts, AzureWebJobsStorage=connection)


def test_a_port_that_is_taken_is_an_error(hosts: Hosts) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert "address already in use" in run(hosts, "--port", str(other.getsockname()[1]))
