"""Rules of the customer on their tables: what one refuses is set aside with its name, and the rest is loaded."""

import csv
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.schema import CreateTable

from shared.broadcast import State
from shared.errors import DatabaseRuleBroken, ResponseFileRefused
from shared.faststats.schema_map.names import RsDbSchema
from shared.operations.responses import add_file, load_again
from shared.response_file import FileState, ResponseFile
from shared.steps.chores.match_responses import match_responses
from shared.storage import blob_names
from tests.builders import make_broadcast, make_request
from tests.databases import ZONE
from tests.flow.harness import Flow

RESPONSE = RsDbSchema(ZONE).response
COLUMNS = ", ".join(column.name for column in RESPONSE.c)
HEADER = "Email;Urn;CommunicationKey;MessageType;EventTriggeredDate;ClickUrl;Browser"
ROWS = 40

pytestmark = pytest.mark.sqlite


def execute(flow: Flow, *statements: str) -> None:
    """Play an administrator of the customer."""
    with closing(sqlite3.connect(str(flow.bridge.rs_database.engine.url.database), timeout=60)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def recreate(flow: Flow, *rules: str) -> None:
    """Make `Response` again, with columns or constraints of theirs in place of earlier ones, and with the same rows."""
    execute(
        flow,
        "CREATE TABLE kept AS SELECT * FROM Response",
        "DROP TABLE Response",
        _created(flow, rules),
        f"INSERT INTO Response ({COLUMNS}) SELECT {COLUMNS} FROM kept",  # noqa: S608 - our own names
        "DROP TABLE kept",
    )


def _created(flow: Flow, rules: tuple[str, ...]) -> str:
    made = str(CreateTable(RESPONSE).compile(flow.bridge.rs_database.engine)).rstrip().removesuffix(")")
    if "CONSTRAINT ck_url CHECK (1)" in rules:
        made = made.replace('"ClickUrl" VARCHAR(2000)', '"ClickUrl" VARCHAR(2000) NOT NULL')
    for rule in rules:
        if rule.startswith("CONSTRAINT"):
            made += f", {rule}"
        else:
            made = made.replace("(", f"({rule}, ", 1)
    return f"{made})"


def take(flow: Flow, path: Path, lines: list[str], name: str = "Response1.csv") -> ResponseFile:
    file = path / name
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    return add_file(flow.bridge, file)


def line(number: int, *, kind: str = "Open", minute: int | None = None, browser: str = "X") -> str:
    minute = number % 60 if minute is None else minute
    key = f"{kind}-{number}"
    return f"{number}@example.com;{number};{key};{kind};01.03.2026 10:{minute:02};https://e.com/{number};{browser}"


def urns(flow: Flow) -> list[str]:
    with flow.bridge.rs_database.reading() as connection:
        return sorted(connection.scalars(select(RESPONSE.c.urn)), key=int)


def rejects(flow: Flow, file: ResponseFile) -> list[list[str]]:
    content = b"".join(flow.bridge.rejects.chunks(blob_names.response_reject_file(file.id)))
    header, *rows = csv.reader(content.decode("utf-8-sig").splitlines())
    assert header == ["Line", "Reason", "Column"]
    return rows


#: What an administrator did; the rows that it refuses; what the reason names; how the rule is removed.
TRIGGER = "CREATE TRIGGER trg_no_7 BEFORE INSERT ON Response WHEN NEW.Urn IN ('7', '13') BEGIN SELECT {}; END"
CASES: dict[str, tuple[list[str], list[str], list[int], str]] = {
    "a check": ([], ["CONSTRAINT ck_urn CHECK (Urn NOT IN ('7', '13'))"], [7, 13], "ck_urn"),
    "a foreign key": (
        ["CREATE TABLE People (Urn TEXT PRIMARY KEY)"]
        + [f"INSERT INTO People SELECT '{number}'" for number in range(ROWS) if number not in {7, 13}],
        ["CONSTRAINT fk_people FOREIGN KEY (Urn) REFERENCES People (Urn)"],
        [7, 13],
        "fk_people",
    ),
    "a raising trigger": ([TRIGGER.format("RAISE(ABORT, 'urn 7 of 7@example.com')")], [], [7, 13], "trg_no_7"),
    "a trigger that rolls back": (
        [TRIGGER.format("RAISE(ROLLBACK, 'urn 7 of 7@example.com')")],
        [],
        [7, 13],
        "trg_no_7",
    ),
    "a trigger whose text looks like another error": (
        [TRIGGER.format("RAISE(ABORT, 'no such table: 7@example.com')")],
        [],
        [7, 13],
        "trg_no_7",
    ),
    "a trigger that fails": ([TRIGGER.format("RAISE(FAIL, 'no')")], [], [7, 13], "trg_no_7"),
    "a trigger that ignores rows": ([TRIGGER.format("RAISE(IGNORE)")], [], [7, 13], "trg_no_7"),
    "a trigger that removes rows": (
        [
            (
                "CREATE TRIGGER trg_gone AFTER INSERT ON Response WHEN NEW.Urn IN ('7', '13') "
                "BEGIN DELETE FROM Response WHERE Id = NEW.Id; END"
            )
        ],
        [],
        [7, 13],
        "trg_gone",
    ),
    "a trigger whose own table refuses": (
        [
            "CREATE TABLE Audit (Urn TEXT CONSTRAINT ck_audit CHECK (Urn NOT IN ('7', '13')))",
            "CREATE TRIGGER trg_audit AFTER INSERT ON Response BEGIN INSERT INTO Audit VALUES (NEW.Urn); END",
        ],
        [],
        [7, 13],
        "ck_audit",
    ),
    "a unique index, two rows of the file": (
        ["CREATE UNIQUE INDEX ux_minute ON Response (EventTriggeredDate, Urn % 7)"],
        [],
        [],
        "ux_minute",
    ),
    "a column that holds no null": ([], ["CONSTRAINT ck_url CHECK (1)"], [7], "NOT NULL column Response.ClickUrl"),
    "details that are refused": (
        [
            (
                "CREATE TRIGGER trg_details BEFORE INSERT ON ResponseDetails WHEN NEW.Value = 'bad' "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        ],
        [],
        [20],
        "trg_details of ResponseDetails",
    ),
    "an expression that fails for some rows": (
        [],
        ["CONSTRAINT ck_json CHECK (json_extract(CASE Urn WHEN '9' THEN '{' ELSE '{}' END, '$.a') IS NULL)"],
        [9],
        "Response",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_row_that_a_rule_refuses_is_set_aside_with_its_name_and_the_rest_is_loaded(
    flow: Flow, tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, rules, bad, named = CASES[case]
    flow.bridge.rs_check.require()  # a bridge that runs already
    execute(flow, *made)
    if rules:
        recreate(flow, *rules)
    lines = [line(number, browser="bad" if number == 20 else "X") for number in range(ROWS)]
    if case == "a column that holds no null":
        lines[7] = lines[7].replace("https://e.com/7", "")
    if case.startswith("a unique index"):
        lines += [line(number, kind="Click") for number in (3, 4)]
        bad = [ROWS, ROWS + 1]
    file = take(flow, tmp_path, lines)
    counts = load_again(flow.bridge, file.id)
    assert (counts.read, counts.loaded, counts.known, counts.rejected) == (
        len(lines),
        len(lines) - len(bad),
        0,
        len(bad),
    )
    good = [number for number in range(len(lines)) if number not in bad]
    assert urns(flow) == [lines[number].split(";")[1] for number in good]
    found = rejects(flow, file)
    assert [(int(one[0]), one[1]) for one in found] == [(number + 2, "database-rule") for number in bad]
    assert all(named in one[2] for one in found), found
    loaded = flow.bridge.ledger.response_files.get(file.id)
    assert (loaded.state, loaded.error_code) == (FileState.LOADED, "response-file-rows")
    assert named in str(loaded.error)
    assert "example.com" not in str(loaded.error) + str(found) + caplog.text
    assert "IntegrityError" not in caplog.text

    # Until the rule is changed the same rows are refused; then a replay loads them and nothing else.
    again = load_again(flow.bridge, file.id)
    assert (again.loaded, again.known, again.rejected) == (0, len(good), len(bad))
    with flow.bridge.rs_database.reading() as connection:
        triggers = list(connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")))
        indexes = list(connection.scalars(text("SELECT name FROM sqlite_master WHERE name LIKE 'ux%'")))
    execute(flow, *(f"DROP TRIGGER {name}" for name in triggers), *(f"DROP INDEX {name}" for name in indexes))
    if rules:
        recreate(flow)
    last = load_again(flow.bridge, file.id)
    assert (last.read, last.loaded, last.known, last.rejected) == (len(lines), len(bad), len(good), 0)
    assert Counter(urns(flow)) == Counter(one.split(";")[1] for one in lines)
    assert flow.bridge.rejects.find(blob_names.response_reject_file(file.id)) is None
    assert flow.bridge.ledger.response_files.get(file.id).error_code is None


EVERY: dict[str, tuple[list[str], list[str], str]] = {
    "a check": ([], ["CONSTRAINT ck_none CHECK (Urn = 'nobody')"], "ck_none"),
    "a column without a default that the bridge does not know": ([], ["Tenant INTEGER NOT NULL"], "Tenant"),
    "a trigger": (
        ["CREATE TRIGGER trg_all BEFORE INSERT ON Response BEGIN SELECT RAISE(ABORT, '1@example.com'); END"],
        [],
        "trg_all",
    ),
    "a trigger that rolls back": (
        ["CREATE TRIGGER trg_all BEFORE INSERT ON Response BEGIN SELECT RAISE(ROLLBACK, '1@example.com'); END"],
        [],
        "trg_all",
    ),
    "a trigger that refers to nothing": (
        ["CREATE TRIGGER trg_old AFTER INSERT ON Response BEGIN INSERT INTO gone VALUES (1); END"],
        [],
        "Response",
    ),
    "a constraint that is checked at the end": (
        ["CREATE TABLE People (Urn TEXT PRIMARY KEY)"],
        ["CONSTRAINT fk_late FOREIGN KEY (Urn) REFERENCES People (Urn) DEFERRABLE INITIALLY DEFERRED"],
        "fk_late",
    ),
}


@pytest.mark.parametrize("case", EVERY)
def test_a_rule_that_refuses_every_row_stops_the_file_with_an_entry_of_the_catalogue(
    flow: Flow, tmp_path: Path, case: str
) -> None:
    made, rules, named = EVERY[case]
    flow.bridge.rs_check.require()  # a bridge that runs already
    execute(flow, *made)
    if rules:
        recreate(flow, *rules)
    file = take(flow, tmp_path, [line(number) for number in range(ROWS)])
    with pytest.raises(ResponseFileRefused) as refused:
        load_again(flow.bridge, file.id)
    assert named in str(refused.value)
    assert "example.com" not in str(refused.value)
    failed = flow.bridge.ledger.response_files.get(file.id)
    assert (failed.state, failed.error_code) == (FileState.FAILED, "response-file-refused")
    assert f"bridge responses replay --file {file.name}" in str(failed.error)
    assert urns(flow) == []


def test_rows_that_are_refused_by_the_file_and_by_a_rule_are_in_one_reject_file(flow: Flow, tmp_path: Path) -> None:
    recreate(flow, "CONSTRAINT ck_urn CHECK (Urn <> '1')")
    broken = line(2).replace("01.03.2026", "yesterday")
    file = take(flow, tmp_path, [line(0), line(1), broken, line(3)])
    counts = load_again(flow.bridge, file.id)
    assert (counts.read, counts.loaded, counts.rejected) == (4, 2, 2)
    assert rejects(flow, file) == [
        ["4", "date-invalid", "EventTriggeredDate"],
        ["3", "database-rule", "CHECK constraint ck_urn of Response"],
    ]


def test_many_rows_of_a_large_file_are_found(flow: Flow, tmp_path: Path) -> None:
    """Every second of 12,000 rows, over the borders of a batch."""
    recreate(flow, "CONSTRAINT ck_odd CHECK (Urn % 20 <> 1)")
    file = take(flow, tmp_path, [line(number) for number in range(12_000)])
    counts = load_again(flow.bridge, file.id)
    assert (counts.loaded, counts.rejected) == (11_400, 600)
    assert len(rejects(flow, file)) == 600


def test_a_late_match_that_a_rule_refuses_keeps_no_other_response_from_its_broadcast(
    flow: Flow, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = flow.bridge
    job_id = flow.order()
    flow.poll()
    key = flow.broadcast(job_id).key
    header = HEADER.replace("Browser", "BroadcastKey")
    file = tmp_path / "Response-late.csv"
    file.write_text("\n".join([header, *(line(number, browser=key) for number in range(9))]) + "\n")
    assert load_again(bridge, add_file(bridge, file).id).unmatched == 9
    execute(
        flow,
        "CREATE TRIGGER trg_late BEFORE UPDATE ON Response WHEN OLD.Urn = '4' AND NEW.BroadcastId IS NOT NULL "
        "BEGIN SELECT RAISE(ROLLBACK, '4@example.com'); END",
    )
    with bridge.rs_database.writing() as connection:
        rs_id = connection.scalar(
            text("INSERT INTO Broadcasts (Broadcaster, ListName) VALUES ('Optimizely', 'x') RETURNING Id")
        )
        connection.execute(text(f"UPDATE broadcast SET rs_broadcast_id = {rs_id} WHERE key = '{key}'"))  # noqa: S608
    assert match_responses(bridge.ledger, bridge.rs_db) == 8
    assert "trg_late" in caplog.text
    assert "example.com" not in caplog.text
    execute(flow, "DROP TRIGGER trg_late")
    assert match_responses(bridge.ledger, bridge.rs_db) == 1
    with bridge.rs_database.reading() as connection:
        assert set(connection.scalars(select(RESPONSE.c.broadcast_id))) == {rs_id}


def test_a_rule_of_another_table_is_reported_by_whoever_writes_it(flow: Flow) -> None:
    bridge = flow.bridge
    broadcast = make_broadcast(State.PREPARED, request=make_request(7))
    for table, statement in (("Broadcasts", "INSERT"), ("BroadcastsDetail", "INSERT")):
        execute(
            flow,
            f"CREATE TRIGGER trg_{table} BEFORE {statement} ON {table} BEGIN SELECT RAISE(ABORT, 'a@example.com'); END",
        )
        with pytest.raises(DatabaseRuleBroken) as refused, bridge.rs_database.writing() as connection:
            bridge.rs_db.record_prepared(connection, broadcast)
        assert f"{table} in RS_DB refuses what the bridge writes (trigger trg_{table})" in str(refused.value)
        assert "example.com" not in str(refused.value)
        execute(flow, f"DROP TRIGGER trg_{table}")


def test_a_rule_of_the_job_queue_is_reported_and_its_triggers_hide_no_job(flow: Flow) -> None:
    ws_db, file = flow.bridge.ws_db, str(flow.ws_database.engine.url.database)
    assert ws_db is not None
    job_id = flow.order()
    with closing(sqlite3.connect(file, timeout=60)) as theirs:
        theirs.execute("CREATE TABLE Copied (JobID INTEGER)")
        # Statements of its own, which count rows of their own.
        theirs.execute(
            "CREATE TRIGGER trg_queue AFTER UPDATE ON JobQueue BEGIN INSERT INTO Copied VALUES (NEW.JobID); "
            "DELETE FROM Copied WHERE JobID < 0; END"
        )
    assert [job.id for job in ws_db.claim()] == [job_id]
    ws_db.finish(job_id, {"State": "closed"})
    assert flow.job(job_id) == ("done", {"State": "closed"})
    flow.order(seed=2)
    with closing(sqlite3.connect(file, timeout=60)) as theirs:
        theirs.execute(
            "CREATE TRIGGER trg_no BEFORE UPDATE ON JobQueue BEGIN SELECT RAISE(ABORT, 'x@example.com'); END"
        )
    with pytest.raises(DatabaseRuleBroken, match=r"JobQueue in WS_DB .*trg_no"):
        ws_db.claim()
