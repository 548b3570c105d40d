"""App settings: an error names the setting, and never shows the value."""

import traceback

import pytest
from pydantic import SecretStr, ValidationError

from shared.config.settings import Settings
from shared.errors import SettingsInvalid
from tests.builders import setting_names

GOOD = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "SYSTEM_NAME": "Holidays",
    "WS_DB": "sqlite:////data/ws.db",
    "RS_DB": "mssql+pyodbc://bridge:s3cret@db.example.com/RS_Holidays",
    "DELIVERY_FILES": "/data/deliveries",
    "OPTIMIZELY_CLIENT_ID": "4711",
    "OPTIMIZELY_API_USER": "api@example.com",
    "OPTIMIZELY_API_PASSWORD": "pa55",
    "SFTP_HOST": "sftp.example.com",
    "SFTP_USER": "holidays",
    "SFTP_PRIVATE_KEY": "-----BEGIN",
    "SFTP_HOST_KEYS": "SHA256:abc",
}
REQUIRED = sorted(GOOD.keys() - {"AzureWebJobsStorage", "SFTP_PRIVATE_KEY", "WS_DB"})

#: Settings with an invalid value, whose text cannot occur in a message by chance.
WRONG = [
    ("AzureWebJobsStorage__blobServiceUri", "http://qqqaccount.blob.core.windows.net"),
    ("AzureWebJobsStorage__queueServiceUri", "qqqaccount"),
    ("STAGING_CONTAINER", "QQQ"),
    ("STAGING_CONTAINER", "qq"),
    ("REJECTS_CONTAINER", "qqq_rejects"),
    ("RESPONSES_CONTAINER", "-qqq"),
    ("UPLOAD_LIST_QUEUE", "QQQ"),
    ("UPLOAD_LIST_QUEUE", "qqq--list"),
    ("MONITOR_IMPORT_QUEUE", "q" * 64),
    ("MONITOR_IMPORT_QUEUE", "-".join("q" * 40)),
    ("LOAD_RESPONSES_QUEUE", "qqq-"),
    ("WS_DB", "qqqserver"),
    ("WS_DB", "sqlite:///?mode=qqq"),
    ("WS_DB", "postgresql://qqq@server/db"),
    ("RS_DB", "mssql+pyodbc://qqq:pw@server:12qqq/db"),
    ("RS_DB", "https://[qqq"),
    ("DATABASE_TIME_ZONE", "Nowhere/Qqq"),
    ("DATABASE_TIME_ZONE", "../../etc/qqq"),
    ("DATABASE_TIME_ZONE", "Europe"),
    ("DATABASE_TIME_ZONE", "Europe/Berlin "),
    ("DATABASE_TIME_ZONE", "tzdata.zi"),
    ("DELIVERY_FILES", "qqq/deliveries"),
    ("DELIVERY_FILES", "container:QQQ/deliveries"),
    ("DELIVERY_FILES", "container:deliveries/../qqq"),
    ("DELIVERY_FILES", "sftp:/qqq"),
    ("JOBS_PER_POLL", "0"),
    ("JOBS_PER_POLL", "1001"),
    ("JOBS_PER_POLL", "qqq"),
    ("OPTIMIZELY_REST_URL", "http://qqq.example.com/rest"),
    ("OPTIMIZELY_REST_URL", "http://127.0.0.1.qqq.example.com/rest"),
    ("OPTIMIZELY_REST_URL", "http://localhost@qqq.example.com/rest"),
    ("OPTIMIZELY_REST_URL", "ftp://localhost/qqq"),
    ("OPTIMIZELY_REST_URL", "https:///qqq"),
    ("OPTIMIZELY_REST_URL", "qqq.example.com/rest"),
    ("OPTIMIZELY_REST_URL", "http://[qqq"),
    ("OPTIMIZELY_REST_URL", "https://qqq\u2100.com"),
    ("OPTIMIZELY_CLIENT_ID", "qqq"),
    ("SFTP_PORT", "70000"),
    ("SFTP_PORT", "qqq"),
    ("MONITOR_INTERVAL_SECONDS", "0"),
    ("MONITOR_INTERVAL_SECONDS", "inf"),
    ("MONITOR_INTERVAL_SECONDS", "nan"),
    ("IMPORT_TIMEOUT_MINUTES", "-5"),
    ("START_SETTLE_SECONDS", "-5"),
    ("RESPONSE_FILE_SETTLE_SECONDS", "-5"),
    ("LEASE_SECONDS", "0"),
    ("LEASE_SECONDS", "inf"),
    ("MAX_ATTEMPTS", "0"),
    ("MAX_ATTEMPTS", "2.5"),
    ("RETRY_SECONDS", "0"),
    ("RESPONSE_FILE_MARKER", "qqq"),
    ("RESPONSE_FILE_MARKER", "{name}"),
    ("RESPONSE_FILE_MARKER", "../{name}.qqq"),
    ("RESPONSE_FILE_MARKER", "{name!r}.qqq"),
    ("RESPONSE_FILE_MARKER", "{name}{name}.qqq"),
]


