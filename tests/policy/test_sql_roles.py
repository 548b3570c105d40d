"""The permissions that infra/sql grants are exactly those that the code needs."""

import inspect
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlglot
from sqlalchemy import Alias, Column, Connection, Delete, Engine, Insert, Select, Table, Update, event, insert, update
from sqlalchemy.dialects import mssql
from sqlalchemy.sql import visitors
from sqlglot import exp

from shared.broadcast import Broadcast, RowCounts, State
from shared.database.connections import Database
from shared.faststats.ps_db import PsDb
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.names import PsDbSchema, RsDbSchema, WsDbSchema
from shared.faststats.ws_db import WsDb
from shared.ledger.responses.staging import batches as batches_of_responses
from shared.ledger.schema import Schema
from shared.ledger.tables import metadata, response_candidate, response_event, response_staging, unmatched_response
from shared.response import Stated
from tests.builders import make_broadcast, make_request
from tests.clocks import MovableClock

FOLDER = Path(__file__).parents[2] / "infra" / "sql"
SCRIPTS = sorted(FOLDER.glob("*.sql"))
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MSSQL = mssql.dialect()  # type: ignore[no-untyped-call]  # theirs
#: Statements that sqlglot's tsql does not parse: users, logins, roles, permissions and the data source of BULK INSERT.
NOT_PARSED = (
    "CREATE ROLE",
    "ALTER ROLE",
    "CREATE USER",
    "CREATE LOGIN",
    "GRANT",
    "CREATE DATABASE SCOPED",
    "CREATE EXTERNAL",
)
GRANT = re.compile(
    r"GRANT (?P<right>[A-Z ]+?)(?: \((?P<columns>[\w, ]+)\))?(?: ON (?P<kind>[A-Z ]+)::(?P<name>\S+))?"
    r" TO (?P<role>\w+);"
)

#: Methods for the role bridge_erasure only.
ERASING = {"responses_of", "every_response", "anonymise", "remove_responses"}
#: Permissions by table or schema, each with its columns; None: all columns.
Rights = dict[str, dict[str, frozenset[str] | None]]


@dataclass(frozen=True, slots=True)
class Grant:
    """One GRANT."""

    right: str
    columns: frozenset[str] | None
    #: The class of the securable, such as OBJECT or SCHEMA; None: the database.
    kind: str | None
    name: str
    role: str


def batches(script: Path) -> list[str]:
    text = re.sub(r"--.*", "", script.read_text()).replace("$(FastStatsSchema)", "dbo")
    return [
        part.strip()
        for part in re.split(r"^GO$", re.sub(r"\$\(\w+\)", "given", text), flags=re.MULTILINE)
        if part.strip()
    ]


def grants(*scripts: str) -> list[Grant]:
    """Every permission that the scripts grant."""
    result = []
    for script in scripts:
        text = "\n".join(batches(FOLDER / script))
        matches = list(GRANT.finditer(text))
        assert len(matches) == text.count("GRANT "), "each GRANT has one permission, one securable and one role"
        for match in matches:
            columns = None if match["columns"] is None else frozenset(match["columns"].split(", "))
            name = re.sub(r"[\[\]]", "", match["name"] or "")
            result.append(Grant(match["right"], columns, match["kind"], name, match["role"]))
    return result


def on_tables_of_faststats(script: str, role: str = "bridge_app") -> Rights:
    rights: Rights = defaultdict(dict)
    for grant in grants(script):
        if grant.kind == "OBJECT" and grant.role == role:
            schema, table = grant.name.split(".")
            assert schema == "dbo"
            rights[table][grant.right] = grant.columns
    return dict(rights)


# The scripts


