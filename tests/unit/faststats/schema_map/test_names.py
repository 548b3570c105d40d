"""The schema map: valid and invalid files, their error messages, and quoting of names in SQL."""

import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlglot
from sqlalchemy import event
from sqlalchemy.dialects import mssql
from sqlalchemy.schema import CreateTable
from typer.testing import CliRunner

from cli.main import app
from cli.schema_map import page
from shared.database.connections import Database
from shared.errors import SettingsInvalid
from shared.faststats.command_xml import XmlPath, parse_command
from shared.faststats.ps_db import PsDb
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map import spec
from shared.faststats.schema_map.names import PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema, present
from shared.faststats.ws_db import WsDb
from shared.ledger.schema import Schema
from tests.clocks import MovableClock
from tests.databases import ZONE
from tests.unit.faststats.conftest import NOW
from tests.unit.faststats.test_rs_db import BROADCAST, OPEN, add

SECTIONS = {section: entries for database in spec.DATABASES for section, entries in database.sections()}


def load(folder: Path, text: str | bytes) -> SchemaMap:
    file = folder / "map.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return SchemaMap.load(file)


def test_without_a_file_the_names_are_the_published_ones() -> None:
    names = SchemaMap.load(None)
    assert names.name("ws_db.job_queue.job_id") == "JobID"
    assert names.value("ws_db.states.waiting") == "unassigned"
    assert str(names.path("ws_db.command.file_path")) == "FilePath"


def test_a_file_contains_only_the_names_that_differ(tmp_path: Path) -> None:
    names = load(
        tmp_path,
        """
        [ws_db]
        schema = "faststats_schema"
        [ws_db.job_queue]
        table = "Job Queue"
        priority = ""
        state = "Größe"
        [ws_db.states]
        waiting = 0
        claimed = 1
        done = 2
        failed = 3
        cancelled = -1
        [ps_db.command]
        run = "Campaign/Run | Run"
        """,
    )
    schema = WsDbSchema(ZONE, names)
    assert (schema.job_queue.schema, schema.job_queue.name) == ("faststats_schema", "Job Queue")
    assert "priority" not in schema.job_queue.c
    assert schema.job_queue.c.state.name == "Größe"
    assert (schema.states["waiting"], schema.states["cancelled"]) == (0, -1)
    assert PsDbSchema(ZONE, names).paths["run"] == XmlPath(("Campaign/Run", "Run"))
    assert RsDbSchema(ZONE, names).broadcasts.name == "Broadcasts"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[ws]", "ws is unknown; valid keys: ws_db, rs_db, ps_db"),
        ("ws_db = 1", "ws_db is unknown"),
        ("[ws_db.job_queu]", "ws_db.job_queu is unknown; valid keys: schema, job_queue, commands, results,"),
        ("[ws_db.job_queue]\nprio = 'a'", "ws_db.job_queue.prio is unknown; valid keys: table, job_id, time_added,"),
        ("[ws_db.job_queue.priority]\nname = 'a'", "ws_db.job_queue.priority must be text in quotes"),
        ("[ws_db.job_queue]\npriority = 1", "ws_db.job_queue.priority must be text in quotes"),
        ("[ws_db.job_queue]\nstate = ''", "ws_db.job_queue.state is required and cannot be empty"),
        ("[ws_db.job_queue]\ntable = ''", "ws_db.job_queue.table is required and cannot be empty"),
        ("[ws_db.job_queue]\nserver = 'State'", "ws_db.job_queue.server and ws_db.job_queue.state have the same name"),
        ("[ws_db.job_queue]\nserver = 'sTATE'", "have the same name"),
        ("[ws_db.results]\ntable = 'JobQueue'", "have the same name"),
        ("[ws_db.states]\nwaiting = 0", "must all be words or all be numbers"),
        ("[ws_db.states]\nwaiting = true", "ws_db.states.waiting must be a word in quotes or a whole number"),
        ("[ws_db.states]\nwaiting = 1.5", "ws_db.states.waiting must be a word in quotes or a whole number"),
        ("[ws_db.states]\nwaiting = ''", "ws_db.states.waiting must be a word of 1 to 50 characters"),
        ("[ws_db.states]\nwaiting = 'done'", "ws_db.states.waiting and ws_db.states.done are the same"),
        ("[ws_db.states]\ncancelled = 'Unassigned'", "ws_db.states.waiting and ws_db.states.cancelled are the same"),
        ("[ws_db.states]\nclaimed = 'done'", "ws_db.states.claimed and ws_db.states.done are the same"),
        ("[ws_db.states]\nwaiting = 99999999999", "is larger than 2147483647"),
        ("[ws_db.command]\nrun = '//Run'", "ws_db.command.run is not a valid element path"),
        ("[ws_db.command]\nrun = ''", "is not a valid element path"),
        ("[ws_db", "is not valid TOML"),
        (b"a = '\xff'", "is not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused_with_the_key_and_the_reason(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load(tmp_path, text)
    assert message in str(refused.value)
    assert "SCHEMA_MAP_FILE map.toml" in str(refused.value)


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"ws_db\.a is unknown.*; rs_db\.b is unknown"):
        load(tmp_path, "[ws_db]\na = 1\n[rs_db]\nb = 2")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"nowhere\.toml cannot be read"):
        SchemaMap.load(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "name",
    [
        "a]b",
        "[a]",
        'a"b',
        "a'b",
        "a`b",
        "a;b",
        "a; DROP TABLE x",
        "a/*b*/",
        "a.b",
        "a\nb",
        "a\x00b",
        "a\x7f",
        "#temp",
        "@x",
        "1a",
        " a",
        "a ",
        "a" * 129,
        "a?b",
        "a:b",
        "a%b",
        "a\u2028b",
        "a\u202eb",
    ],
    ids=ascii,
)
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid name"):
        SchemaMap({"ws_db.job_queue.state": name})


