"""The installation: a setting, a permission, the channels file or the schema of a database must be corrected."""

from shared.errors.base import TerminalError, TransientError


class InstallationError(TerminalError):
    """Whoever runs the bridge must correct a setting, a permission, a file of configuration or a database."""


class TransientInstallationError(TransientError):
    """The cause may pass by itself; if it lasts, whoever runs the bridge must correct something."""


# Settings and the channels file


class SettingsInvalid(InstallationError, code="settings-invalid"):
    """The app settings cannot be used: {reason}."""

    remedy = "docs/reference/settings.md describes every setting; `bridge doctor` checks them."
    reason: str


class TestInstallation(InstallationError, code="test-installation"):
    """Broadcast {broadcast} was staged for more recipients than this test installation may mail (ONLY_MAIL)."""

    __test__ = False  # for pytest, which takes the name for a test class

    remedy = "If it failed, nobody was mailed: `bridge broadcast retry {broadcast}` stages its list again."
    broadcast: str


class SeedsNotAllowed(InstallationError, code="seeds-not-allowed"):
    """None of the {count} recipients of the seed list {list!r} may be mailed by this test installation."""

    remedy = "Nothing was sent. Add the seeds to ONLY_MAIL, or name a seed list of allowed recipients."
    list: str
    count: int


class DropMissing(InstallationError, code="drop-missing"):
    """The channel {channel} no longer has a folder for dropped delivery files."""

    remedy = "Restore the table [channels.….drop] of the channel in CHANNELS_FILE, then run `bridge broadcast retry`."
    channel: str


class ListFieldUnknown(InstallationError, code="list-field-unknown"):
    """The recipient list {list!r} has no field {field}, which `fields` of the channel names."""

    remedy = (
        "Correct `fields` of the channel in CHANNELS_FILE, or ask Optimizely support to add the field, "
        "then run `bridge broadcast retry`."
    )
    list: str
    field: str


class FieldMapAmbiguous(InstallationError, code="field-map-ambiguous"):
    """The channel maps columns to fields of the recipient list {list!r} ambiguously: {reason}."""

    remedy = "Correct `fields` of the channel in CHANNELS_FILE, then run `bridge broadcast retry`."
    list: str
    reason: str


class ListFileColumnsWrong(InstallationError, code="list-file-columns-wrong"):
    """The list file for the recipient list {list!r} cannot have the columns of the channel: {reason}."""

    remedy = (
        "Correct `list_file` or `mailing_column` of the channel in CHANNELS_FILE, then run `bridge broadcast retry`."
    )
    list: str
    reason: str


class LocationUnavailable(TransientInstallationError, code="place-unavailable"):
    """The bridge could not {operation} in {location} ({reason})."""

    remedy = "The bridge retries automatically; if the error lasts, check that the folder exists and is accessible."
    location: str
    operation: str
    reason: str


# Logins at Optimizely


class OptimizelyLoginRefused(InstallationError, code="optimizely-login-refused"):
    """Optimizely Campaign refused the API user for {operation} (status {status})."""

    remedy = "Check OPTIMIZELY_API_USER, OPTIMIZELY_API_PASSWORD, OPTIMIZELY_CLIENT_ID and the allowed IP addresses."
    operation: str
    status: int


class ScheduledJobsHidden(InstallationError, code="scheduled-jobs-hidden"):
    """Optimizely Campaign does not show its scheduled jobs to the bridge ({reason})."""

    remedy = (
        "Ask Optimizely support to allow the bridge's outbound IP addresses for the scheduled jobs of the REST API, "
        "until `bridge doctor` passes; then run `bridge broadcast retry`."
    )
    reason: str


class ImportJobUnknown(InstallationError, code="import-job-unknown"):
    """Optimizely Campaign has no import job {job!r}."""

    remedy = (
        "Correct `job_name` of the channel in CHANNELS_FILE to the name under Administration > Scheduled Jobs, or ask "
        "Optimizely support to set up the import job of the list, until `bridge doctor` passes; then run "
        "`bridge broadcast retry`."
    )
    job: str


class SftpHostKeyRefused(InstallationError, code="sftp-host-key-refused"):
    """The SFTP site {host} presented a host key that is not pinned (fingerprint {fingerprint})."""

    remedy = "Ask Optimizely support whether the key has changed; only if it has, add it to SFTP_HOST_KEYS."
    host: str
    fingerprint: str