def test_there_are_scripts_for_both_databases_and_both_logins() -> None:
    assert {script.stem for script in SCRIPTS} == {
        "rs_db_roles",
        "ws_db_roles",
        "ps_db_roles",
        "user_managed_identity",
        "user_sql_login",
        "login",
        "bulk_insert",
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_every_statement_of_a_script_is_t_sql(script: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "sqlglot"):  # it warns about unparsed statements, which are checked here
        parsed = [statement for batch in batches(script) for statement in sqlglot.parse(batch, dialect="tsql")]
    for statement in parsed:
        assert statement is not None
        for unparsed in statement.find_all(exp.Command):
            assert unparsed.sql("tsql").startswith(NOT_PARSED)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_and_the_page_name_its_variables(script: Path) -> None:
    text = script.read_text()
    head = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    line = next(
        line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith(f"| `{script.name}`")
    )
    used = set(re.findall(r"\$\((\w+)\)", text))
    assert used
    assert {name for name in used if name not in head} == set()
    assert {name for name in used if f"`{name}`" not in line} == set()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_can_be_run_again(script: Path) -> None:
    """CREATE fails if the object exists; GRANT and ALTER ROLE … ADD MEMBER do not."""
    for statement in re.split(r";|^GO$", "\n".join(batches(script)), flags=re.MULTILINE):
        if re.search(r"\bCREATE (?!TABLE\b)", statement):
            assert re.match(r"\s*IF (NOT EXISTS|\w+\(N'[^']+'\) IS NULL)", statement), statement


# The bridge's own tables


def test_the_app_reads_and_writes_every_table_of_the_ledger_and_alters_none() -> None:
    on_schema = {
        grant.right for grant in grants("rs_db_roles.sql") if (grant.kind, grant.role) == ("SCHEMA", "bridge_app")
    }
    assert on_schema == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert {table.schema for table in metadata.sorted_tables} == {"bridge"}
    assert {grant.name for grant in grants("rs_db_roles.sql") if grant.kind == "SCHEMA"} == {"bridge"}


def test_migrations_have_permissions_on_the_schema_bridge_only() -> None:
    granted = {(grant.right, grant.kind) for grant in grants("rs_db_roles.sql") if grant.role == "bridge_migrations"}
    rights = ("ALTER", "REFERENCES", "SELECT", "INSERT", "UPDATE", "DELETE")
    assert granted == {("CREATE TABLE", None), *((right, "SCHEMA") for right in rights)}


def test_permissions_are_granted_to_the_three_roles_only() -> None:
    granted = grants(*(script.name for script in SCRIPTS))
    assert {grant.role for grant in granted} == {"bridge_app", "bridge_migrations", "bridge_erasure"}
    on_database = {(grant.right, grant.role) for grant in granted if grant.kind is None}
    assert on_database == {
        ("CREATE TABLE", "bridge_migrations"),
        ("ADMINISTER DATABASE BULK OPERATIONS", "bridge_app"),
    }, "bulk_insert.sql is optional"
    everything = "".join(script.read_text() for script in SCRIPTS)
    assert not re.search(r"\bdb_(owner|ddladmin|datareader|datawriter)\b|\bCONTROL\b|WITH GRANT OPTION", everything)


# Tables of FastStats


def test_permissions_in_ws_db_are_those_that_the_code_needs(tmp_path: Path) -> None:
    schema = WsDbSchema("UTC")
    database = Database(f"sqlite:///{tmp_path / 'ws.sqlite'}", "WS_DB")
    job = {
        "priority": 1,
        "state": schema.states["waiting"],
        "system_name": "Holidays",
        "job_type": schema.broadcast_job_type,
    }
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.job_queue).values(time_added=NOW, cancel_requested=0, **job))
    ws_db = WsDb(database, schema, server="bridge", clock=MovableClock(NOW))
    assert public_methods(WsDb) == {
        *("claim", "orphans", "clear_claim_marks", "end_cancelled", "cancel_requested"),
        *("add_summary_line", "report_progress", "report", "refuse", "finish"),
    }, "call it below, unless it only calls the others"
    with needed_rights(database.engine) as needed:
        (claimed,) = ws_db.claim()
        assert ws_db.orphans(after=0, claimed_before=NOW + timedelta(days=1)) == [claimed]
        ws_db.clear_claim_marks([claimed.id])
        assert ws_db.end_cancelled() == 0
        assert not ws_db.cancel_requested(claimed.id)
        ws_db.add_summary_line(claimed.id, "sent")
        ws_db.finish(claimed.id, {"Sent": 1})
    database.close()
    check(on_tables_of_faststats("ws_db_roles.sql"), needed)


def test_permissions_in_rs_db_are_those_that_the_code_needs(tmp_path: Path) -> None:
    schema = RsDbSchema("UTC")
    database = Database(f"sqlite:///{tmp_path / 'rs.sqlite'}", "RS_DB")
    rs_db = RsDb(schema)
    assert public_methods(RsDb) == {
        "find_broadcast",
        "record_prepared",
        "record_delivered",
        "add_responses",
        "complete_responses",
        "attribute",
        "count_by_type",
        "count_matched",
        *ERASING,
    }, "call it below"
    Schema(database).migrate()
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        stage_response(connection)
        with needed_rights(database.engine) as needed:
            number = rs_db.record_prepared(connection, broadcast())
            rs_db.record_delivered(connection, broadcast(rs_broadcast_id=number))
            assert rs_db.record_prepared(connection, broadcast(rs_broadcast_id=number)) == number
            assert rs_db.find_broadcast(connection, broadcast()) == number
            (batch,) = batches_of_responses(connection, "load")
            rs_db.add_responses(connection, batch)
            complete_by_load(connection)
            assert rs_db.complete_responses(connection, "load") == [(7, "Open", -1), (7, "Click", 1)]
            rs_db.attribute(connection, unmatched_response.c.response_id > 0)
            assert rs_db.count_by_type(connection) == {"Click": 1}
            assert rs_db.count_matched(connection, unmatched_response.c.response_id > 0) == []
    database.close()
    check(on_tables_of_faststats("rs_db_roles.sql"), needed)


