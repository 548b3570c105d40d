"""`bridge doctor`: one line for each check, ok or FAIL, and never a secret."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from cli.main import app
from shared.config.settings import Settings
from shared.ledger.tables import migration
from shared.operations.responses import add_file
from shared.steps.load_responses import load_responses
from tests.builders import setting_names
from tests.flow.harness import Flow

Doctor = Callable[..., Result]


@pytest.fixture
def doctor(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Runs it with the settings of the flow's bridge and some that differ; None leaves one out."""
    values = {str(field.alias): getattr(flow.bridge.settings, name) for name, field in Settings.model_fields.items()}

    def run(**differing: str | None) -> Result:
        for name in setting_names():
            value = values[name] if name not in differing else differing[name]
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, str(value))
        return CliRunner().invoke(app, ["doctor"])

    return run


def failed(result: Result) -> list[str]:
    return [line.removeprefix("FAIL  ") for line in result.stdout.splitlines() if line.startswith("FAIL")]


def test_every_part_of_a_valid_installation_is_ok(doctor: Doctor, flow: Flow) -> None:
    result = doctor()
    assert result.exit_code == 0, result.stdout
    parts = [line.partition(": ")[0].removeprefix("ok    ") for line in result.stdout.splitlines()]
    settings = flow.bridge.settings
    containers = (settings.staging_container, settings.rejects_container, settings.responses_container)
    assert parts == [
        "settings",
        "channels",
        "schema map",
        "WS_DB",
        "WS_DB and the schema map",
        "RS_DB",
        "RS_DB and the schema map",
        "the bridge's tables",
        "holds",
        "last lines",
        "PS_DB",
        "database WS_DB",
        "tables of WS_DB",
        "database RS_DB",
        "tables of RS_DB",
        "storage account",
        *(f"container {name}" for name in containers),
        "delivery files",
        "SFTP site",
        "REST login",
        "import jobs",
    ]
    assert "PS_DB: not configured" in result.stdout


@pytest.mark.sqlite
def test_each_failed_check_is_reported_and_hides_no_other(doctor: Doctor, flow: Flow, tmp_path: Path) -> None:
    with flow.ws_database.writing() as connection:
        connection.exec_driver_sql('ALTER TABLE "JobQueue" RENAME COLUMN "Priority" TO "Prio"')
        connection.exec_driver_sql('ALTER TABLE "JobQueue" RENAME COLUMN "State" TO "Status"')
    (tmp_path / "channels.toml").write_text("[channel.x]")
    result = doctor(
        CHANNELS_FILE=str(tmp_path / "channels.toml"),
        PS_DB=f"sqlite:///{tmp_path / 'ps.sqlite'}",
        REJECTS_CONTAINER="not-there",
        SFTP_HOST_KEYS="SHA256:" + "A" * 43,
        OPTIMIZELY_API_PASSWORD="hunter2-is-wrong",
    )
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in failed(result)] == [
        "channels",
        "WS_DB and the schema map",
        "WS_DB and the schema map",
        "PS_DB and the schema map",
        "container not-there",
        "SFTP site",
        "REST login",
    ]
    assert "JobQueue has no column Priority: set ws_db.job_queue.priority to its real name" in result.stdout
    assert "run `bridge setup`" in result.stdout


def test_locations_of_channels_and_of_ferg_are_checked(doctor: Doctor, tmp_path: Path) -> None:
    channels = tmp_path / "channels.toml"
    channels.write_text(
        f'[channels.news.drop]\nplace = "{tmp_path}/drops"\nlist_name = "Customers"\nmessage_name = "News"\n'
    )
    result = doctor(CHANNELS_FILE=str(channels), FERG_FILES=str(tmp_path), RESPONSES_TO="both")
    assert [line.partition(": ")[0] for line in failed(result)] == ["dropped files of channel news"]
    assert f"files in {tmp_path}" in result.stdout


def test_layouts_whose_last_lines_have_no_end_are_named(doctor: Doctor, flow: Flow, tmp_path: Path) -> None:
    assert "last lines: each has its end" in doctor().stdout
    file = tmp_path / "Response-half.csv"
    file.write_text("Urn;MessageType;EventTriggeredDate\n1;Open;01.03.2026 12:30\n2;Open;01.03.2026 12:3")
    load_responses(flow.bridge, add_file(flow.bridge, file).id)
    channels = tmp_path / "channels.toml"
    channels.write_text("[responses.default]\n")
    assert (
        'layout default 1 times: the last line has no end; if its writer never ends it, set last_line = "may-end'
        in (doctor(CHANNELS_FILE=str(channels)).stdout)
    )
    channels.write_text("[responses.default]\nlast_line = 'may-end-without'\n")
    assert "last lines: each has its end" in doctor(CHANNELS_FILE=str(channels)).stdout