class SftpLoginRefused(InstallationError, code="sftp-login-refused"):
    """The SFTP site {host} refused the login."""

    remedy = (
        "Check the user, key and password in the app settings, and with whoever runs the site that the public key is "
        "registered. Nothing of a failed broadcast was delivered: run `bridge broadcast retry`."
    )
    host: str


class SftpRefused(InstallationError, code="sftp-refused"):
    """The SFTP site refused to {operation} ({reason})."""

    remedy = (
        "Check the folder, its free space and the user's permissions with whoever runs the site (Optimizely support, a "
        "partner). Nothing of a failed broadcast was delivered: run `bridge broadcast retry`."
    )
    operation: str
    reason: str


class SftpRenameRefused(InstallationError, code="sftp-rename-refused"):
    """The SFTP site refused to {operation} ({reason})."""

    remedy = (
        "An uploaded file gets its name by a rename when it is complete. Ask whoever runs the site to permit renames; "
        "where that is impossible, set `direct` for the site (docs/how-to/sftp-sites.md). Nothing of a failed "
        "broadcast was delivered: run `bridge broadcast retry`."
    )
    operation: str
    reason: str


# Logins and permissions at a database


class DatabaseLoginRefused(InstallationError, code="database-login-refused"):
    """The server of {database} refused the login (error {number})."""

    remedy = (
        "Check the user and password in the setting {database}, or that the app's identity is a user of the "
        "database. The password may have expired, or the login may be locked or disabled."
    )
    database: str
    number: int


class DatabaseMissing(InstallationError, code="database-missing"):
    """The server of {database} has no such database, or hides it from this login (error {number})."""

    remedy = "Check the database name in the setting {database}, and that the login is a user of that database."
    database: str
    number: int


class DatabaseAddressRefused(InstallationError, code="database-address-refused"):
    """The firewall of the server of {database} refused the bridge's network (error {number})."""

    remedy = "Add the bridge's subnet or address to the server's firewall rules, or use a private endpoint."
    database: str
    number: int


class DatabasePermissionDenied(InstallationError, code="database-permission-denied"):
    """The bridge's user lacks a permission in {database} (error {number})."""

    remedy = "Grant the user the permissions that docs/how-to/databases.md lists."
    database: str
    number: int


class OdbcDriverMissing(InstallationError, code="odbc-driver-missing"):
    """SQL Server cannot be reached, because {what} is missing or cannot be loaded."""

    remedy = (
        "Install ODBC itself (Debian and Ubuntu: `apt-get install unixodbc libgssapi-krb5-2`); the driver comes with "
        "the Python package mssql-python-odbc, or from Microsoft."
    )
    what: str


class DatabaseTlsFailed(TransientInstallationError, code="database-tls-failed"):
    """No encrypted connection to the server of {database} could be made (error {number})."""

    remedy = (
        "The bridge retries automatically; if the error lasts, the server has no TLS, or its certificate has expired, "
        "is issued by an authority that this machine does not trust, or names another host than the setting "
        "{database} (docs/how-to/databases.md)."
    )
    database: str
    number: int


class EntraTokenUnavailable(TransientInstallationError, code="entra-token-unavailable"):
    """Microsoft Entra issued no token for the database login by {identity} ({reason})."""

    remedy = (
        "The bridge retries automatically; if the error lasts, check that the app has the managed identity that the "
        "setting names, or on a developer's machine sign in with `az login`."
    )
    identity: str
    reason: str


# The schema of a database


class DatabaseObjectMissing(InstallationError, code="database-object-missing"):
    """A table or column that the bridge uses is missing in {database} (error {number})."""

    remedy = "Run `bridge db status`; if no migration is pending, compare the database with the schema map."
    database: str
    number: int


class SchemaMapMismatch(InstallationError, code="schema-map-mismatch"):
    """{database} differs from the schema map: {differences}."""

    remedy = (
        "Correct SCHEMA_MAP_FILE (docs/reference/schema-map.md) until `bridge doctor` reports no difference. "
        "Until then no job is claimed and nothing is lost."
    )
    database: str
    differences: str


class CatalogueUnreadable(InstallationError, code="catalogue-unreadable"):
    """The catalogue of {database} cannot be read ({reason}), so the schema map is used unchecked."""

    remedy = (
        "Grant the bridge's user VIEW DEFINITION on the tables (docs/how-to/databases.md), or compare them with "
        "`bridge schema-map show`."
    )
    database: str
    reason: str


