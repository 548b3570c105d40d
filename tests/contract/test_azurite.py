"""Azurite as a child process: its ports, its data, and how it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.queue import QueueServiceClient

import local.azurite
from local.azurite import Azurite, AzuriteError


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_its_data_survive_a_stop_and_several_instances_can_run_side_by_side(tmp_path: Path, azurite: Azurite) -> None:
    with Azurite(tmp_path) as first:
        assert first.connection_string != azurite.connection_string
        with QueueServiceClient.from_connection_string(first.connection_string) as service:
            service.create_queue("kept").send_message("a message")
    with (
        Azurite(tmp_path) as second,
        QueueServiceClient.from_connection_string(second.connection_string) as service,
    ):
        message = service.get_queue_client("kept").receive_message()
        assert message is not None
        assert message.content == "a message"


#: A parent that says which process its Azurite is, and waits.
PARENT = """
import pathlib, signal, sys, time
# Ctrl-C is ignored by what a shell starts in the background, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from local.azurite import Azurite
with Azurite(pathlib.Path(sys.argv[1])) as azurite:
    print(azurite._process.pid, flush=True)
    time.sleep(300)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_ends_with_its_parent_and_ctrl_c_is_for_the_parent_only(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert os.getsid(child) == child, "a session of its own: Ctrl-C in the terminal does not reach it"
        parent.send_signal(how)
    until(lambda: not alive(child), "it ended")
    assert "Queue service successfully closed" in (tmp_path / "azurite.log").read_text(), "in good order"


def test_an_azurite_that_does_not_start_is_an_error_and_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "azurite.js"
    script.write_text("console.error('a broken installation'); process.exit(1)")
    monkeypatch.setattr(local.azurite, "_SCRIPT", script)
    with pytest.raises(AzuriteError, match=r"azurite\.log"), Azurite(tmp_path / "data"):
        pytest.fail("it started")
    assert "a broken installation" in (tmp_path / "data" / "azurite.log").read_text()


def test_an_azurite_that_never_listens_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "azurite.js"
    script.write_text("setInterval(() => {}, 1000); process.on('SIGTERM', () => {})")
    monkeypatch.setattr(local.azurite, "_SCRIPT", script)
    monkeypatch.setattr(local.azurite, "_READY_SECONDS", 1)
    monkeypatch.setattr(local.azurite, "_STOP_SECONDS", 0.2)
    azurite = Azurite(tmp_path / "data")
    with pytest.raises(AzuriteError), azurite:
        pytest.fail("it started")
    assert azurite._process is not None
    assert azurite._process.returncode is not None


def test_an_azurite_that_is_not_installed_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local.azurite, "_SCRIPT", tmp_path / "nowhere.js")
    with pytest.raises(AzuriteError, match=r"local\.node install"), Azurite(tmp_path):
        pytest.fail("it started")
