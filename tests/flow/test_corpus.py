"""Every file of the corpus, loaded for real: its rows, its rejects, its sums and its code, and that once is once."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select
from typer.testing import Result

from shared.bridge import Bridge
from shared.errors import TerminalError
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.operations.responses import add_file, load_again
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.load_responses import load_responses
from shared.storage import blob_names
from tests.corpus.case import Case, Reject
from tests.corpus.files import FILES, ROOMS
from tests.databases import ZONE
from tests.flow.harness import Flow

Command = Callable[..., Result]
SCHEMA = RsDbSchema(ZONE)
#: Columns of `Response` by attributes of a response; it has no place for the others. Details are of `ResponseDetails`.
COLUMNS = {
    "urn": "urn",
    "communication_key": "communication_key",
    "email": "email",
    "message_type": "message_type",
    "event_time": "event_triggered_date",
    "delivery_date": "delivery_date",
    "click_date": "click_date",
    "click_url": "click_url",
    "details": "details",
}


def loaded_rows(bridge: Bridge) -> list[dict[str, Any]]:
    """The rows of `Response` in the order in which they came, each with its details."""
    with bridge.rs_database.reading() as connection:
        rows = connection.execute(select(SCHEMA.response).order_by(SCHEMA.response.c.id)).all()
        details = connection.execute(select(SCHEMA.response_details)).all()
    found = [{**dict(zip(SCHEMA.response.c.keys(), row, strict=True)), "details": {}} for row in rows]
    by_id = {row["id"]: row for row in found}
    for response_id, name, value in details:
        by_id[response_id]["details"][name] = value
    return found


def as_kept(attribute: str, value: Any) -> Any:
    """A value as it is read back from `Response`: its times are local, and the hour that comes twice is the first."""
    if attribute in {"event_time", "delivery_date", "click_date"} and value is not None:
        local = datetime.fromisoformat(value).astimezone(ZoneInfo(ZONE))
        return local.replace(fold=0).astimezone(UTC)
    return None if attribute == "click_url" and not value else value


def told_rejects(bridge: Bridge, file: ResponseFile) -> tuple[Reject, ...] | None:
    """What the reject file says, None if there is none."""
    if bridge.rejects.find(blob_names.response_reject_file(file.id)) is None:
        return None
    text = b"".join(bridge.rejects.chunks(blob_names.response_reject_file(file.id))).decode("utf-8-sig")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["Line", "Reason", "Column"]
    return tuple((int(line), reason, column.removeprefix("'")) for line, reason, column in rows)


def counted_rejects(bridge: Bridge, file: ResponseFile) -> Mapping[str, int]:
    table = tables.reject_count
    wanted = select(table.c.reason, table.c.rows).where(table.c.response_file_id == file.id)
    with bridge.rs_database.reading() as connection:
        return {row.reason: row.rows for row in connection.execute(wanted)}


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
    return add_file(flow.bridge, path)


def forget(bridge: Bridge) -> None:
    """Make place for the next file, for many have the same events."""
    with bridge.rs_database.writing() as connection:
        for table in (
            tables.unmatched_response,
            tables.response_event,
            SCHEMA.response_details,
            SCHEMA.response,
        ):
            connection.execute(delete(table))


def check_loaded(flow: Flow, case: Case, folder: Path) -> None:
    """Load a file twice: its rows come once, and its rejects are reported."""
    bridge = flow.bridge
    file = taken_in(flow, case, folder)
    counts = load_responses(bridge, file.id)
    rows = loaded_rows(bridge)
    first = LoadCounts(
        read=case.rows_read,
        loaded=case.rows_good,
        known=0,
        rejected=len(case.rejects),
        unmatched=case.rows_good,
        by_type=Counter(row["message_type"] for row in rows),
    )
    assert counts == first
    assert (len(rows), events(bridge)) == (case.rows_good, case.rows_good)
    for row, values in zip(rows, case.values, strict=False):
        kept = {attribute: row[column] for attribute, column in COLUMNS.items() if attribute in values}
        assert kept == {attribute: as_kept(attribute, values[attribute]) for attribute in kept}
    check_record(bridge, file, case, first)

    again = load_again(bridge, file.id)
    assert again == replace(first, loaded=0, known=case.rows_good, unmatched=0, by_type={})
    assert (loaded_rows(bridge), events(bridge)) == (rows, case.rows_good)
    check_record(bridge, file, case, first)


def check_record(bridge: Bridge, file: ResponseFile, case: Case, counts: LoadCounts) -> None:
    """What the ledger and the reject file say of a loaded file; a second load does not change it."""
    found = now_of(bridge, file)
    code = "response-file-rows" if case.rejects else None
    assert (found.state, found.error_code, found.counts) == (FileState.LOADED, code, counts)
    for _, reason, _ in case.rejects:
        assert reason in (found.error or "")
    assert counts.read == counts.loaded + counts.known + counts.rejected
    assert told_rejects(bridge, file) == (case.rejects or None)
    assert counted_rejects(bridge, file) == Counter(reason for _, reason, _ in case.rejects)


@pytest.mark.parametrize("room", ROOMS)
def test_good_rows_are_loaded_once_and_the_others_reported(
    flow: Flow, tmp_path: Path, subtests: pytest.Subtests, room: str
) -> None:
    for name, case in ROOMS[room].items():
        if not case.code:
            with subtests.test(name):
                check_loaded(flow, case, tmp_path)
            forget(flow.bridge)


@pytest.mark.parametrize("room", [room for room, cases in ROOMS.items() if any(case.code for case in cases.values())])
def test_a_file_that_is_refused_is_marked_with_its_code_and_nothing_of_it_is_loaded(
    flow: Flow, tmp_path: Path, subtests: pytest.Subtests, room: str
) -> None:
    for name, case in ROOMS[room].items():
        if case.code:
            with subtests.test(name):
                check_refused(flow, case, tmp_path)


def check_refused(flow: Flow, case: Case, folder: Path) -> None:
    """Load a file twice: nothing of it comes."""
    bridge = flow.bridge
    file = taken_in(flow, case, folder)
    assert load_responses(bridge, file.id) is None
    assert now_of(bridge, file).error_code == case.code
    with pytest.raises(TerminalError) as caught:
        load_again(bridge, file.id)
    assert caught.value.code == case.code
    found = now_of(bridge, file)
    assert (found.state, found.error_code, found.counts) == (FileState.FAILED, case.code, None)
    assert case.name in (found.error or "")
    assert (loaded_rows(bridge), events(bridge)) == ([], 0)
    assert told_rejects(bridge, file) is None
    assert b"".join(bridge.responses.chunks(blob_names.response_file(file))) == case.content


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
    "a quote is closed after another row": {"Bounce": 1, "Click": 1},
    "the hour that the clock leaves out in spring": {"Open": 3},
    "a gzip file": {"Bounce": 1, "Click": 1, "Open": 1},
}


@pytest.mark.parametrize("name", BY_HAND)
def test_the_command_shows_what_became_of_its_rows(command: Command, tmp_path: Path, name: str) -> None:
    case = FILES[name]
    path, channels = tmp_path / case.name, tmp_path / "channels.toml"
    path.write_bytes(case.content)
    channels.write_text(case.channels, encoding="utf-8")
    result = command("responses", "load", path, "--json", CHANNELS_FILE=str(channels))
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
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
def test_the_command_shows_the_code_of_a_file_that_is_refused(command: Command, tmp_path: Path, name: str) -> None:
    case = FILES[name]
    (tmp_path / case.name).write_bytes(case.content)
    result = command("responses", "load", tmp_path / case.name, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error_code"] == case.code


def test_the_name_of_a_column_runs_in_no_spreadsheet(flow: Flow, tmp_path: Path) -> None:
    file = taken_in(flow, FILES["a column whose name looks like a formula refuses a row"], tmp_path)
    load_responses(flow.bridge, file.id)
    assert b'"value-too-long","\'@SUM(A1)"' in b"".join(
        flow.bridge.rejects.chunks(blob_names.response_reject_file(file.id))
    )