@pytest.mark.parametrize(
    "name", ["a", "_a1", "State", "Kunden ID", "a-b", "Größe", "日本", "select", "a" * 128, "A$#@x"]
)
def test_valid_names_are_accepted(name: str) -> None:
    assert SchemaMap({"ws_db.job_queue.state": name}).name("ws_db.job_queue.state") == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/..",
        "*",
        "a/*",
        "a[1]",
        "{urn:x}a",
        "@a",
        "a b",
        "a|",
        "1a",
        "a[b='c']",
    ],
)
def test_an_xpath_that_is_not_a_plain_element_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="a path is element names"):
        XmlPath.parse(path)


def test_the_first_path_with_a_text_is_used_in_any_namespace() -> None:
    root = parse_command("<r xmlns='urn:x'><a> </a><b><c> 7 </c></b><d>8</d></r>")
    assert XmlPath.parse("a | b/c | d").text(root) == "7"
    assert XmlPath.parse("nothing").text(root) == ""
    assert XmlPath.parse("nothing|b").find(root) is not None


# What reaches SQL


def renamed(name: Callable[[int], str]) -> SchemaMap:
    """A map in which every table, column and value has another name."""
    keys = [
        f"{section}.{entry.key}"
        for section, entries in SECTIONS.items()
        for entry in entries
        if not section.endswith(".command") and entry.key != "schema"
    ]
    return SchemaMap({key: name(number) for number, key in enumerate(keys)})


def statements(names: SchemaMap, folder: Path) -> Iterator[str]:
    """The statements that the bridge executes in the three databases with these names."""
    sent: list[str] = []
    with ExitStack() as stack:
        databases = {
            name: stack.enter_context(closing(Database(f"sqlite:///{folder / name}", name)))
            for name in ("WS_DB", "RS_DB", "PS_DB")
        }
        _use(databases, names, sent)
    return iter(sent)


def _use(databases: dict[str, Database], names: SchemaMap, sent: list[str]) -> None:
    ws, rs, ps = WsDbSchema(ZONE, names), RsDbSchema(ZONE, names), PsDbSchema(ZONE, names)
    for database, schema in zip(databases.values(), (ws, rs, ps), strict=True):
        with database.writing() as connection:
            schema.metadata.create_all(connection)
    Schema(databases["RS_DB"]).migrate()
    for database in databases.values():

        def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if not statement.startswith(("BEGIN", "PRAGMA")):
                sent.append(statement)

        event.listen(database.engine, "before_cursor_execute", listen)
    ws_db = WsDb(databases["WS_DB"], ws, server="b", clock=MovableClock(NOW))
    use(ws_db)
    with databases["RS_DB"].writing() as connection:
        rs_db = RsDb(rs)
        rs_db.record_prepared(connection, BROADCAST)
        add(rs_db, connection, [replace(OPEN, details={"a": "b"})])
        rs_db.count_by_type(connection)
    PsDb(databases["PS_DB"], ps, clock=MovableClock(NOW)).find_delivery(UUID(int=7))


def use(ws_db: WsDb) -> None:
    """Call every method of WsDb that uses the tables."""
    ws_db.claim(2)
    ws_db.orphans(after=0, claimed_before=NOW + timedelta(days=1))
    ws_db.clear_claim_marks([1])
    ws_db.end_cancelled()
    ws_db.cancel_requested(1)
    ws_db.add_summary_line(1, "line")
    ws_db.finish(1, {"a": "b"}, line="line")


@pytest.mark.parametrize("name", ["qzq{}", "QZQ{}", "qzq -- {}", "qzq DROP TABLE Response {}", "qzq @p1 #x $ {}"])
def test_no_name_of_the_map_reaches_sql_unquoted(tmp_path: Path, name: str) -> None:
    sent = list(statements(renamed(lambda number: name.format(f"{number:03d}")), tmp_path))
    # The others are about the bridge's own tables.
    assert sum("qzq" in statement.lower() for statement in sent) > 10
    for statement in sent:
        assert "qzq" not in re.sub(r'"[^"]*"', "", statement).lower()


