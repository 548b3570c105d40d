"""Every app setting once: name, type, default, secret or not, what it is for.

Azure passes app settings as environment variables; locally they come from `local.settings.json`. A setting is named
like its field, in upper case; the docstring below the field is its description in `docs/reference/settings.md`.
Schedules and queue names are read twice: by the triggers in `function_app.py` as `%NAME%`, and here.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote_plus, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.config.connection_string import parse_connection
from shared.config.location_text import CONTAINER_NAME, LocationText
from shared.config.validation import LONGEST_DAYS, LONGEST_SECONDS, MarkerName, TimeZoneName, problems
from shared.errors import SettingsInvalid

#: Printed in public help pages and scripts of the product: everybody knows it.
_KNOWN_PASSWORD: Final = "fa5t5tat5"  # noqa: S105 - named here to be refused
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


# The messages of these checks never repeat the value, which may be a secret; so messages of libraries are replaced.


def _storage_name(name: str) -> str:
    if not CONTAINER_NAME.fullmatch(name):
        raise ValueError("the name of a queue or container has 3 to 63 lower-case letters, digits and single hyphens")
    return name


def _encrypted_or_loopback(url: str) -> str:
    try:
        parts = urlsplit(url)
        encrypted = parts.scheme == "https" and bool(parts.hostname)
        loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK
    except ValueError:
        encrypted = loopback = False
    if not (encrypted or loopback):
        raise ValueError("only https is allowed, except on this machine")
    return url.rstrip("/")


def _only_mail(text: str) -> str:
    entries = [entry for entry in re.split(r"[,;\s]+", text) if entry]
    if not entries or not all(re.fullmatch(r"(?:[^@*?]+)?@?[^@*?]*[^@*?.]\.[^@*?.]+", entry) for entry in entries):
        raise ValueError("write domains and addresses with commas between, such as example.com, anna@example.org")
    return text


def _data_source(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name):
        raise ValueError("the name of an external data source may contain only letters, digits and underscores")
    return name


def _connection(value: SecretStr) -> SecretStr:
    if _KNOWN_PASSWORD in unquote_plus(value.get_secret_value()):
        raise ValueError("the publicly known default password of the product is refused: change it")
    parse_connection(value.get_secret_value())
    return value


StorageName = Annotated[str, AfterValidator(_storage_name)]
HttpsAddress = Annotated[str, AfterValidator(_encrypted_or_loopback)]
Connection = Annotated[SecretStr, AfterValidator(_connection)]
#: A number of seconds or minutes that makes no sense at zero.
Duration = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]
Count = Annotated[int, Field(ge=1)]
#: A retention.
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]


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


#: Azure passes the reference itself to the app where it could not read the secret: it would be sent as the password.
REFERENCE_NOT_RESOLVED: Final = (
    "its key vault reference was not resolved: create the secret, let the app read it, and restart the app"
)


def is_reference(value: str) -> bool:
    """Whether a value is a reference to a secret in a key vault instead of the secret."""
    return value.lstrip().lower().startswith("@microsoft.keyvault(")


class _Environment(BaseSettings):
    """Settings from the environment."""

    model_config = SettingsConfigDict(
        alias_generator=str.upper,
        use_attribute_docstrings=True,
        extra="ignore",
        case_sensitive=True,
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        frozen=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Join the lines of each description."""
        for field in cls.model_fields.values():
            field.description = " ".join((field.description or "").split())

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
            SettingsInvalid: with every setting that is missing or invalid, and never a value.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsInvalid(reason=problems(error)) from None


class RsDbSettings(_Environment):
    """RS_DB alone: `bridge db migrate` needs no other setting."""

    rs_db: Connection
    """Connection to RS_DB."""