def test_permissions_for_erasure_are_those_that_the_code_needs(tmp_path: Path) -> None:
    schema = RsDbSchema("UTC")
    database = Database(f"sqlite:///{tmp_path / 'rs.sqlite'}", "RS_DB")
    rs_db = RsDb(schema)
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        with needed_rights(database.engine) as needed:
            values = {"addresses": ["a@example.org"], "urns": ["1"], "communication_keys": ["K1"]}
            assert rs_db.responses_of(connection, **values) == []
            assert list(rs_db.every_response(connection)) == []
            rs_db.anonymise(connection, [1])
            rs_db.remove_responses(connection, [1])
    database.close()
    rights = on_tables_of_faststats("rs_db_roles.sql", "bridge_erasure")
    for permissions in rights.values():
        permissions["VIEW DEFINITION"] = None  # through bridge_app, which is granted as well
    check(rights, needed)


def test_permissions_in_ps_db_are_those_that_the_code_needs(tmp_path: Path) -> None:
    schema = PsDbSchema("UTC")
    database = Database(f"sqlite:///{tmp_path / 'ps.sqlite'}", "PS_DB")
    with database.writing() as connection:
        schema.metadata.create_all(connection)
    assert public_methods(PsDb) == {"find_delivery"}, "call it below"
    with needed_rights(database.engine) as needed:
        assert PsDb(database, schema, clock=MovableClock(NOW)).find_delivery(UUID(int=1)) is None
    database.close()
    check(on_tables_of_faststats("ps_db_roles.sql"), needed)


def check(granted: Rights, needed: dict[str, dict[str, set[str]]]) -> None:
    rights = {table: set(permissions) - {"VIEW DEFINITION"} for table, permissions in granted.items()}
    assert rights == {table: set(permissions) for table, permissions in needed.items()}
    for table, permissions in granted.items():
        assert permissions.pop("VIEW DEFINITION") is None, "the columns are compared with the schema map"
        for right, columns in permissions.items():
            if columns is not None:
                assert columns == needed[table][right], f"{right} on {table}"


def public_methods(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


@contextmanager
def needed_rights(engine: Engine) -> Iterator[dict[str, dict[str, set[str]]]]:
    """Collects the columns that the executed statements use, by table and permission."""
    needed: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def collect(_connection: Any, statement: Any, *_more: Any) -> None:
        assert isinstance(statement, Select | Insert | Update | Delete)
        for element in visitors.iterate(statement):
            if isinstance(element, Column):
                named = element.table.element if isinstance(element.table, Alias) else element.table
                if isinstance(named, Table) and named.schema is None:
                    needed[named.name]["SELECT"].add(element.name)
        if isinstance(statement, Select):
            return
        assert isinstance(statement.table, Table)
        if statement.table.schema is not None:
            return  # ours
        rights = needed[statement.table.name]
        rights[type(statement).__name__.upper()].update(changed(statement))
        # On SQL Server, OUTPUT returns generated ids, which needs SELECT on them.
        if returned := re.findall(r"inserted\.\[?(\w+)", str(statement.compile(dialect=MSSQL))):
            rights["SELECT"].update(returned)

    event.listen(engine, "before_execute", collect)
    yield needed
    event.remove(engine, "before_execute", collect)


def changed(statement: Insert | Update | Delete) -> set[str]:
    """Names of the columns that an update sets."""
    if not isinstance(statement, Update):
        return set()
    columns = statement.table.c
    return {columns[name].name for name in statement._values or {} if isinstance(name, str)}


def broadcast(**columns: Any) -> Broadcast:
    rows = RowCounts(read=1, uploaded=1, rejected=0, duplicates=0, suppressed=0)
    return make_broadcast(State.UPLOADED, request=make_request(), rows=rows, **columns)


def complete_by_load(connection: Connection) -> None:
    """The staged row is an event that is recorded already, and states more than its response has, of another type."""
    place = {"event_key": b"1" * 16, "ordinal": 1}
    connection.execute(insert(response_event).values(**place, response_id=1, stated=0, broadcast_id=7))
    connection.execute(insert(response_candidate).values(**place, load_id="load", event_core=b"2" * 16, line=2))
    connection.execute(update(response_staging).values(message_type="Click", stated=sum(Stated)))


def stage_response(connection: Connection) -> None:
    """A new response, numbered."""
    row = {
        "load_id": "load",
        "line": 2,
        "place": 1,
        "response_file_id": 1,
        "event_key": b"0" * 16,
        "message_type": "Open",
        "event_time": NOW,
        "event_wall": NOW.replace(tzinfo=None),
        "details": '{"Client": "x"}',
    }
    texts = dict.fromkeys(("broadcast_key", "mailing_id", "email", "urn", "communication_key", "click_url"), "")
    connection.execute(insert(response_staging).values(**row, **texts))