def test_names_are_quoted_for_sql_server_and_its_parser_accepts_the_statements() -> None:
    sent: list[str] = []
    names = renamed(lambda number: f"qzq DROP {number:03d}")
    ws, rs = WsDbSchema(ZONE, names), RsDbSchema(ZONE, names)
    for schema in (ws, rs, PsDbSchema(ZONE, names)):
        sent += [str(CreateTable(table).compile(dialect=mssql.dialect())) for table in schema.tables.values()]  # type: ignore[no-untyped-call]
    ws_db = WsDb(None, ws, server="b", clock=MovableClock(NOW))  # type: ignore[arg-type]
    for statement in (ws_db._claim(5), ws_db._chosen(1, cancelled=True)):
        compiled = statement.compile(dialect=mssql.dialect(), compile_kwargs={"render_postcompile": True})  # type: ignore[no-untyped-call]
        sent.append(str(compiled))
    for text in sent:
        assert "qzq" not in re.sub(r"\[[^\]]*\]", "", text)
        assert sqlglot.parse_one(text.replace(":", "@"), dialect="tsql") is not None


def test_the_claim_on_sql_server_skips_locked_rows_and_checks_the_state_again() -> None:
    ws_db = WsDb(None, WsDbSchema(ZONE), server="b", clock=MovableClock(NOW))  # type: ignore[arg-type]
    text = str(ws_db._claim(5).compile(dialect=mssql.dialect(), compile_kwargs={"render_postcompile": True}))  # type: ignore[no-untyped-call]
    assert text.startswith("UPDATE [JobQueue] WITH (READPAST, UPDLOCK, ROWLOCK) SET ")
    assert "[JobQueue] AS waiting WITH (READPAST, ROWLOCK)" in text
    assert "OUTPUT inserted.[JobID]" in text
    chosen, _, again = text.rpartition(")")
    assert "TOP 5" in chosen
    assert "[State] = " in again


# What can be left out


def optional_keys() -> list[str]:
    return [
        f"{section}.{entry.key}"
        for section, entries in SECTIONS.items()
        for entry in entries
        if entry.consequence and entry.key != "schema"
    ]


@pytest.mark.parametrize("key", optional_keys())
def test_the_bridge_works_without_an_optional_name(tmp_path: Path, key: str) -> None:
    assert list(statements(SchemaMap({key: ""}), tmp_path))


def test_the_bridge_works_without_any_optional_name(tmp_path: Path) -> None:
    assert list(statements(SchemaMap(dict.fromkeys(optional_keys(), "")), tmp_path))


def test_a_row_has_only_columns_that_exist() -> None:
    schema = RsDbSchema(ZONE, SchemaMap({"rs_db.response.urn": ""}))
    assert present(schema.response, {"urn": "1", "email": "a"}) == {"email": "a"}


# What is shown


def test_the_page_is_a_valid_file_with_the_same_map(tmp_path: Path) -> None:
    changed: dict[str, object] = {
        "ws_db.job_queue.state": "Größe",
        "ws_db.job_queue.priority": "",
        "rs_db.values.completed": "OK",
    }
    numbers = {
        f"ws_db.states.{key}": number
        for number, key in enumerate(("waiting", "claimed", "done", "failed", "cancelled"))
    }
    names = SchemaMap(changed | numbers)
    again = load(tmp_path, page(names))
    assert again._values == names._values


def test_the_page_marks_every_name_as_published_or_an_assumption() -> None:
    shown = page(SchemaMap({"ws_db.job_queue.state": "Status"}))
    entries = [line for line in shown.splitlines() if " = " in line and not line.startswith("#")]
    assert len(entries) == sum(len(section) for section in SECTIONS.values())
    assert all("published" in line or "assumption" in line for line in entries)
    assert 'changed from "State" (assumption)' in shown
    assert tomllib.loads(shown)["ws_db"]["job_queue"]["state"] == "Status"


def test_the_command_shows_the_map_of_the_setting_or_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text("[ws_db.job_queue]\nstate = 'A'")
    (tmp_path / "b.toml").write_text("[ws_db.job_queue]\nstate = 'B'")
    (tmp_path / "bad.toml").write_text("[ws_db.job_queue]\nstat = 'B'")
    monkeypatch.setenv("SCHEMA_MAP_FILE", str(tmp_path / "a.toml"))
    show = ["schema-map", "show"]
    assert 'state = "A"' in CliRunner().invoke(app, show).stdout
    assert 'state = "B"' in CliRunner().invoke(app, [*show, "--file", str(tmp_path / "b.toml")]).stdout
    refused = CliRunner().invoke(app, [*show, "--file", str(tmp_path / "bad.toml")])
    assert refused.exit_code == 1
    assert "ws_db.job_queue.stat is unknown" in refused.stderr
    monkeypatch.delenv("SCHEMA_MAP_FILE")
    assert 'state = "State"' in CliRunner().invoke(app, show).stdout
