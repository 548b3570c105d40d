"""The other side: Optimizely Campaign, its SFTP site, SQL Server or the storage account must be checked."""

from shared.errors.base import TerminalError, TransientError


class RemoteError(TerminalError):
    """Something at Optimizely has to be checked or corrected, by an operator or by its support."""


class TransientRemoteError(TransientError):
    """A service did not answer, or cannot do its work now."""


# The list and its import


class ListFieldMissing(RemoteError, code="list-field-missing"):
    """The recipient list {list!r} has no field for {field}."""

    remedy = (
        "Ask Optimizely support to add the field to the list and its import job, then run `bridge broadcast retry`."
    )
    list: str
    field: str


class ImportNotSeen(RemoteError, code="import-not-seen"):
    """Optimizely Campaign did not import the list within {minutes} minutes of the upload."""

    remedy = (
        "Check Administration > Scheduled Jobs in Optimizely Campaign, or ask its support, "
        "then run `bridge broadcast retry`."
    )
    minutes: int


class ImportCountWrong(RemoteError, code="import-count-wrong"):
    """The list holds {imported} recipients after the import, but {uploaded} were uploaded."""

    remedy = (
        "Check the import in Optimizely Campaign, and blocklisted or unsubscribed recipients; if the difference is "
        "right, raise max_shortfall_percent of the channel. If the broadcast failed, nobody was mailed: run `bridge "
        "broadcast retry`. If it is parked, Optimizely may be sending it: report what you see with `bridge broadcast "
        "resolve`."
    )
    imported: int
    uploaded: int


class ListChangedMeanwhile(RemoteError, code="list-changed-meanwhile"):
    """The recipient list {list!r} was changed between its verified import and the start; nothing was sent."""

    remedy = "Find out what else fills this list and stop it, then run `bridge broadcast retry`."
    list: str


# The Smart Campaign and its send


class CampaignNotStartable(RemoteError, code="campaign-not-startable"):
    """The Smart Campaign {campaign} has not sent and cannot be started: its status is {status}."""

    remedy = "Check it in Optimizely Campaign and report what happened with `bridge broadcast resolve`."
    campaign: int | None
    status: str


class SendNotSeen(RemoteError, code="send-not-seen"):
    """Optimizely Campaign did not start the Smart Campaign {campaign} by itself; its status is {status}."""

    remedy = "Check its Wait node in Optimizely Campaign, then run `bridge broadcast retry`."
    campaign: int | None
    status: str


class SendOutcomeUnknown(RemoteError, code="send-outcome-unknown"):
    """It is not known whether the Smart Campaign {campaign} was started: {reason}."""

    remedy = (
        "Check it in Optimizely Campaign. If it was started, run `bridge broadcast resolve {broadcast} --started`. "
        "If it was not, run `bridge broadcast resolve {broadcast} --not-started`."
    )
    campaign: int | None
    broadcast: str
    reason: str


class TestSendOutcomeUnknown(RemoteError, code="test-send-outcome-unknown"):
    """The test message was handed to Optimizely Campaign; whether it was sent is not known, so it is not sent again."""

    __test__ = False  # for pytest, which takes the name for a test class

    remedy = (
        "See whether it arrived at the recipients of the seed list of channel {channel!r}. "
        "If it did not, send the test again with a new click."
    )
    channel: str


class StartUnsettled(TransientRemoteError, code="start-unsettled"):
    """A start of the Smart Campaign {campaign} had no answer and may still take effect."""

    remedy = "The bridge checks automatically until START_SETTLE_SECONDS have passed."
    campaign: int | None


class SendStopped(RemoteError, code="send-stopped"):
    """The Smart Campaign {campaign} was stopped after the message was sent to {sent} recipients."""

    remedy = (
        "Nothing more is sent. Another broadcast of the list would mail the same people again: "
        "make a new selection in FastStats."
    )
    campaign: int | None
    sent: int


class SentShort(RemoteError, code="sent-short"):
    """Smart Campaign {campaign} mailed only {sent} of {imported} recipients; its report explains {explained} more."""

    remedy = (
        "Check its list and its report in Optimizely Campaign: recipients were lost between the count and the send. "
        "The others were not mailed: make a new selection of them in FastStats, from the responses of type Send. Then "
        "run `bridge broadcast acknowledge {broadcast}`, which clears the alert. If the difference is right, raise "
        "max_shortfall_percent of the channel."
    )
    campaign: int | None
    broadcast: str
    sent: int
    imported: int
    #: Recipients that the report counts as skipped or still queued.
    explained: int


