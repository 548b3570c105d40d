"""Every app setting once: name, type, default, secret or not, what it is for.

Azure gives app settings as environment variables; locally they come from `local.settings.json`.
`docs/reference/settings.md` is written from this file. Schedules and queue names are used twice: by the
triggers in `function_app.py` as `%NAME%`, and here by the code that puts messages on queues.
"""

import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote_plus, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.config.connection_string import parse_connection
from shared.config.location_text import LocationText
from shared.errors import SettingsInvalid

#: Printed in public help pages and scripts of the product, so everybody knows it.
_KNOWN_PASSWORD: Final = "fa5t5tat5"  # noqa: S105 - named here to be refused
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_LONGEST_STORAGE_NAME: Final = 63


# The messages of these checks never repeat the value: it may be a secret. So those of libraries are replaced.


def _storage_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9](?:-?[a-z0-9]){2,62}", name) or len(name) > _LONGEST_STORAGE_NAME:
        msg = "the name of a queue or container has 3 to 63 small letters, digits and single hyphens"
        raise ValueError(msg)
    return name


def _encrypted_or_loopback(url: str) -> str:
    try:
        parts = urlsplit(url)
        encrypted = parts.scheme == "https" and bool(parts.hostname)
        loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    except ValueError:
        encrypted = loopback = False
    if not (encrypted or loopback):
        msg = "only https is accepted, except on this machine"
        raise ValueError(msg)
    return url.rstrip("/")


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        msg = "there is no time zone of this name"
        raise ValueError(msg) from None
    return name


def _marker(template: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]*\{name\}[A-Za-z0-9._-]*", template) or template == "{name}":
        msg = "a marker's name holds the file's name once, and else letters, digits, '.', '_' and '-'"
        raise ValueError(msg)
    return template


def _data_source(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        msg = "the name of an external data source has letters, digits and underscores here"
        raise ValueError(msg)
    return name


def _connection(value: SecretStr) -> SecretStr:
    if _KNOWN_PASSWORD in unquote_plus(value.get_secret_value()):
        msg = "the publicly known default password of the product must not be used: change it"
        raise ValueError(msg)
    parse_connection(value.get_secret_value())
    return value


StorageName = Annotated[str, AfterValidator(_storage_name)]
HttpsAddress = Annotated[str, AfterValidator(_encrypted_or_loopback)]
Connection = Annotated[SecretStr, AfterValidator(_connection)]


class BulkMethod(StrEnum):
    """How rows are loaded into a staging table of SQL Server; SQLite always takes INSERT."""

    #: Bulk copy where it works, else INSERT.
    AUTO = "auto"
    #: mssql-python's `bulkcopy`.
    BULK_COPY = "bulk copy"
    #: pyodbc's `fast_executemany`.
    INSERT = "insert"
    #: The server's BULK INSERT from the staging container.
    BULK_INSERT = "bulk insert"


#: What Azure hands to the app where it could not read a secret; it would be sent to others as the password.
REFERENCE_NOT_RESOLVED: Final = (
    "its key vault reference was not resolved: put the secret there, see that the app may read it, and restart the app"
)


def is_reference(value: str) -> bool:
    """Whether it is a reference to a secret of a key vault in place of the secret."""
    return value.lstrip().lower().startswith("@microsoft.keyvault(")


class _Environment(BaseSettings):
    """Settings in the environment."""

    model_config = SettingsConfigDict(
        extra="ignore",
        case_sensitive=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        frozen=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _reference_is_resolved(cls, value: object) -> object:
        if isinstance(value, str) and is_reference(value):
            raise ValueError(REFERENCE_NOT_RESOLVED)
        return value

    @classmethod
    def load(cls) -> Self:
        """The settings from the environment.

        Raises:
            SettingsInvalid: with every setting that is missing or wrong, and never a value.
        """
        try:
            return cls()
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, detail['loc'])) or 'storage'}: {detail['msg']}"
                for detail in error.errors(include_url=False, include_input=False)
            )
            raise SettingsInvalid(reason=reasons) from None


class RsDbSettings(_Environment):
    """RS_DB alone: whoever migrates the tables needs to know no other setting."""

    rs_db: Connection = Field(alias="RS_DB")


