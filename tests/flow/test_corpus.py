"""Every file of the corpus, loaded for real: its rows, its rejects, its sums and its code, and that once is once."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select
from typer.testing import Result

from shared.bridge import Bridge
from shared.errors import TerminalError
from shared.faststats.schema_map import RsDbSchema
from shared.ledger import tables
from shared.ledger.response_files import FileState, LoadCounts, ResponseFile
from shared.steps.load_responses import load_responses
from shared.steps.replay_responses import load_again, take_in
from shared.steps.response_rejects import reject_blob
from tests.corpus.case import Case, Reject
from tests.corpus.files import FILES
from tests.databases import ZONE
from tests.flow.harness import Flow

Command = Callable[..., Result]
SCHEMA = RsDbSchema(ZONE)
#: Columns of `Response` by attributes of a response; it has no place for the others.
COLUMNS = {
    "urn": "urn",
    "communication_key": "communication_key",
    "email": "email",
    "message_type": "message_type",
    "event_time": "event_triggered_date",
    "delivery_date": "delivery_date",
    "click_date": "click_date",
    "click_url": "click_url",
}


def loaded_rows(bridge: Bridge) -> list[dict[str, Any]]:
    """The rows of `Response` in the order in which they came, each with its details."""
    with bridge.rs_database.reading() as connection:
        rows = connection.execute(select(SCHEMA.response).order_by(SCHEMA.response.c.id)).mappings().all()
        details = connection.execute(select(SCHEMA.response_details)).mappings().all()
    found: dict[int, dict[str, str]] = {row["id"]: {} for row in rows}
    for one in details:
        found[one["id"]][one["name"]] = one["value"]
    return [{**row, "details": found[row["id"]]} for row in rows]


def as_kept(attribute: str, value: Any) -> Any:
    """A value as it is read back from `Response`: its times are local, and the hour that comes twice is the first."""
    if attribute in {"event_time", "delivery_date", "click_date"} and value is not None:
        local = datetime.fromisoformat(value).astimezone(ZoneInfo(ZONE))
        return local.replace(fold=0).astimezone(UTC)
    return None if attribute == "click_url" and not value else value


def told_rejects(bridge: Bridge, file: ResponseFile) -> tuple[Reject, ...] | None:
    """What the reject file says, None if there is none."""
    if bridge.rejects.find(reject_blob(file.id)) is None:
        return None
    text = b"".join(bridge.rejects.chunks(reject_blob(file.id))).decode("utf-8-sig")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["Line", "Reason", "Column"]
    return tuple((int(line), reason, column.removeprefix("'")) for line, reason, column in rows)


def counted_rejects(bridge: Bridge, file: ResponseFile) -> Mapping[str, int]:
    table = tables.reject_count
    wanted = select(table.c.reason, table.c.rows).where(table.c.response_file_id == file.id)
    with bridge.rs_database.reading() as connection:
        return {reason: rows for reason, rows in connection.execute(wanted)}


def events(bridge: Bridge) -> int:
    with bridge.rs_database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(tables.response_event)) or 0


def now_of(bridge: Bridge, file: ResponseFile) -> ResponseFile:
    found = bridge.ledger.response_files.get(file.id)
    assert found is not None
    return found


def taken_in(flow: Flow, case: Case, folder: Path) -> ResponseFile:
    flow.bridge.channels.responses = MappingProxyType({"default": case.response_layout})
    path = folder / case.name
    path.write_bytes(case.content)
    return take_in(flow.bridge, path)


@pytest.mark.parametrize("name", [name for name, case in FILES.items() if not case.code])
def test_its_good_rows_are_loaded_and_the_others_told_and_a_second_load_changes_nothing(
    flow: Flow, tmp_path: Path, name: str
) -> None:
    bridge, case = flow.bridge, FILES[name]
    file = taken_in(flow, case, tmp_path)
    counts = load_responses(bridge, file.id)
    by_reason = Counter(reason for _, reason, _ in case.rejects)
    rows = loaded_rows(bridge)
    by_type = Counter(row["message_type"] for row in rows)
    first = LoadCounts(
        read=case.rows_read,
        loaded=case.rows_good,
        known=0,
        rejected=len(case.rejects),
        unmatched=case.rows_good,
        by_type=by_type,
    )
    assert counts == first
    assert now_of(bridge, file).counts == first
    assert (now_of(bridge, file).state, now_of(bridge, file).error_code) == (FileState.LOADED, None)
    assert (len(rows), events(bridge)) == (case.rows_good, case.rows_good)
    for row, values in zip(rows, case.values, strict=False):
        kept = {name: row["details"] if name == "details" else row[COLUMNS[name]] for name in values if name in COLUMNS or name == "details"}
        assert kept == {name: as_kept(name, values[name]) for name in kept}
    assert told_rejects(bridge, file) == (case.rejects or None)
    assert counted_rejects(bridge, file) == by_reason

    counts = load_again(bridge, file.id)
    assert (counts.read, counts.loaded, counts.known, counts.rejected, counts.by_type) == (
        case.rows_read,
        0,
        case.rows_good,
        len(case.rejects),
        {},
    )
    assert now_of(bridge, file).counts == first
    assert loaded_rows(bridge) == rows
    assert events(bridge) == case.rows_good
    assert told_rejects(bridge, file) == (case.rejects or None)
    assert counted_rejects(bridge, file) == by_reason


@pytest.mark.parametrize("name", [name for name, case in FILES.items() if case.code])
def test_it_is_marked_with_its_code_and_nothing_of_it_is_loaded(flow: Flow, tmp_path: Path, name: str) -> None:
    bridge, case = flow.bridge, FILES[name]
    file = taken_in(flow, case, tmp_path)
    assert load_responses(bridge, file.id) is None
    found = now_of(bridge, file)
    assert (found.state, found.error_code, found.counts) == (FileState.FAILED, case.code, None)
    assert case.name in (found.error or "")
    with pytest.raises(TerminalError) as caught:
        load_again(bridge, file.id)
    assert caught.value.code == case.code
    again = now_of(bridge, file)
    assert (again.state, again.error_code, again.counts) == (FileState.FAILED, case.code, None)
    assert (loaded_rows(bridge), events(bridge)) == ([], 0)
    assert told_rejects(bridge, file) is None
    assert b"".join(bridge.responses.chunks(file.blob)) == case.content


#: Files whose layout is a table of the channels file, with the types of their good rows.
BY_HAND = {
    "a file as it should be": {"Bounce": 1, "Click": 1, "Open": 1},
    "NUL bytes in a value": {"Bounce": 1, "Open": 1},
    "a value of a megabyte": {"Click": 1},
    "a header and nothing else": {},
    "two equal events": {"Click": 1, "Open": 2},
    "other words for the known types, in odd case": {"Bounce": 1, "Open": 1, "Unsubscription": 1},
    "one type for each file, by its name": {"Bounce": 2},
    "FERG's parameters as the layout": {"Open": 1},
    "UTF-16 without a BOM": {"Open": 1},
    "a quote is closed behind another row": {"Bounce": 1, "Click": 1},
    "the hour that the clock leaves out in spring": {"Open": 3},
    "a gzip file": {"Bounce": 1, "Click": 1, "Open": 1},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_command_tells_what_became_of_its_rows(command: Command, tmp_path: Path, name: str) -> None:
    case = FILES[name]
    path, channels = tmp_path / case.name, tmp_path / "channels.toml"
    path.write_bytes(case.content)
    channels.write_text(case.channels, encoding="utf-8")
    told = command("responses", "load", path, "--json", CHANNELS_FILE=str(channels))
    assert told.exit_code == 0, told.output
    counts = json.loads(told.stdout)
    assert counts.pop("id") > 0
    assert counts == {
        "file": case.name,
        "rows_read": case.rows_read,
        "rows_loaded": case.rows_good,
        "rows_known": 0,
        "rows_rejected": len(case.rejects),
        "rows_unmatched": case.rows_good,
        "by_type": BY_HAND[name],
    }


@pytest.mark.parametrize("name", ["an empty file", "an Excel file", "a gzip file that is cut off", "a zip bomb"])
def test_the_command_tells_the_code_of_a_file_that_is_refused(command: Command, tmp_path: Path, name: str) -> None:
    case = FILES[name]
    (tmp_path / case.name).write_bytes(case.content)
    told = command("responses", "load", tmp_path / case.name, "--json")
    assert told.exit_code == 1
    assert json.loads(told.stdout)["error_code"] == case.code


def test_the_name_of_a_column_runs_in_no_spreadsheet(flow: Flow, tmp_path: Path) -> None:
    file = taken_in(flow, FILES["a column whose name looks like a formula refuses a row"], tmp_path)
    load_responses(flow.bridge, file.id)
    assert b'"value-too-long","\'@SUM(A1)"' in b"".join(flow.bridge.rejects.chunks(reject_blob(file.id)))
