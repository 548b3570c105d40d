"""A ledger of the version before migration 6, with broadcasts and response files in every state, goes on.

`upgrade/af611cc.sql` is the response database as the code of commit af611cc left it after a day with the simulator:
every row was written by that code; names of hosts are replaced.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from shared.broadcast import ENDED, ORDER, RESTING, Broadcast, RouteKind, State
from shared.database.connections import Database
from shared.errors import LeaseLost, ResponseFileLayout, SchemaOutOfDate
from shared.ledger import Ledger
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Kind
from shared.ledger.responses import staging
from shared.ledger.responses.files import record_load
from shared.ledger.schema import Schema
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.routes.closed_loop import ClosedLoopRoute
from shared.routes.import_job import ImportJobRoute
from shared.routes.sending_batch import SendingBatchRoute
from tests.clocks import MovableClock

pytestmark = pytest.mark.sqlite

_DUMP: Final = Path(__file__).parent / "upgrade" / "af611cc.sql"
_NOW: Final = datetime(2026, 12, 1, tzinfo=UTC)
_ROUTES: Final[dict[RouteKind, Any]] = {
    RouteKind.IMPORT_JOB: ImportJobRoute,
    RouteKind.CLOSED_LOOP: ClosedLoopRoute,
    RouteKind.SENDING_BATCH: SendingBatchRoute,
}
#: What that code wrote to `response_file`, in the order of a file's life.
_SEE_FIRST: Final = """DELETE FROM response_file WHERE name = :name AND state = 'seen' AND size != :size"""
_SEE: Final = """INSERT INTO response_file
    (name, size, modified, state, seen_at, due_at, attempts, layout, left_rounds)
    VALUES (:name, :size, :now, 'seen', :now, :now, 0, 'default', 0)"""
_GATHER: Final = """UPDATE response_file SET state = 'gathered', sha256 = '00', gathered_at = :now, due_at = :now,
    left_rounds = 0, left_code = NULL WHERE name = :name AND size = :size AND state = 'seen'"""
_TRY: Final = """UPDATE response_file SET attempts = attempts + 1, due_at = :now WHERE name = :name AND size = :size"""
_LOAD: Final = """UPDATE response_file SET state = 'loaded', loaded_at = :now, rows_read = 1, rows_loaded = 1,
    rows_known = 0, rows_rejected = 0, rows_unmatched = 0, by_type = '{}', error_code = NULL, error = NULL
    WHERE name = :name AND size = :size AND state = 'gathered'"""


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Database]:
    """The database as that code left it."""
    path = tmp_path / "RS_Upgrade.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_DUMP.read_text(encoding="utf-8"))
    with closing(Database(f"sqlite:///{path}", "RS_DB")) as database:
        yield database


@pytest.fixture
def database(old: Database) -> Database:
    """The upgraded database."""
    Schema(old).migrate()
    return old


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger.over(database, lease_seconds=60, clock=MovableClock(_NOW))


def columns_of(database: Database) -> dict[str, list[str]]:
    """The columns of every table but that of migrations."""
    with database.reading() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars().all()
        info = text("SELECT name FROM pragma_table_info(:name)")
        return {name: list(connection.execute(info, {"name": name}).scalars()) for name in set(names) - {"migration"}}


def rows_of(database: Database, columns: dict[str, list[str]]) -> dict[str, list[tuple[object, ...]]]:
    """Every row of these columns."""
    with database.reading() as connection:
        rows = {}
        for name, names in columns.items():
            kept = ", ".join(f'"{column}"' for column in names)
            rows[name] = [tuple(row) for row in connection.execute(text(f'SELECT {kept} FROM "{name}" ORDER BY 1, 2'))]  # noqa: S608
        return rows


def test_the_upgrade_changes_no_row(old: Database) -> None:
    columns = columns_of(old)
    before = rows_of(old, columns)
    with pytest.raises(SchemaOutOfDate):
        Schema(old).check()
    assert Schema(old).migrate()[0].number == 6
    Schema(old).check()
    assert rows_of(old, columns) == before
    assert len(before["broadcast"]) == 14


def test_broadcasts_of_every_state_go_on_to_their_end(ledger: Ledger) -> None:
    broadcasts = ledger.broadcasts.newest(100)
    assert {broadcast.state for broadcast in broadcasts} == set(State)
    for broadcast in broadcasts:
        before = len(ledger.broadcasts.history(broadcast))
        path = _rest_of_the_way(broadcast)
        for state in path:
            with ledger.database.writing() as connection:
                broadcast = advance(connection, broadcast, state, owner="new code", note="", now=_NOW)  # noqa: PLW2901
        history = ledger.broadcasts.history(broadcast)
        assert broadcast.state in ENDED
        assert [State(row.to_state) for row in history[before:]] == path


def _rest_of_the_way(broadcast: Broadcast) -> list[State]:
    if broadcast.state in ENDED:
        return []
    if broadcast.state in RESTING:
        return list(ORDER[ORDER.index(State.STAGED) :])  # as an operator decides
    return list(ORDER[ORDER.index(broadcast.state) + 1 :])


def test_the_evidence_of_every_effect_is_read(ledger: Ledger) -> None:
    read = set()
    for broadcast in ledger.broadcasts.newest(100):
        route = _ROUTES[broadcast.request.route]
        for kind, evidence_class in ((Kind.COPY, "prepared_evidence"), (Kind.UPLOAD, "transfer_evidence")):
            effect = ledger.effects.find(broadcast, kind)
            if effect is not None:
                evidence = json.loads(json.dumps(getattr(route, evidence_class).from_json(effect.evidence).to_json()))
                assert evidence.items() <= effect.evidence.items()
                read.add((broadcast.request.route, kind))
    assert read == {*product(_ROUTES, (Kind.COPY, Kind.UPLOAD))} - {(RouteKind.CLOSED_LOOP, Kind.COPY)}


def test_response_files_of_every_state_go_on(ledger: Ledger) -> None:
    files, ended = ledger.response_files, set()
    assert {file.state for file in files.newest(100)} == set(FileState)
    for file in files.newest(100):
        assert (file.version, files.history(file)) == (1, [])
        if file.has_vanished:
            file = files.advance(file, FileState.SEEN, owner="gatherer", note="there again")  # noqa: PLW2901
        if file.state is FileState.SEEN:
            kept = {"sha256": "00", "gathered_at": _NOW}
            file = files.advance(file, FileState.GATHERED, owner="gatherer", note="copied", **kept)  # noqa: PLW2901
        if file.state in {FileState.LOADED, FileState.FAILED}:
            file = files.load_again(file, due_at=_NOW, owner="operator")  # noqa: PLW2901
        file = files.update(file, attempts=file.attempts + 1)  # noqa: PLW2901
        if file.id % 2:
            file = files.fail(file, ResponseFileLayout(file=file.name, reason="of a test"), owner="loader")  # noqa: PLW2901
            assert file.state is (FileState.FAILED if file.counts is None else FileState.LOADED)
        else:
            file = _load(ledger, file)  # noqa: PLW2901
            assert file.state is FileState.LOADED
        assert files.history(file)[-1].to_state == file.state
        ended.add(file.state)
    assert ended == {FileState.LOADED, FileState.FAILED}


def _load(ledger: Ledger, file: ResponseFile) -> ResponseFile:
    staging.clear(ledger.database, file)
    nothing = LoadCounts(read=1, loaded=0, known=0, rejected=1, unmatched=0)
    with ledger.database.writing() as connection:
        return record_load(connection, file, nothing, {}, owner="loader", now=_NOW)


def test_the_sweep_finds_what_the_old_code_left(ledger: Ledger) -> None:
    found = {file.name for file in ledger.response_files.forgotten(limit=100)}
    assert found == {"Response-gathered.csv", "Response-tried.csv", "Response-again.csv"}
    assert {one.state for one in ledger.broadcasts.forgotten(limit=100)} == set(State) - RESTING


def test_the_old_code_still_works_on_the_new_tables(ledger: Ledger) -> None:
    """It runs until the new code is deployed, beside it."""
    files = ledger.response_files

    def write(statement: str, size: int = 2) -> int:
        values = {"name": "Response-old.csv", "size": size, "now": "2026-12-01 00:00:00.000000"}
        with ledger.database.writing() as connection:
            return connection.execute(text(statement), values).rowcount

    files.add("Response-old.csv", 1, _NOW, layout="default", owner="new code", note="seen")
    assert write(_SEE_FIRST) == 1  # a row with a history
    assert write(_SEE) == 1
    seen = files.find("Response-old.csv", 2, _NOW)
    assert seen is not None
    assert (seen.state, seen.version, files.history(seen)) == (FileState.SEEN, 1, [])
    assert write(_GATHER) == 1
    with pytest.raises(LeaseLost):
        files.advance(seen, FileState.GATHERED, owner="new code", note="copied")
    gathered = files.update(files.get(seen.id), attempts=1)
    assert write(_TRY) == 1
    assert write(_LOAD) == 1
    with pytest.raises(LeaseLost):
        files.fail(gathered, ResponseFileLayout(file=gathered.name, reason="of a test"), owner="new code")
    loaded = files.get(seen.id)
    assert (loaded.state, loaded.attempts, loaded.version) == (FileState.LOADED, 2, 2)
    assert files.load_again(loaded, due_at=_NOW, owner="operator").version == 3
