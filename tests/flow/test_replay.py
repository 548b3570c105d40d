"""Response files loaded by hand, and loaded again from what is kept."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update
from typer.testing import Result

from shared.bridge import Bridge
from shared.database.connections import Database
from shared.errors import DatabaseUnavailable, LeaseLost, ResponseFileBusy, ResponseFileLayout
from shared.faststats.ferg_file import FergFiles
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.ledger.leases import LeaseName
from shared.ledger.responses.move import move
from shared.operations.responses import add_file, load_again
from shared.response_file import FileState
from shared.steps import load_responses as step
from shared.steps.chores.deliver_ferg_files import deliver_ferg_files
from shared.storage import blob_names
from shared.storage.queues import Queues
from tests.databases import ZONE
from tests.flow.harness import Flow

Command = Callable[..., Result]
HEADER = "Urn;CommunicationKey;MessageType;EventTriggeredDate\n"


def rows_of(bridge: Bridge) -> list[tuple[Any, ...]]:
    response = RsDbSchema(ZONE).response
    with bridge.rs_database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(response).order_by(response.c.id))]


def written(folder: Path, name: str, *events: str, header: str = HEADER) -> Path:
    path = folder / name
    path.write_text(header + "".join(f"{event}\n" for event in events))
    return path


@pytest.fixture
def some_file(tmp_path: Path) -> Path:
    """Two opens that are equal, a click, a bounce, and a row without date."""
    return written(
        tmp_path,
        "Response1.csv",
        *["1;K1;Open;01.03.2026 12:30"] * 2,
        "2;K2;Click;01.03.2026 12:31",
        "3;K3;Bounce;02.03.2026 08:00",
        "4;K4;Open;",
    )


def test_a_file_is_loaded_by_hand_and_said_what_became_of_its_rows(
    command: Command, flow: Flow, some_file: Path
) -> None:
    result = command("responses", "load", some_file, "--json")
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    file = flow.bridge.ledger.response_files.named("Response1.csv")[0]
    assert counts == {
        "id": file.id,
        "file": "Response1.csv",
        "rows_read": 5,
        "rows_loaded": 4,
        "rows_known": 0,
        "rows_rejected": 1,
        "rows_unmatched": 4,
        "by_type": {"Bounce": 1, "Click": 1, "Open": 2},
    }
    assert b"".join(flow.bridge.responses.chunks(blob_names.response_file(file))) == some_file.read_bytes()

    before = rows_of(flow.bridge)
    counts = json.loads(command("responses", "load", some_file, "--json").stdout)
    assert (counts["rows_loaded"], counts["rows_known"], counts["rows_rejected"], counts["by_type"]) == (0, 4, 1, {})
    assert rows_of(flow.bridge) == before
    # The file's own record still shows what it brought.
    totals = flow.bridge.ledger.response_files.totals()
    assert {name: rows for name, rows in totals.items() if name.startswith("rows")} == {
        "rows_read": 5,
        "rows_loaded": 4,
        "rows_known": 0,
        "rows_rejected": 1,
        "rows_unmatched": 4,
    }
    text = command("responses", "load", some_file)
    assert "Response1.csv: 5 rows read: 0 loaded, 4 known, 1 rejected." in text.stdout


def test_the_same_rows_under_another_name_and_time_are_known(command: Command, some_file: Path) -> None:
    command("responses", "load", some_file)
    other = some_file.rename(some_file.with_name("Response2.csv"))
    os.utime(other, (1, 1))
    counts = json.loads(command("responses", "load", other, "--json").stdout)
    assert (counts["rows_loaded"], counts["rows_known"]) == (0, 4)


def test_what_cannot_be_loaded_says_so_with_its_code(command: Command, tmp_path: Path, flow: Flow) -> None:
    wrong = written(tmp_path, "Response1.csv", header="no;header\n")
    result = command("responses", "load", wrong, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error_code"]) == (1, "response-file-layout")
    assert [one.state for one in flow.bridge.ledger.response_files.named("Response1.csv")] == [FileState.FAILED]

    result = command("responses", "load", written(tmp_path, "other.csv"))
    assert result.exit_code == 1
    assert "no layout in the channels file matches its name" in result.stderr
    assert command("responses", "load", tmp_path / "nowhere.csv").exit_code == 2
    assert command("responses", "replay").exit_code == 2
    assert command("responses", "replay", "--since", "2026-01-01", "--file", "1").exit_code == 2
    result = command("responses", "replay", "--file", "nowhere.csv")
    assert result.exit_code == 1
    assert "No response file has the name or number nowhere.csv." in result.stderr


def test_another_content_under_the_same_name_size_and_time_is_refused(
    command: Command, flow: Flow, some_file: Path
) -> None:
    command("responses", "load", some_file)
    before, times = rows_of(flow.bridge), some_file.stat()
    some_file.write_text(some_file.read_text().replace("K2", "K9"))
    os.utime(some_file, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = command("responses", "load", some_file, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error_code"]) == (1, "response-file-differs")
    assert rows_of(flow.bridge) == before


def test_a_file_that_failed_is_loaded_when_its_layout_is_mended(command: Command, flow: Flow, tmp_path: Path) -> None:
    path = written(tmp_path, "Response1.csv", "1;01.03.2026 12:30", header="Kennung;Zeit\n")
    assert command("responses", "load", path).exit_code == 1
    channels = tmp_path / "channels.toml"
    channels.write_text(
        '[responses.default]\nmessage_type = "Open"\n[responses.default.fields]\n'
        'Urn = ["Kennung"]\nEventTriggeredDate = ["Zeit"]\n'
    )
    result = command("responses", "replay", "--file", "Response1.csv", "--json", CHANNELS_FILE=str(channels))
    assert result.exit_code == 0, result.output
    (counts,) = json.loads(result.stdout)
    assert (counts["rows_read"], counts["rows_loaded"]) == (1, 1)
    (file,) = flow.bridge.ledger.response_files.named("Response1.csv")
    assert (file.state, file.error_code, file.error) == (FileState.LOADED, None, None)


def test_rows_that_were_refused_come_with_a_replay_and_the_sums_hold(
    command: Command, flow: Flow, tmp_path: Path
) -> None:
    path = written(tmp_path, "Response1.csv", "1;K1;Open;01.03.2026 12:30", "2;K2;Open;2026-03-01 12:30")
    assert json.loads(command("responses", "load", path, "--json").stdout)["rows_rejected"] == 1
    channels = tmp_path / "channels.toml"
    channels.write_text('[responses.default]\ndate_formats = ["dd.MM.yyyy HH:mm", "yyyy-MM-dd HH:mm"]\n')
    result = command("responses", "replay", "--file", "Response1.csv", "--json", CHANNELS_FILE=str(channels))
    (counts,) = json.loads(result.stdout)
    assert (counts["rows_loaded"], counts["rows_known"], counts["rows_rejected"]) == (1, 1, 0)
    (file,) = flow.bridge.ledger.response_files.named("Response1.csv")
    assert file.counts is not None
    assert (file.counts.read, file.counts.loaded, file.counts.known, file.counts.rejected) == (2, 2, 0, 0)
    assert file.counts.by_type == {"Open": 2}


def test_a_replay_takes_every_file_since_a_time_and_changes_nothing(
    command: Command, flow: Flow, tmp_path: Path
) -> None:
    for number in range(3):
        path = written(tmp_path, f"Response{number}.csv", f"{number};K{number};Open;01.03.2026 12:30")
        command("responses", "load", path)
    before = rows_of(flow.bridge)
    early = datetime.now(UTC) - timedelta(days=3)
    with flow.bridge.rs_database.writing() as connection:
        first = tables.response_file.c.name == "Response0.csv"
        connection.execute(update(tables.response_file).where(first).values(gathered_at=early))
    since = (early + timedelta(days=1)).strftime("%Y-%m-%d")
    result = command("responses", "replay", "--since", since, "--json")
    assert result.exit_code == 0, result.output
    assert [(one["file"], one["rows_known"]) for one in json.loads(result.stdout)] == [
        ("Response1.csv", 1),
        ("Response2.csv", 1),
    ]
    assert rows_of(flow.bridge) == before
    result = command("responses", "replay", "--since", "2100-01-01")
    assert (result.exit_code, result.stdout) == (1, "No response file was gathered since then.\n")


def test_a_file_that_was_loaded_stays_so_when_it_cannot_be_read_any_more(flow: Flow, some_file: Path) -> None:
    bridge = flow.bridge
    file = add_file(bridge, some_file)
    load_again(bridge, file.id)
    before = rows_of(bridge)
    with bridge.responses.writer(blob_names.response_file(file)) as kept:
        kept.write(b"something else")
        kept.commit({}, replace=True)
    with pytest.raises(ResponseFileLayout):
        load_again(bridge, file.id)
    found = bridge.ledger.response_files.get(file.id)
    assert found is not None
    assert (found.state, found.error_code) == (FileState.LOADED, "response-file-layout")
    assert found.counts is not None
    assert found.counts.loaded == 4
    assert rows_of(bridge) == before


def test_a_file_that_was_removed_after_its_time_is_reported_and_can_be_brought_back(
    command: Command, flow: Flow, some_file: Path
) -> None:
    command("responses", "load", some_file)
    (file,) = flow.bridge.ledger.response_files.named("Response1.csv")
    flow.bridge.responses.remove(blob_names.response_file(file))
    with flow.bridge.rs_database.writing() as connection:
        connection.execute(update(tables.response_file).values(removed_at=datetime.now(UTC)))
    result = command("responses", "replay", "--file", str(file.id), "--json")
    assert (result.exit_code, json.loads(result.stdout)[0]["error_code"]) == (1, "response-file-not-kept")
    found = flow.bridge.ledger.response_files.get(file.id)
    assert found is not None
    assert found.state is FileState.LOADED

    assert json.loads(command("responses", "load", some_file, "--json").stdout)["rows_known"] == 4
    assert command("responses", "replay", "--file", str(file.id)).exit_code == 0


def test_one_that_somebody_else_works_on_is_left_alone(flow: Flow, some_file: Path) -> None:
    file = add_file(flow.bridge, some_file)
    with flow.bridge.ledger.leases.held(LeaseName.for_response_file(file.name), "somebody") as lease:
        assert lease is not None
        with pytest.raises(ResponseFileBusy):
            load_again(flow.bridge, file.id)
        with pytest.raises(ResponseFileBusy):
            add_file(flow.bridge, some_file)
    assert load_again(flow.bridge, file.id).loaded == 4


@pytest.mark.parametrize("taken", [False, True], ids=["nobody took it", "somebody took it"])
def test_a_move_that_takes_longer_than_the_lease_counts_if_nobody_took_the_file_meanwhile(
    flow: Flow, some_file: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    """On SQLite no heartbeat is written while the rows are moved, however long that takes."""
    bridge = flow.bridge
    file = add_file(bridge, some_file)
    with bridge.ledger.leases.held(LeaseName.for_response_file(file.name), "this load") as lease:
        assert lease is not None

        def slow(connection: Connection, *arguments: Any, **named: Any) -> Any:
            new = move(connection, *arguments, **named)
            lease._ends = 0
            if taken:
                connection.execute(update(tables.lease).values(owner="another"))
            return new

        monkeypatch.setattr(step, "move", slow)
        if taken:
            with pytest.raises(LeaseLost):
                step.load(bridge, file, lease)
        else:
            assert step.load(bridge, file, lease)[1].loaded == 4
    assert len(rows_of(bridge)) == (0 if taken else 4)


def test_a_replay_that_is_interrupted_is_finished_by_the_next_load(
    flow: Flow, some_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = flow.bridge
    file = add_file(bridge, some_file)
    load_again(bridge, file.id)
    before = rows_of(bridge)
    with monkeypatch.context() as patch:

        def lost(*_: object) -> None:
            raise DatabaseUnavailable(database="RS_DB", reason="OperationalError")

        patch.setattr(step, "move", lambda *_, **__: lost())
        with pytest.raises(DatabaseUnavailable):
            load_again(bridge, file.id)
    counts = step.load_responses(bridge, file.id)
    assert counts is not None
    assert (counts.loaded, counts.known) == (0, 4)
    assert rows_of(bridge) == before
    totals = bridge.ledger.response_files.totals()
    assert (totals["rows_loaded"], totals["rows_known"]) == (4, 0)


def test_rows_of_a_replay_leave_in_a_file_of_their_own_for_ferg(flow: Flow, tmp_path: Path) -> None:
    flow.set(responses_to="files")
    bridge, left = flow.bridge, dict[str, bytes]()
    ferg = FergFiles(
        lambda name, chunks: left.update({name: b"".join(chunks)}),
        delimiter="TAB",
        encloser="NONE",
        date_format="dd.MM.yyyy HH:mm",
        zone=ZONE,
    )
    file = add_file(bridge, written(tmp_path, "Response1.csv", "1;K1;Open;01.03.2026 12:30"))
    assert load_again(bridge, file.id).loaded == 1
    with pytest.raises(ResponseFileBusy):  # its row is still to be put
        load_again(bridge, file.id)
    assert deliver_ferg_files(bridge.ledger, ferg) == 1
    assert load_again(bridge, file.id).known == 1
    assert deliver_ferg_files(bridge.ledger, ferg) == 0

    forget_everything(bridge.rs_database)
    assert load_again(bridge, file.id).loaded == 1
    assert deliver_ferg_files(bridge.ledger, ferg) == 1
    assert len(left) == 2
    assert len(set(left.values())) == 1


def forget_everything(database: Database) -> None:
    """As if the events had been lost."""
    with database.writing() as connection:
        connection.execute(tables.response_event.delete())


def test_the_history_of_a_response_file_is_shown_by_its_name_or_number(
    flow: Flow, some_file: Path, command: Callable[..., Result]
) -> None:
    command("responses", "load", some_file)
    (file,) = flow.bridge.ledger.response_files.named(some_file.name)
    shown = command("responses", "show", some_file.name)
    assert shown.exit_code == 0
    assert f"Response file {file.id}, {file.name}, is loaded" in shown.stdout
    assert "5 rows read: 4 loaded, 0 known, 1 rejected." in shown.stdout
    states = re.findall(r"UTC  (\w+): ", shown.stdout)
    assert states == ["seen", "gathered", "loaded"]
    command("responses", "replay", "--file", some_file.name)
    (record,) = json.loads(command("responses", "show", file.id, "--json").stdout)
    assert (record["name"], record["state"], record["rows_read"]) == (file.name, "loaded", 5)
    assert [change["to"] for change in record["history"]] == [*states, "gathered", "loaded"]
    assert record["history"][0].keys() == {"at", "from", "to", "owner", "note"}
    unknown = command("responses", "show", "Response-nowhere.csv")
    assert unknown.exit_code == 1
    assert "response-file-unknown" in unknown.output


def test_a_file_that_waits_for_its_database_is_tried_every_few_seconds_and_never_given_up(
    flow: Flow, some_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = flow.bridge
    file = add_file(bridge, some_file)

    def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailable(database="RS_DB", reason="SQLSTATE 08S01, error 10054")

    with monkeypatch.context() as patch:
        patch.setattr(step, "move", gone)
        sent: list[timedelta] = []
        patch.setattr(Queues, "send", lambda _self, _queue, _message, delay: sent.append(delay))
        for _ in range(2 * bridge.settings.max_attempts):
            step.load_responses(bridge, file.id)
        assert sent == [timedelta(seconds=5)] * (2 * bridge.settings.max_attempts)
    waiting = bridge.ledger.response_files.get(file.id)
    assert (waiting.state, waiting.attempts) == (FileState.GATHERED, 0)
    assert str(waiting.waiting_for).startswith("the database RS_DB to answer")
    step.load_responses(bridge, file.id)
    assert bridge.ledger.response_files.get(file.id).state is FileState.LOADED
