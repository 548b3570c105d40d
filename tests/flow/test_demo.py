"""The demo, as a user runs it: it balances, it can be killed and gone on with, and it shows nobody's secrets."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from local.demo.folder import DemoFolder, DemoFolderError, Plan

BRIDGE = Path(sys.executable).with_name("bridge")
PATIENCE = 600


def demo(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(BRIDGE), "demo", "--folder", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # It may be ignored where the tests run in the background, and would be by the demo as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - one call
    )


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.02)


@dataclass(frozen=True)
class Finished:
    """What a demo left, and what it answered while it stayed."""

    folder: Path
    summary: dict[str, Any]
    url: str
    health: int
    loaded: dict[str, Any]
    returncode: int
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A demo that ran to its end, stayed, and was interrupted."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    process = demo(folder, "--recipients", "400", "--seed", "7", "--stay", "--json")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.communicate(timeout=PATIENCE)[1]
    url = json.loads((folder / "logs" / "host.json").read_text())["url"]
    with urllib.request.urlopen(f"{url}/health", timeout=60) as answer:
        health = answer.status
    file = next((folder / "simulator" / "site" / "responses").glob("*.csv"))
    settings = ("--settings", str(folder / "local.settings.json"))
    load = [str(BRIDGE), "responses", "load", str(file), "--json", *settings]
    loaded = json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE, timeout=PATIENCE).stdout)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    return Finished(folder, json.loads(line), url, health, loaded, process.returncode, err)


def test_the_summary_is_one_json_object_that_balances(finished: Finished) -> None:
    summary = finished.summary
    assert summary["balanced"] is True
    assert all(summary["checks"].values())
    assert (summary["recipients"], summary["seed"]) == (400, 7)
    file, responses = summary["delivery_file"], summary["responses"]
    assert file["rows"] == 400 == file["uploaded"] + file["rejected"] + file["duplicates"] + file["suppressed"]
    assert responses["rows_in_rs_db"] == responses["events_caused"] > 400 * 0.9
    assert summary["send"]["mailed_twice"] == 0
    assert summary["host_peak_memory_mib"] is None or summary["host_peak_memory_mib"] > 20


@pytest.mark.parametrize(
    ("route", "send"), [("closed loop", "after import"), ("sending batch", "at a time"), ("import job", "upload only")]
)
def test_every_route_balances(tmp_path: Path, route: str, send: str) -> None:
    process = demo(tmp_path / "demo", "--recipients", "300", "--route", route, "--send", send, "--json")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["balanced"] is True
    assert (summary["broadcast"]["route"], summary["broadcast"]["send_mode"]) == (route, send)
    assert (summary["send"]["mails_sent"] > 0) == (send != "upload only")


def test_no_address_no_key_and_no_secret_is_in_logs_messages_or_the_ledger(finished: Finished) -> None:
    folder = finished.folder
    (delivery_file,) = (folder / "deliveries").iterdir()
    people = [line.split("\t") for line in delivery_file.read_text("utf-8").splitlines()[1:]]
    canaries = {cell.strip() for row in people for cell in row[1:3] if len(cell.strip()) > 8}
    settings = json.loads((folder / "local.settings.json").read_text())["Values"]
    canaries |= {settings["OPTIMIZELY_API_PASSWORD"], *settings["SFTP_PRIVATE_KEY"].splitlines()[1:5]}
    assert len(canaries) > 700

    result = {file.name: file.read_text() for file in (folder / "logs").glob("*.log")}
    assert "J1-" in result["host.log"], "the log names the broadcast"
    ledger = create_engine(f"sqlite:///{folder / 'RS_Demo.sqlite'}")
    jobs = create_engine(f"sqlite:///{folder / 'WS_Demo.sqlite'}")
    for engine, tables in (
        (
            ledger,
            [
                "broadcast",
                "history",
                "effect",
                "lease",
                "response_file",
                "reject_count",
                "Broadcasts",
                "BroadcastsDetail",
            ],
        ),
        (jobs, inspect(jobs).get_table_names()),
    ):
        with engine.connect() as connection:
            for table in tables:
                result[table] = repr(connection.execute(text(f'SELECT * FROM "{table}"')).all())  # noqa: S608
        engine.dispose()
    found = {where for where, what in result.items() for canary in canaries if canary in what}
    assert found == set()


def test_nothing_is_left_staged_in_the_ledger(finished: Finished) -> None:
    folder = finished.folder
    engine = create_engine(f"sqlite:///{folder / 'RS_Demo.sqlite'}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM response_staging")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM lease")).scalar_one() == 0
    engine.dispose()


def reached(folder: Path, sign: str) -> bool:
    """Whether a host runs, and it or one before it has logged this."""
    return (folder / "logs" / "host.json").exists() and sign in (folder / "logs" / "host.log").read_text()


def test_a_demo_whose_host_is_killed_again_and_again_can_be_resumed_and_balances(tmp_path: Path) -> None:
    """One demo is killed in each state in turn: what any of the deaths loses or repeats, the sums at the end show."""
    folder = tmp_path / "demo"
    ready = folder / "logs" / "host.json"
    process = demo(folder, "--recipients", "300", "--json")
    for sign in ("is claimed as", "prepared, now uploaded", "now sending", "is gathered"):
        until(partial(reached, folder, sign), f"a host runs, and the log contains {sign!r}")
        os.kill(json.loads(ready.read_text())["pid"], signal.SIGKILL)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 3
        assert "SIGKILL" in err
        assert "bridge demo --resume" in " ".join(err.split())
        ready.unlink()
        process = demo(folder, "--resume", "--json")

    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    summary = json.loads(out)
    assert summary["balanced"] is True
    assert summary["recipients"] == 300


def test_a_demo_that_is_interrupted_stops_everything_it_started(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = demo(folder, "--recipients", "100", "--json")
    ready = folder / "logs" / "host.json"
    until(ready.exists, "the host is ready")
    pids = [json.loads((folder / "logs" / f"{name}.json").read_text())["pid"] for name in ("host", "simulator")]
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3, err
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "its processes are gone")
    assert not (folder / "demo.pid").exists()


def test_a_demo_that_stays_answers_other_commands_until_it_is_interrupted(finished: Finished) -> None:
    assert finished.health == 200
    assert finished.loaded["rows_loaded"] == 0
    assert finished.loaded["rows_read"] == finished.loaded["rows_known"] > 0
    assert finished.returncode == 0, finished.err
    assert f"{finished.url}/status" in finished.err


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(DemoFolderError, match="contains no demo"):
        DemoFolder(tmp_path).create(Plan(recipients=1, seed=1))
    assert (tmp_path / "precious.txt").read_text() == "keep me"


def test_a_folder_in_which_a_demo_runs_is_refused(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "demo")
    folder.create(Plan(recipients=1, seed=1))
    (tmp_path / "demo" / "demo.pid").write_text(str(os.getppid()))
    with pytest.raises(DemoFolderError, match="running in"):
        folder.resume()


@pytest.mark.slow
def test_a_demo_runs_in_databases_that_somebody_names_and_leaves_others_alone(tmp_path: Path) -> None:
    ws_file, rs_file, folder = tmp_path / "ws.sqlite", tmp_path / "rs.sqlite", tmp_path / "demo"
    named = ("--ws-db", f"sqlite:///{ws_file}", "--rs-db", f"sqlite:///{rs_file}")
    process = demo(folder, "--recipients", "60", "--json", *named)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert json.loads(out)["balanced"]
    with closing(sqlite3.connect(rs_file)) as connection:
        (rows,) = connection.execute("SELECT COUNT(*) FROM Response").fetchone()
        assert rows == json.loads(out)["responses"]["rows_in_rs_db"] > 0
        connection.execute("CREATE TABLE Customers (Id INTEGER)")
    before = table_names(rs_file)
    for arguments in ((*named, "--recipients", "60"), (*named, "--remove")):
        refused = demo(tmp_path / "other", *arguments)
        _, err = refused.communicate(timeout=PATIENCE)
        assert refused.returncode == 2
        assert "RS_DB holds 1 tables or views that are not the demo's (Customers)" in " ".join(err.split())
        assert table_names(rs_file) == before
    with closing(sqlite3.connect(rs_file)) as connection:
        connection.execute("DROP TABLE Customers")
    removed = demo(folder, "--remove")
    out, err = removed.communicate(timeout=PATIENCE)
    assert removed.returncode == 0, err
    assert table_names(rs_file) == table_names(ws_file) == []


def table_names(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        return [name for (name,) in listed]