class CopyNotSeen(RemoteError, code="copy-not-seen"):
    """No copy of the Smart Campaign {campaign} appeared within {minutes} minutes of the upload."""

    remedy = (
        "Look for a copy and for the notification of the closed-loop service in Optimizely Campaign. If the copy was "
        "sent, run `bridge broadcast resolve {broadcast} --started --campaign ID`. If not, run "
        "`bridge broadcast resolve {broadcast} --not-started`."
    )
    campaign: int | None
    minutes: int
    broadcast: str


class CopyAmbiguous(RemoteError, code="copy-ambiguous"):
    """{count} Smart Campaigns send the list of the broadcast: {campaigns}."""

    remedy = (
        "The closed-loop service made one of them; the others are copies of it. Stop those in Optimizely Campaign and "
        "name the right one: `bridge broadcast resolve {broadcast} --started --campaign ID`. Only if none of them was "
        "sent, delete them all and run `bridge broadcast resolve {broadcast} --not-started`."
    )
    count: int
    campaigns: str
    broadcast: str


class CopyUnproven(RemoteError, code="copy-unproven"):
    """Within {minutes} minutes no Smart Campaign proved to be the copy made for the broadcast; not proved: {campaigns}.

    They are newer than the upload and named as copies are, but their lists hold neither the broadcast's key nor exactly
    what was uploaded.
    """

    remedy = (
        "Check in Optimizely Campaign who made them and what their lists hold. If one is the copy, run "
        "`bridge broadcast resolve {broadcast} --started --campaign ID`. If none is and nothing was sent, run "
        "`bridge broadcast resolve {broadcast} --not-started` with `--not-campaign ID` for each of them."
    )
    minutes: int
    campaigns: str
    broadcast: str


class AlreadyStarted(RemoteError, code="already-started"):
    """Broadcast {broadcast} was started, or starts by itself: its Smart Campaign {campaign} is {status}."""

    remedy = "Let the bridge follow it: `bridge broadcast resolve {broadcast} --started --campaign {campaign}`."
    broadcast: str
    campaign: int
    status: str


class CopyPossible(RemoteError, code="copy-possible"):
    """Broadcast {broadcast} may have been started; Smart Campaigns that may be the copy made for it: {campaigns}."""

    remedy = (
        "Check in Optimizely Campaign who made them and what their lists hold. If one is the copy, run "
        "`bridge broadcast resolve {broadcast} --started --campaign ID`. If none is and nothing was sent, run "
        "`bridge broadcast resolve {broadcast} --not-started` with `--not-campaign ID` for each of them."
    )
    broadcast: str
    campaigns: str


class ListFileStillThere(RemoteError, code="list-file-still-there"):
    """The list file of broadcast {broadcast} is still on the SFTP site, where it can be taken at any time: {path}."""

    remedy = (
        "Uploaded again, everybody on it could be mailed twice. Either let it be taken and run "
        "`bridge broadcast resolve {broadcast} --started`, for a closed loop with `--campaign ID`; or remove it from "
        "the site and run `bridge broadcast resolve {broadcast} --not-started` again."
    )
    broadcast: str
    path: str


class ListFileTaken(RemoteError, code="list-file-taken"):
    """The list file of broadcast {broadcast} was taken, and a copy that is sent can still appear until {until}."""

    remedy = (
        "Uploaded again, everybody on it could be mailed twice. If a copy appears, run "
        "`bridge broadcast resolve {broadcast} --started --campaign ID`; if none has appeared by then, run "
        "`bridge broadcast resolve {broadcast} --not-started` again. The service may take IMPORT_TIMEOUT_MINUTES."
    )
    broadcast: str
    until: str


class BatchInvalid(RemoteError, code="batch-invalid"):
    """The sending batch {batch} is in state {state!r} and cannot be filled or sent."""

    remedy = "Check its Smart Campaign in Optimizely Campaign, then run `bridge broadcast retry`."
    batch: int
    state: str


# The REST API and the SFTP site


class OptimizelyRefused(RemoteError, code="optimizely-refused"):
    """Optimizely Campaign refused {operation} (status {status})."""

    remedy = "Check the object in Optimizely Campaign; if it is as it should be, report the operation and the status."
    operation: str
    status: int