@pytest.fixture(autouse=True)
def good_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_names():
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def refused() -> str:
    with pytest.raises(SettingsInvalid) as caught:
        Settings.load()
    # The context is not printed with the error, but a debugger or an error reporter may read it.
    return "".join(traceback.format_exception(caught.value)) + str(caught.value.__context__)


def test_good_settings_are_read_and_the_others_have_their_defaults() -> None:
    settings = Settings.load()
    assert settings.system_name == "Holidays"
    assert settings.delivery_files == "/data/deliveries"
    assert settings.optimizely_client_id == 4711
    assert settings.optimizely_rest_url == "https://api.campaign.episerver.net/rest"
    assert settings.jobs_per_poll == 20


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_invalid_value_is_refused_with_the_name_of_its_setting_and_without_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    text = refused()
    assert f"{name}: " in text
    assert "[settings-invalid]" in text
    if len(value) > 3:  # shorter values occur in any text
        assert value not in text
    assert "qqq" not in text.lower()


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    assert f"missing: {name}." in refused()


@pytest.mark.parametrize("name", REQUIRED)
def test_a_blank_setting_counts_as_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    assert f"missing: {name}." in refused()


def test_a_blank_setting_that_has_a_default_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBS_PER_POLL", "")
    monkeypatch.setenv("SFTP_PRIVATE_KEY_PASSPHRASE", "")
    settings = Settings.load()
    assert settings.jobs_per_poll == 20
    assert settings.sftp_private_key_passphrase is None


def test_all_errors_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_PORT", "x")
    monkeypatch.setenv("WS_DB", "x")
    monkeypatch.delenv("SFTP_USER")
    text = refused()
    assert all(reason in text for reason in ("SFTP_PORT: ", "WS_DB: ", "missing: SFTP_USER;"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_http_is_accepted_on_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OPTIMIZELY_REST_URL", f"http://{host}:8080/rest/")
    assert Settings.load().optimizely_rest_url == f"http://{host}:8080/rest"


@pytest.mark.parametrize("name", ["WS_DB", "RS_DB"])
@pytest.mark.parametrize(
    "url",
    [
        "mssql+pyodbc://faststats_service:fa5t5tat5@server/WS_Holidays",
        "mssql+pyodbc://faststats_service:%66a5t5tat5@server/WS_Holidays",
        "mssql+pyodbc:///?odbc_connect=Uid%3Dfaststats_service%3BPwd%3Dfa5t5tat5",
        "SERVER;Initial Catalog=RS_Holidays;User Id=faststats_service;Password=fa5t5tat5;",
        "Server=SERVER;Database=RS_Holidays;User Id=faststats_service;Password='fa5t5tat5'",
    ],
    ids=["plain", "quoted", "in an ODBC string", "in the guide's form", "in ADO.NET's quotes"],
)
def test_the_known_default_password_of_the_product_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    text = refused()
    assert f"{name}: " in text
    assert "default password" in text
    assert "faststats_service" not in text


def test_storage_is_set_by_a_connection_string_or_two_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage")
    assert "storage: " in refused()
    monkeypatch.setenv("AzureWebJobsStorage__blobServiceUri", "https://account.blob.core.windows.net/")
    assert "storage: " in refused()
    monkeypatch.setenv("AzureWebJobsStorage__queueServiceUri", "https://account.queue.core.windows.net")
    settings = Settings.load()
    assert settings.storage_connection is None
    assert settings.blob_service_uri == "https://account.blob.core.windows.net"


def test_the_sftp_login_is_a_key_or_a_password_or_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "pa55w0rd")
    assert Settings.load().sftp_private_key is not None
    monkeypatch.delenv("SFTP_PRIVATE_KEY")
    password = Settings.load().sftp_password
    assert password is not None
    assert password.get_secret_value() == "pa55w0rd"
    monkeypatch.delenv("SFTP_PASSWORD")
    assert "SFTP_PASSWORD: set SFTP_PRIVATE_KEY or SFTP_PASSWORD" in refused()


@pytest.mark.parametrize("name", ["OPTIMIZELY_API_PASSWORD", "RS_DB", "SFTP_HOST"])
def test_an_unresolved_key_vault_reference_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/s3cret)")
    text = refused()
    assert f"{name}: " in text
    assert "reference was not resolved" in text
    assert "s3cret" not in text