class DatabaseValueTooLong(InstallationError, code="database-value-too-long"):
    """A value is too long or too large for its column in {database} ({reason}); nothing was written."""

    remedy = "Compare the widths of the columns with the schema map."
    database: str
    reason: str


class DatabaseRuleBroken(InstallationError, code="database-rule-broken"):
    """{table} in {database} refuses what the bridge writes ({rule}); nothing was written.

    The rule is one of the customer's: a constraint, a unique index, a NOT NULL column, a trigger.
    """

    remedy = (
        "Let whoever owns the table change the rule, or what it refuses (docs/how-to/databases.md#rules-of-your-own). "
        "Then run `bridge broadcast retry` for a broadcast, or `bridge responses replay --file NAME` for a response "
        "file; the bridge claims jobs of WS_DB again automatically."
    )
    table: str
    database: str
    #: What it is and its name, never a value.
    rule: str
    #: Whether it refuses a row for its values; otherwise no row is taken.
    of_row: bool = True


class DatabaseTextNotAscii(InstallationError, code="database-text-not-ascii"):
    """A text with characters beyond ASCII does not fit {column} of {database}; nothing was written."""

    remedy = "Change the column to NVARCHAR, or find out where the text comes from."
    column: str
    database: str


class BulkLoadClosed(InstallationError, code="bulk-load-closed"):
    """Rows cannot be loaded into {database} by {method} ({reason})."""

    remedy = "Set BULK_LOAD to auto or insert, or provide what {method} needs (docs/reference/bulk-load.md)."
    database: str
    method: str
    reason: str


class SchemaOutOfDate(InstallationError, code="schema-out-of-date"):
    """The bridge's tables in {database} lack migration {number} ({name}), which this code needs."""

    remedy = (
        "Nothing was started. Run `bridge db migrate` with a login that may change the tables (docs/how-to/migrate.md)."
    )
    database: str
    number: int
    name: str


class SchemaTooNew(InstallationError, code="schema-too-new"):
    """The bridge's tables in {database} are too new for this code since migration {number} ({name})."""

    remedy = "Nothing was started. Deploy the code that brought the migration: migrations go forward only."
    database: str
    number: int
    name: str


class MigrationChanged(InstallationError, code="migration-changed"):
    """Migration {number} ({name}) was applied to {database} with other statements than this code has."""

    remedy = (
        "Nothing was changed. A migration must not be edited once it is applied: restore its file, and add a new "
        "migration for the change."
    )
    database: str
    number: int
    name: str


class MigrationFailed(InstallationError, code="migration-failed"):
    """Migration {number} ({name}) failed at its statement {statement}: {reason}."""

    remedy = "It was rolled back. Fix the cause and run `bridge db migrate` again; `--plan` prints its SQL."
    number: int
    name: str
    statement: int
    reason: str


# Everything is held


class Held(TransientInstallationError, code="held"):
    """Everything is held since {since}: {by} placed a hold ({reason})."""

    remedy = (
        "Nothing was started, released or exported. `bridge hold` shows the hold and how to lift it; then the work "
        "continues."
    )
    by: str
    since: str
    reason: str


class LedgerOlder(InstallationError, code="ledger-older"):
    """The ledger is older than what was done with it: its mark is {number}, but {reached} was reached on {written_at}.

    RS_DB was restored to an earlier moment. The bridge holds everything, for it does not know what was sent since.
    """

    remedy = (
        "docs/how-to/restore.md has the steps: `bridge sent-since TIME` lists what was sent since; then "
        "`bridge hold --lift --code ledger-older`."
    )
    number: int
    reached: int
    written_at: str


class LedgerMarkMissing(InstallationError, code="ledger-mark-missing"):
    """The ledger's mark is {number}, but the storage account has no copy of it: it is a new one, or was emptied.

    So the bridge cannot know whether the ledger is older than what was done with it, and holds everything.
    """

    remedy = (
        "If RS_DB was restored too, follow docs/how-to/restore.md; then, or if it was not, "
        "`bridge hold --lift --code ledger-mark-missing`."
    )
    number: int


class LedgerOther(InstallationError, code="ledger-other"):
    """The storage account has the mark of another ledger, written by {by} on {written_at}.

    Two installations use the same storage account and containers, or the bridge's tables were created again. The bridge
    holds everything.
    """

    remedy = (
        "Give each installation containers and queues of its own. If the tables were created again, follow "
        "docs/how-to/restore.md; then `bridge hold --lift --code ledger-other`."
    )
    by: str
    written_at: str