def test_dropped_files_that_are_not_claimed_are_counted_with_the_reason(doctor: Doctor, tmp_path: Path) -> None:
    channels, drops = tmp_path / "channels.toml", tmp_path / "drops"
    drops.mkdir()
    for name in ("LIST.TXT", "old.txt", "list.csv", "a.txt.filepart", "b.busy.txt"):
        (drops / name).write_text("x\n")
    os.utime(drops / "old.txt", (1_700_000_000, 1_700_000_000))
    (drops / "broken.txt").symlink_to(tmp_path / "nothing")
    (drops / "link.txt").symlink_to(drops / "LIST.TXT")
    channels.write_text(f'[channels.news.drop]\nplace = "{drops}"\nlist_name = "Customers"\nmessage_name = "News"\n')
    text = doctor(CHANNELS_FILE=str(channels), UNFINISHED_NAMES="*.busy.*").stdout
    (line,) = [line for line in text.splitlines() if "dropped files of channel news" in line]
    assert f"5 files in {drops}" in line
    for reason in (
        "1 not claimed: its name does not fit *.txt",
        "1 not claimed: it was last changed more than 24 hours ago",
        "2 not claimed: its name says that it is still being written",
        "1 not claimed: it is a link that leads nowhere",
    ):
        assert reason in line


def test_a_missing_migration_is_reported(doctor: Doctor, flow: Flow) -> None:
    with flow.bridge.rs_database.writing() as connection:
        connection.execute(migration.delete().where(migration.c.number > 1))
    (line,) = failed(doctor())
    assert line.startswith("the bridge's tables: ")
    assert "bridge db migrate" in line


@pytest.mark.parametrize(
    ("setting", "value", "part"),
    [
        ("RS_DB", "sqlite:////nowhere/rs.sqlite", "RS_DB"),
        ("SFTP_PRIVATE_KEY", "no key", "SFTP site"),
        ("AzureWebJobsStorage", "no connection string", "storage account"),
        ("SCHEMA_MAP_FILE", "/nowhere/map.toml", "schema map"),
        ("DELIVERY_FILES", "/nowhere/deliveries", "delivery files"),
        ("DELIVERY_FILES", "container:not-there", "delivery files"),
    ],
)
def test_a_setting_that_leads_nowhere_fails_its_own_check(doctor: Doctor, setting: str, value: str, part: str) -> None:
    result = doctor(**{setting: value})
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in failed(result)] == [part]


def test_invalid_settings_are_the_only_finding(doctor: Doctor) -> None:
    result = doctor(RS_DB=None, SFTP_PORT="many")
    assert result.exit_code == 1
    (line,) = failed(result)
    assert "RS_DB" in line
    assert "SFTP_PORT" in line


def test_no_secret_is_printed_whatever_fails(doctor: Doctor, flow: Flow) -> None:
    secret = "Server=127.0.0.1,9;Initial Catalog=WS_X;User Id=u;Password=geheim-4711;"
    result = doctor(WS_DB=secret, OPTIMIZELY_API_PASSWORD="geheim-4712", SFTP_PRIVATE_KEY="geheim-4713")
    assert result.exit_code == 1
    assert "geheim" not in result.output
    storage = flow.bridge.settings.storage_connection
    assert storage is not None
    assert storage.get_secret_value() not in doctor().output


@pytest.mark.sqlite
def test_triggers_views_and_computed_columns_are_named_where_the_bridge_writes(doctor: Doctor, flow: Flow) -> None:
    assert (
        "tables of RS_DB: no triggers, views, synonyms or computed columns where the bridge writes" in doctor().stdout
    )
    with flow.bridge.rs_database.writing() as connection:
        connection.exec_driver_sql("CREATE TRIGGER trg_copy AFTER INSERT ON Response BEGIN SELECT 1; END")
    with_trigger = doctor()
    assert with_trigger.exit_code == 0
    assert "Response has the trigger trg_copy" in with_trigger.stdout
    with flow.bridge.rs_database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE BroadcastsDetail RENAME TO Behind")
        connection.exec_driver_sql("CREATE VIEW BroadcastsDetail AS SELECT * FROM Behind")
        connection.exec_driver_sql(
            "CREATE TRIGGER trg_instead INSTEAD OF INSERT ON BroadcastsDetail BEGIN SELECT 1; END"
        )
    assert any("INSTEAD OF trigger trg_instead" in line for line in failed(doctor()))