class OptimizelyConflict(RemoteError, code="optimizely-conflict"):
    """Optimizely Campaign refused {operation}, because the object is in another state (now: {state})."""

    remedy = "Check the object in Optimizely Campaign, and whether it belongs to the client of OPTIMIZELY_CLIENT_ID."
    operation: str
    state: str


class OptimizelyNotAnswered(TransientRemoteError):
    """Optimizely Campaign gave no answer, or none that can be relied on.

    Whether the request took effect is not known: what must not happen twice is looked up before it is repeated.
    """

    operation: str
    reason: str
    #: Seconds that the server asks to wait.
    retry_after: float | None = None


class OptimizelyAnswerInvalid(OptimizelyNotAnswered, code="optimizely-answer-invalid"):
    """The answer to {operation} is not what the REST API of Optimizely Campaign answers: {reason}."""

    remedy = (
        "Something between the bridge and Optimizely may answer in its place: a proxy, a firewall, a page during "
        "maintenance. The bridge retries automatically, and looks up what may have taken effect. If it lasts, check "
        "the way to Optimizely with `bridge doctor`, and for status 403 the addresses that Optimizely allows; if the "
        "answers are JSON, report the operation, for the vendor's interface may have changed. A broadcast that failed "
        "mailed nobody: run `bridge broadcast retry`. Of one that is parked, report what Optimizely shows with `bridge "
        "broadcast resolve`."
    )


class OptimizelyUnavailable(OptimizelyNotAnswered, code="optimizely-unavailable"):
    """Optimizely Campaign did not answer {operation} ({reason})."""

    remedy = "The bridge retries automatically."


class SftpAlgorithmsRefused(RemoteError, code="sftp-algorithms-refused"):
    """The SFTP site {host} and the bridge have no algorithm in common for {what}."""

    remedy = (
        "Ask Optimizely support which algorithms the site supports. The bridge refuses those with SHA-1, MD5 or CBC."
    )
    host: str
    what: str


class SftpUnavailable(TransientRemoteError, code="sftp-unavailable"):
    """The SFTP site {host} could not be used to {operation} ({reason})."""

    remedy = (
        "The bridge retries automatically. If the error lasts, check the site; nothing of a failed broadcast was "
        "delivered: run `bridge broadcast retry`."
    )
    host: str
    operation: str
    reason: str


class SftpTextInChannel(TransientRemoteError, code="sftp-text-in-channel"):
    """The SFTP site {host} could not be used to {operation}: its server wrote text into the SFTP channel."""

    remedy = (
        "The text, such as a greeting, comes from the user's shell or login scripts. Ask whoever runs the site to let "
        "them print nothing, or to give the user `internal-sftp`. Nothing of a failed broadcast was delivered: run "
        "`bridge broadcast retry`."
    )
    host: str
    operation: str


class UploadOutcomeUnknown(RemoteError, code="upload-outcome-unknown"):
    """Whether the receiver has the uploaded file {path} is unknown: {reason}."""

    remedy = (
        "It is not uploaded again before somebody decides. If the broadcast needs an operator, ask the receiver, then "
        "run `bridge broadcast resolve --started`, or `--not-started`, which uploads it again. If it is failed, nobody "
        "was sent the message: run `bridge broadcast retry`."
    )
    path: str
    reason: str


# Databases and storage


class DatabaseUnavailable(TransientRemoteError, code="database-unavailable"):
    """The database {database} could not be used ({reason})."""

    remedy = "The bridge retries automatically; if the error lasts, check the connection string and the network."
    database: str
    reason: str
    #: The server's own number, if it passes by itself.
    number: int | None = None
    #: Whether a transaction had begun and nothing of it is kept, so that it can begin again.
    undone: bool = False


class DatabaseFull(TransientRemoteError, code="database-full"):
    """The database {database} has no room left for its data or its log (error {number})."""

    remedy = "Enlarge it or free some space; the bridge retries automatically."
    database: str
    number: int


class BulkLoadIncomplete(TransientRemoteError, code="bulk-load-incomplete"):
    """Only {arrived} of {given} rows arrived in {table} of {database} when they were loaded by {method}."""

    remedy = "They are removed and the load is retried automatically; if the error lasts, set BULK_LOAD to insert."
    database: str
    table: str
    method: str
    given: int
    arrived: int


class StorageUnavailable(TransientRemoteError, code="storage-unavailable"):
    """The storage account could not be used to {operation} ({reason})."""

    remedy = "The bridge retries automatically; if the error lasts, check AzureWebJobsStorage and the network."
    operation: str
    reason: str