class Settings(_Environment):
    """The app settings."""

    # Storage

    storage_connection: SecretStr | None = Field(default=None, alias="AzureWebJobsStorage")
    """Connection string of the storage account. In Azure leave it out and set the two URIs below."""
    blob_service_uri: HttpsAddress | None = Field(default=None, alias="AzureWebJobsStorage__blobServiceUri")
    """Blob endpoint of the storage account, used with the app's identity."""
    queue_service_uri: HttpsAddress | None = Field(default=None, alias="AzureWebJobsStorage__queueServiceUri")
    """Queue endpoint of the storage account, used with the app's identity."""
    managed_identity_client_id: str | None = Field(default=None, alias="AzureWebJobsStorage__clientId")
    """Client id of the user-assigned identity; without it the system-assigned one is used."""
    staging_container: StorageName = "staging"
    """Container of list files on their way to Optimizely."""
    rejects_container: StorageName = "rejects"
    """Container of reject files, for operators."""
    responses_container: StorageName = "responses"
    """Container of response files as they were gathered."""

    # Queues

    upload_list_queue: StorageName = "upload-list"
    """Queue of broadcasts to upload."""
    monitor_import_queue: StorageName = "monitor-import"
    """Queue of broadcasts to follow."""
    load_responses_queue: StorageName = "load-responses"
    """Queue of response files to load."""

    # Schedules: read by the triggers only

    poll_jobs_schedule: str = "*/15 * * * * *"
    """NCRONTAB schedule of poll_jobs."""
    gather_responses_schedule: str = "0 */5 * * * *"
    """NCRONTAB schedule of gather_responses."""
    housekeeping_schedule: str = "0 * * * * *"
    """NCRONTAB schedule of housekeeping."""
    draw_suppressions_schedule: str = "0 */10 * * * *"
    """NCRONTAB schedule of draw_suppressions. It does nothing while no channel has suppress = true."""

    # FastStats

    system_name: str
    """Name of the FastStats system, as in WS_<SystemName>."""
    ws_db: Connection | None = None
    """Connection to WS_DB (docs/how-to/databases.md). Leave it out if no broadcast comes from the job queue."""
    rs_db: Connection
    """Connection to RS_DB (docs/how-to/databases.md). The bridge keeps its ledger there too."""
    ps_db: Connection | None = None
    """Connection to PS_DB, PeopleStage's database (docs/how-to/databases.md). With it, broadcasts from the PeopleStage
    channel get their delivery step and run."""
    schema_map_file: Path | None = None
    """TOML file with the names of tables, columns, states and XML paths of WS_DB, RS_DB and PS_DB
    (docs/reference/schema-map.md). Without it the public names are used."""
    bulk_load: BulkMethod = BulkMethod.AUTO
    """How rows are loaded into RS_DB: `auto` (bulk copy, or INSERT where that does not work), `bulk copy`, `insert`, or
    `bulk insert` (the server reads files from STAGING_CONTAINER; docs/reference/bulk-load.md)."""
    bulk_insert_data_source: Annotated[str, AfterValidator(_data_source)] | None = None
    """Name of the external data source in RS_DB whose location is STAGING_CONTAINER, for BULK_LOAD = `bulk insert`."""
    database_time_zone: TimeZoneName = "UTC"
    """Time zone of the times in WS_DB, RS_DB and PS_DB: that of their server (Azure SQL: UTC)."""
    delivery_files: LocationText
    """Where FastStats writes its delivery files (docs/reference/delivery-files.md): a mounted folder
    (`/mnt/deliveries`), a folder of a blob container (`container:deliveries/folder`) or of an SFTP site of
    CHANNELS_FILE (`sftp:partner/out/folder`)."""
    channels_file: Path | None = None
    """TOML file with the channels (docs/how-to/channels.md). Without it there is one, `default`."""
    bridge_name: str = "Broadcast Bridge"
    """Name written to the Server column of the jobs that this bridge claims; each bridge needs its own."""
    jobs_per_poll: Annotated[int, Field(ge=1, le=1000)] = 20
    """Maximum number of jobs that one run of poll_jobs claims."""

    only_mail: Annotated[str, AfterValidator(_only_mail)] | None = Field(default=None, repr=False)
    """Makes this a test installation (docs/how-to/test-installation.md): the only domains and addresses that are
    mailed, with commas between, such as `example.com, anna@example.org`. Others are put aside as suppressed."""

    # Optimizely Campaign, REST

    optimizely_rest_url: HttpsAddress = "https://api.campaign.episerver.net/rest"
    """Base address of the REST API, without the client ID."""
    optimizely_client_id: int
    """Client ID, from Administration > API Overview > REST API."""
    optimizely_api_user: str
    """API user (not a UI user)."""
    optimizely_api_password: SecretStr
    """Password of the API user."""
    optimizely_connections: Annotated[int, Field(ge=1, le=40)] = 8
    """Maximum number of connections of one instance to the REST API. The vendor allows 40 for all instances
    together."""

    # Optimizely Campaign, SFTP

    sftp_host: str
    """Host of the SFTP site."""
    sftp_port: Annotated[int, Field(ge=1, le=65535)] = 22
    """Port of the SFTP site."""
    sftp_user: str
    """User of the SFTP site."""
    sftp_private_key: SecretStr | None = None
    """Private key (PEM or OpenSSH text) registered with Optimizely support, which accepts RSA 2048 only."""
    sftp_private_key_passphrase: SecretStr | None = None
    """Passphrase of the private key, if it has one."""
    sftp_password: SecretStr | None = None
    """Password of SFTP_USER, for sites that accept no key or require both."""
    sftp_host_keys: str
    """Pinned host keys: known_hosts lines or SHA256 fingerprints, one a line or separated by `;`. Two of them while the
    vendor rotates its key."""
    sftp_direct: bool = False
    """Whether list files are uploaded under their own names, to a site that refuses every rename
    (docs/how-to/sftp-sites.md)."""
    sftp_direct_marker: MarkerName | None = None
    """With SFTP_DIRECT: name of the empty file that is written when a list file is complete, such as `{name}.done`."""
    sftp_response_folder: str = "/responses"
    """Folder in which response files appear."""

    # Following a broadcast

    monitor_interval_seconds: Duration = 30
    """Pause between two checks of an import or a send."""
    import_timeout_minutes: Duration = 26 * 60
    """Maximum time from the upload to the import. Import jobs may run once a day."""
    send_timeout_minutes: Duration = 60
    """Maximum time from its import, or its set time, until a Smart Campaign that Optimizely starts by itself sends."""
    start_settle_seconds: Annotated[float, Field(ge=0, le=LONGEST_SECONDS)] = 120
    """How long the bridge waits for Optimizely to show a start whose outcome is unknown, before it decides."""
    lease_seconds: Duration = 60
    """How long a lease lives without a heartbeat."""
    max_attempts: Count = 8
    """Number of attempts in a row without success after which a broadcast, or the load of a response file, ends. An
    attempt that ended with its process counts too."""
    retry_seconds: Duration = 10
    """Pause after the first failed attempt; it doubles with each."""

    # Files of others

    unfinished_names: str = ""
    """Patterns of names (`*` and `?`), with commas between, of delivery files and response files that are still being
    written, such as `*.busy`. The usual ones are known: names that begin with a dot or end in `.part`, `.partial`,
    `.filepart`, `.crdownload`, `.tmp` and others (docs/reference/delivery-files.md)."""

    # Response files

    response_file_marker: MarkerName | None = None
    """Name of the file that marks a response file as complete, such as `{name}.done`. Without it a file is complete
    when it has not changed for RESPONSE_FILE_SETTLE_SECONDS."""
    response_file_settle_seconds: Annotated[float, Field(ge=0, le=LONGEST_SECONDS)] = 60
    """How long a response file without a marker must stay unchanged before it is gathered."""
    response_file_rounds: Count = 6
    """Number of runs of gather_responses in a row that fail to gather a response file, or to archive it after its load,
    before an alert is raised."""

    # Retention, see docs/reference/retention.md

    keep_staged_lists_days: Days = 30
    """Days for which staged lists are kept after the end of their broadcasts."""
    keep_rejects_days: Days = 90
    """Days for which reject files are kept."""
    keep_response_files_days: Days = 90
    """Days for which response files are kept, so that they can be loaded again."""
    keep_recipient_keys_days: Annotated[int, Field(ge=31, le=LONGEST_DAYS)] = 180
    """Days for which the hashes are kept that match responses without the broadcast's key to their broadcast. The
    vendor keeps response data up to 30 days."""
    keep_history_days: Annotated[int, Field(ge=31, le=LONGEST_DAYS)] = 730
    """Days for which the history of broadcasts is kept; not less than KEEP_RECIPIENT_KEYS_DAYS."""

    # Where responses go

    responses_to: Literal["tables", "files", "both"] = "tables"
    """Where responses go (docs/reference/responses.md): `tables` of RS_DB, `files` that an existing FERG reads, or
    `both`."""
    ferg_files: LocationText | None = None
    """Location from which FERG reads these files: a mounted folder, `container:…` or `sftp:…`."""
    ferg_delimiter: str = "TAB"
    """FERG's parameter DELIMITER: a character, or `TAB`."""
    ferg_encloser: str = "DOUBLEQUOTE"
    """FERG's parameter ENCLOSER: `DOUBLEQUOTE` or `NONE`."""
    ferg_date_format: str = "dd.MM.yyyy HH:mm:ss"
    """FERG's parameter DATEFORMAT. Times are local times of DATABASE_TIME_ZONE."""
    erase_responses: Literal["keep", "anonymise", "delete"] = "anonymise"
    """What `bridge erase` does with a person's rows of `Response` in RS_DB (docs/how-to/erase.md): `keep` them,
    `anonymise` them, so that counts stay, or `delete` them."""

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        """Check what no setting can be checked for alone."""
        uris = self.blob_service_uri and self.queue_service_uri
        source = self.bulk_insert_data_source
        login = self.sftp_private_key or self.sftp_password
        rules = {
            "storage: set AzureWebJobsStorage, or AzureWebJobsStorage__blobServiceUri and __queueServiceUri": (
                self.storage_connection is None and not uris
            ),
            "BULK_INSERT_DATA_SOURCE: it is required for BULK_LOAD = bulk insert": (
                self.bulk_load is BulkMethod.BULK_INSERT and source is None
            ),
            "SFTP_DIRECT_MARKER: it requires SFTP_DIRECT = true": (
                self.sftp_direct_marker is not None and not self.sftp_direct
            ),
            "SFTP_PASSWORD: set SFTP_PRIVATE_KEY or SFTP_PASSWORD": login is None,
            "KEEP_HISTORY_DAYS: it must not be less than KEEP_RECIPIENT_KEYS_DAYS, because the history shows who was "
            "sent to when": self.keep_history_days < self.keep_recipient_keys_days,
            "FERG_FILES: it is required for RESPONSES_TO = files or both": (
                self.responses_to != "tables" and self.ferg_files is None
            ),
        }
        if broken := [rule for rule, is_broken in rules.items() if is_broken]:
            raise ValueError("; ".join(broken))
        return self
