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