class Settings(_Environment):
    """The app settings. A field's alias is the setting's name, its description what it is for."""

    # Storage
    storage_connection: SecretStr | None = Field(
        default=None,
        alias="AzureWebJobsStorage",
        description="Connection string of the storage account. In Azure leave it out and give the two URIs below.",
    )
    blob_service_uri: HttpsAddress | None = Field(
        default=None,
        alias="AzureWebJobsStorage__blobServiceUri",
        description="Blob endpoint of the storage account, used with the app's identity.",
    )
    queue_service_uri: HttpsAddress | None = Field(
        default=None,
        alias="AzureWebJobsStorage__queueServiceUri",
        description="Queue endpoint of the storage account, used with the app's identity.",
    )
    managed_identity_client_id: str | None = Field(
        default=None,
        alias="AzureWebJobsStorage__clientId",
        description="Client id of the user-assigned identity; without it the system-assigned one is used.",
    )
    staging_container: StorageName = Field(
        default="staging",
        alias="STAGING_CONTAINER",
        description="Container of list files on their way to Optimizely.",
    )
    rejects_container: StorageName = Field(
        default="rejects", alias="REJECTS_CONTAINER", description="Container of reject files, for operators."
    )
    responses_container: StorageName = Field(
        default="responses",
        alias="RESPONSES_CONTAINER",
        description="Container of response files as they came.",
    )

    # Queues
    upload_list_queue: StorageName = Field(
        default="upload-list", alias="UPLOAD_LIST_QUEUE", description="Queue of broadcasts to upload."
    )
    monitor_import_queue: StorageName = Field(
        default="monitor-import", alias="MONITOR_IMPORT_QUEUE", description="Queue of broadcasts to follow."
    )
    load_responses_queue: StorageName = Field(
        default="load-responses", alias="LOAD_RESPONSES_QUEUE", description="Queue of response files to load."
    )

    # Schedules: read by the triggers only
    poll_jobs_schedule: str = Field(
        default="*/15 * * * * *", alias="POLL_JOBS_SCHEDULE", description="NCRONTAB schedule of poll_jobs."
    )
    gather_responses_schedule: str = Field(
        default="0 */5 * * * *",
        alias="GATHER_RESPONSES_SCHEDULE",
        description="NCRONTAB schedule of gather_responses.",
    )
    housekeeping_schedule: str = Field(
        default="0 * * * * *", alias="HOUSEKEEPING_SCHEDULE", description="NCRONTAB schedule of housekeeping."
    )
    draw_suppressions_schedule: str = Field(
        default="0 */10 * * * *",
        alias="DRAW_SUPPRESSIONS_SCHEDULE",
        description="NCRONTAB schedule of draw_suppressions. It does nothing while no channel has suppress = true.",
    )

    # FastStats
    system_name: str = Field(alias="SYSTEM_NAME", description="Name of the FastStats system, as in WS_<SystemName>.")
    ws_db: Connection | None = Field(
        default=None,
        alias="WS_DB",
        description="Connection to WS_DB (docs/how-to/databases.md). Leave it out where broadcasts come in "
        "other ways only.",
    )
    rs_db: Connection = Field(
        alias="RS_DB",
        description="Connection to RS_DB (docs/how-to/databases.md). The bridge keeps its ledger there too.",
    )
    ps_db: Connection | None = Field(
        default=None,
        alias="PS_DB",
        description="Connection to PS_DB, PeopleStage's database (docs/how-to/databases.md). With it broadcasts "
        "that came through the PeopleStage channel get their delivery step and run.",
    )
    schema_map_file: Path | None = Field(
        default=None,
        alias="SCHEMA_MAP_FILE",
        description="TOML file with the names of tables, columns, states and XML paths of WS_DB, RS_DB and PS_DB "
        "(docs/reference/schema-map.md). Without it they are those that are public.",
    )
    bulk_load: BulkMethod = Field(
        default=BulkMethod.AUTO,
        alias="BULK_LOAD",
        description="How rows are loaded into RS_DB: `auto` (bulk copy, or INSERT where that does not work), "
        "`bulk copy`, `insert`, or `bulk insert` (the server reads files from STAGING_CONTAINER; "
        "docs/reference/bulk-load.md).",
    )
    bulk_insert_data_source: Annotated[str, AfterValidator(_data_source)] | None = Field(
        default=None,
        validate_default=True,
        alias="BULK_INSERT_DATA_SOURCE",
        description="Name of the external data source in RS_DB whose location is STAGING_CONTAINER, "
        "for BULK_LOAD = `bulk insert`.",
    )
    database_time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(
        default="UTC",
        alias="DATABASE_TIME_ZONE",
        description="Zone of the times in WS_DB, RS_DB and PS_DB: that of their server (Azure SQL: UTC).",
    )
    delivery_files: LocationText = Field(
        alias="DELIVERY_FILES",
        description="Where FastStats writes its delivery files (docs/reference/delivery-files.md): a mounted folder "
        "(`/mnt/deliveries`), a folder of a blob container (`container:deliveries/folder`) or of an SFTP site of "
        "CHANNELS_FILE (`sftp:partner/out/folder`).",
    )
    channels_file: Path | None = Field(
        default=None,
        alias="CHANNELS_FILE",
        description="TOML file with the channels (docs/how-to/channels.md). Without it there is one, `default`.",
    )
    bridge_name: str = Field(
        default="Broadcast Bridge",
        alias="BRIDGE_NAME",
        description="Name written to the Server column of the jobs that this bridge claims; one per bridge.",
    )
    jobs_per_poll: int = Field(
        default=20,
        ge=1,
        le=1000,
        alias="JOBS_PER_POLL",
        description="Most jobs that one run of poll_jobs claims.",
    )

    # Optimizely Campaign, REST
    optimizely_rest_url: HttpsAddress = Field(
        default="https://api.campaign.episerver.net/rest",
        alias="OPTIMIZELY_REST_URL",
        description="Base address of the REST API, without the client ID.",
    )
    optimizely_client_id: int = Field(
        alias="OPTIMIZELY_CLIENT_ID", description="Client ID, from Administration > API Overview > REST API."
    )
    optimizely_api_user: str = Field(alias="OPTIMIZELY_API_USER", description="API user (not a UI user).")
    optimizely_api_password: SecretStr = Field(alias="OPTIMIZELY_API_PASSWORD", description="Password of the API user.")
    optimizely_connections: int = Field(
        default=8,
        ge=1,
        le=40,
        alias="OPTIMIZELY_CONNECTIONS",
        description="Connections of one instance to the REST API. "
        "The vendor allows 40 in all, for every instance together.",
    )

    # Optimizely Campaign, SFTP
    sftp_host: str = Field(alias="SFTP_HOST", description="Host of the SFTP site.")
    sftp_port: int = Field(default=22, ge=1, le=65535, alias="SFTP_PORT", description="Port of the SFTP site.")
    sftp_user: str = Field(alias="SFTP_USER", description="User of the SFTP site.")
    sftp_private_key: SecretStr | None = Field(
        default=None,
        alias="SFTP_PRIVATE_KEY",
        description="Private key (PEM or OpenSSH text) registered with Optimizely support, which takes RSA 2048 only.",
    )
    sftp_private_key_passphrase: SecretStr | None = Field(
        default=None,
        alias="SFTP_PRIVATE_KEY_PASSPHRASE",
        description="Passphrase of the private key, if it has one.",
    )
    sftp_password: SecretStr | None = Field(
        default=None,
        validate_default=True,
        alias="SFTP_PASSWORD",
        description="Password of SFTP_USER, for sites that take no key or want both.",
    )
    sftp_host_keys: str = Field(
        alias="SFTP_HOST_KEYS",
        description="Pinned host keys: known_hosts lines or SHA256 fingerprints, one a line or separated by `;`. "
        "Two of them while the vendor rotates its key.",
    )
    sftp_response_folder: str = Field(
        default="/responses",
        alias="SFTP_RESPONSE_FOLDER",
        description="Folder in which response files appear.",
    )

    # Following a broadcast
    monitor_interval_seconds: float = Field(
        default=30,
        gt=0,
        alias="MONITOR_INTERVAL_SECONDS",
        description="Pause between two looks at an import or a send.",
    )
    import_timeout_minutes: float = Field(
        default=26 * 60,
        gt=0,
        alias="IMPORT_TIMEOUT_MINUTES",
        description="How long after the upload the import must be seen. Import jobs may run once a day.",
    )
    send_timeout_minutes: float = Field(
        default=60,
        gt=0,
        alias="SEND_TIMEOUT_MINUTES",
        description="How long after its import, or its set time, a Smart Campaign that Optimizely starts by itself "
        "must be seen to send.",
    )
    start_settle_seconds: float = Field(
        default=120,
        ge=0,
        alias="START_SETTLE_SECONDS",
        description="How long a start whose outcome was not seen may take to show at Optimizely before it is judged.",
    )
    lease_seconds: float = Field(
        default=60, gt=0, alias="LEASE_SECONDS", description="How long a lease lives without a heartbeat."
    )
    max_attempts: int = Field(
        default=8,
        ge=1,
        alias="MAX_ATTEMPTS",
        description="Tries of a step in a row before its broadcast fails.",
    )
    retry_seconds: float = Field(
        default=10,
        gt=0,
        alias="RETRY_SECONDS",
        description="Pause after the first failed try; it doubles with each.",
    )

    # Response files
    response_file_marker: Annotated[str, AfterValidator(_marker)] | None = Field(
        default=None,
        alias="RESPONSE_FILE_MARKER",
        description="Name of the file that says that a response file is complete, such as `{name}.done`. "
        "Without it a file is complete when it stayed the same for RESPONSE_FILE_SETTLE_SECONDS.",
    )
    response_file_settle_seconds: float = Field(
        default=60,
        ge=0,
        alias="RESPONSE_FILE_SETTLE_SECONDS",
        description="How long a response file without a marker must be seen unchanged before it is gathered.",
    )

    @field_validator("bulk_insert_data_source")
    @classmethod
    def _source_is_given(cls, name: str | None, settings: ValidationInfo) -> str | None:
        if name is None and settings.data.get("bulk_load") is BulkMethod.BULK_INSERT:
            msg = "BULK_LOAD = bulk insert needs BULK_INSERT_DATA_SOURCE"
            raise ValueError(msg)
        return name

    response_file_rounds: int = Field(
        default=6,
        ge=1,
        alias="RESPONSE_FILE_ROUNDS",
        description="Rounds of gather_responses in a row in which a response file could not be gathered, or not be put "
        "away after its load, before an alert tells of it.",
    )

    # For how long things are kept (docs/reference/retention.md)
    keep_staged_lists_days: int = Field(
        default=30,
        ge=1,
        alias="KEEP_STAGED_LISTS_DAYS",
        description="Days for which staged lists are kept after the end of their broadcasts.",
    )
    keep_rejects_days: int = Field(
        default=90, ge=1, alias="KEEP_REJECTS_DAYS", description="Days for which reject files are kept."
    )
    keep_response_files_days: int = Field(
        default=90,
        ge=1,
        alias="KEEP_RESPONSE_FILES_DAYS",
        description="Days for which response files are kept, so that they can be loaded again.",
    )
    keep_recipient_keys_days: int = Field(
        default=180,
        ge=31,
        alias="KEEP_RECIPIENT_KEYS_DAYS",
        description="Days for which the hashes are kept by which responses without the broadcast's key find it. "
        "The vendor keeps response data up to 30 days.",
    )
    keep_history_days: int = Field(
        default=730,
        ge=31,
        validate_default=True,
        alias="KEEP_HISTORY_DAYS",
        description="Days for which the history of broadcasts is kept; not less than KEEP_RECIPIENT_KEYS_DAYS.",
    )

    @field_validator("keep_history_days")
    @classmethod
    def _history_outlives_keys(cls, days: int, settings: ValidationInfo) -> int:
        if days < settings.data.get("keep_recipient_keys_days", 0):
            msg = "the history must be kept as long as KEEP_RECIPIENT_KEYS_DAYS: it says who was sent to when"
            raise ValueError(msg)
        return days

    # Where responses go
    responses_to: Literal["tables", "files", "both"] = Field(
        default="tables",
        alias="RESPONSES_TO",
        description="Where responses go (docs/reference/responses.md): `tables` of RS_DB, `files` that an existing "
        "FERG reads, or `both`.",
    )
    ferg_files: LocationText | None = Field(
        default=None,
        validate_default=True,
        alias="FERG_FILES",
        description="Location in which FERG finds these files: a mounted folder, `container:…` or `sftp:…`.",
    )
    ferg_delimiter: str = Field(
        default="TAB", alias="FERG_DELIMITER", description="FERG's parameter DELIMITER: a character, or `TAB`."
    )
    ferg_encloser: str = Field(
        default="DOUBLEQUOTE",
        alias="FERG_ENCLOSER",
        description="FERG's parameter ENCLOSER: `DOUBLEQUOTE` or `NONE`.",
    )
    ferg_date_format: str = Field(
        default="dd.MM.yyyy HH:mm:ss",
        alias="FERG_DATE_FORMAT",
        description="FERG's parameter DATEFORMAT. Times are local ones of DATABASE_TIME_ZONE.",
    )

    erase_responses: Literal["keep", "anonymise", "delete"] = Field(
        default="anonymise",
        alias="ERASE_RESPONSES",
        description="What `bridge erase` does with a person's rows of `Response` in RS_DB (docs/how-to/erase.md): "
        "`keep` them, `anonymise` them, so that counts stay, or `delete` them.",
    )

    @field_validator("ferg_files")
    @classmethod
    def _files_have_a_location(cls, location: str | None, settings: ValidationInfo) -> str | None:
        if location is None and settings.data.get("responses_to") in {"files", "both"}:
            msg = "say where files for FERG go"
            raise ValueError(msg)
        return location

    @field_validator("sftp_password")
    @classmethod
    def _login_is_possible(cls, password: SecretStr | None, settings: ValidationInfo) -> SecretStr | None:
        if password is None and settings.data.get("sftp_private_key") is None:
            msg = "give SFTP_PRIVATE_KEY or SFTP_PASSWORD"
            raise ValueError(msg)
        return password

    @model_validator(mode="after")
    def _storage_is_reachable(self) -> Self:
        if self.storage_connection is None and not (self.blob_service_uri and self.queue_service_uri):
            msg = "give AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and __queueServiceUri"
            raise ValueError(msg)
        return self


@cache
def setting_names() -> tuple[str, ...]:
    """Every setting's name, in the order of this page."""
    return tuple(str(field.alias) for field in Settings.model_fields.values())