@pytest.mark.parametrize("where", ["files", "both"])
def test_files_for_ferg_need_a_location(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv("RESPONSES_TO", where)
    assert "FERG_FILES: it is required" in refused()
    monkeypatch.setenv("FERG_FILES", "container:ferg/in")
    assert Settings.load().responses_to == where


def test_settings_that_contradict_each_other_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SFTP_PRIVATE_KEY")
    monkeypatch.setenv("BULK_LOAD", "bulk insert")
    monkeypatch.setenv("KEEP_HISTORY_DAYS", "31")
    text = refused()
    assert all(f"{name}: " in text for name in ("SFTP_PASSWORD", "BULK_INSERT_DATA_SOURCE", "KEEP_HISTORY_DAYS"))


def test_a_name_may_have_63_characters_and_hyphens_between_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPLOAD_LIST_QUEUE", "-".join("a" * 32))
    assert len(Settings.load().upload_list_queue) == 63


def test_secrets_are_not_shown_when_settings_are_printed() -> None:
    shown = f"{Settings.load()!r} {Settings.load()}"
    for secret in ("s3cret", "pa55", "-----BEGIN", "UseDevelopmentStorage"):
        assert secret not in shown


def test_credentials_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTP_PASSWORD", "pa55w0rd")
    credentials = {
        "AzureWebJobsStorage",
        "WS_DB",
        "RS_DB",
        "OPTIMIZELY_API_PASSWORD",
        "SFTP_PRIVATE_KEY",
        "SFTP_PASSWORD",
    }
    secret = {
        str(field.alias)
        for name, field in Settings.model_fields.items()
        if isinstance(getattr(Settings.load(), name), SecretStr)
    }
    assert credentials <= secret


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().system_name = "Other"


@pytest.mark.parametrize("field", Settings.model_fields.items(), ids=lambda field: field[0])
def test_every_setting_has_a_description(field: tuple[str, object]) -> None:
    description = Settings.model_fields[field[0]].description or ""
    assert description.endswith(".")
    assert "\n" not in description
    assert "|" not in description, "it would break the table of docs/reference/settings.md"


def test_no_two_settings_share_a_name() -> None:
    assert len(set(setting_names())) == len(Settings.model_fields)


@pytest.mark.parametrize("name", [name for name in setting_names() if name.endswith(("_DAYS", "_MINUTES", "_SECONDS"))])
def test_no_duration_is_longer_than_there_are_dates(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`KEEP_HISTORY_DAYS=999999999` for "for ever" would end every run of housekeeping with an overflow."""
    monkeypatch.setenv(name, "999999999")
    assert f"{name}: " in refused()
