"""The databases, where whoever runs the bridge must act: logins, permissions, tables and their rules, migrations."""

from shared.errors.installation import InstallationError, TransientInstallationError

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
