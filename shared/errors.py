"""The error catalogue: what happened, what to do next, and whether a retry can help.

Every error of this code is a subclass of `TerminalError` (a retry cannot help) or `TransientError`
(the same step may succeed later). A class is one entry of the catalogue: its `code` is what an
operator searches for, `happened` says what happened in one sentence, `remedy` what to do next.

Facts are passed by keyword and fill the braces of `happened` and `remedy`. They are names, numbers
and codes, never an address, a key of a person or a secret: errors are logged and written to WS_DB.
Errors of libraries are mapped to this catalogue once, where the library is called.
"""

from collections.abc import Iterator
from typing import ClassVar


class BridgeError(Exception):
    """Base of the catalogue; never raised itself.

    Attributes:
        facts: what the error is about, by name.
    """

    code: ClassVar[str]
    happened: ClassVar[str]
    remedy: ClassVar[str]

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(f"{self.happened} {self.remedy}".format_map(facts))

    def __str__(self) -> str:
        """The sentences of the catalogue, then the code in brackets."""
        return f"{self.sentence} [{self.code}]"

    @property
    def sentence(self) -> str:
        """What happened and what to do next, without the code."""
        return str(self.args[0])


class TerminalError(BridgeError):
    """A retry of the same step cannot help: somebody has to change something first."""


class TransientError(BridgeError):
    """The same step may succeed later: it is tried again with growing pauses."""


# The job and its delivery file


class JobCommandInvalid(TerminalError):
    """The command of a WS_DB job cannot be read, or lacks what a broadcast needs."""

    code = "job-command-invalid"
    happened = "The command of job {job} cannot be used: {reason}."
    remedy = "Check the job's row in JobQueueCommands against the XML paths of the schema map, then add the job again."


class DeliveryFileMissing(TerminalError):
    """The job names a delivery file that is not there."""

    code = "delivery-file-missing"
    happened = "The delivery file {file} is not in {place}."
    remedy = (
        "Check that FastStats wrote it and that DELIVERY_FILES, or the channel's place, is where it writes to, "
        "then retry the broadcast."
    )


class FileNameRefused(TerminalError):
    """A file name leads out of the place in which the file should be, or cannot be one."""

    code = "file-name-refused"
    happened = "A file in {place} cannot have the name {name}."
    remedy = (
        "A name holds no folder, no control character, and at most 255 bytes. Correct it and run the broadcast again."
    )


class DeliveryFileNotText(TerminalError):
    """The delivery file is not text in the encoding of the channel."""

    code = "delivery-file-not-text"
    happened = "The delivery file {file} is not {encoding} text (line {line})."
    remedy = (
        "Let the encoding in the channel's File Settings and `delivery_file.encoding` of the channel in CHANNELS_FILE "
        "agree (best: UTF-8), and run the broadcast again."
    )


class DeliveryFilePackedBroken(TerminalError):
    """The zip or gzip file ends early, or is damaged."""

    code = "delivery-file-packed-broken"
    happened = "The delivery file {file} is a {kind} file that is cut off or damaged."
    remedy = "Look whether it was still being written or copied, and run the broadcast again."


class DeliveryFilePackedOtherwise(TerminalError):
    """The zip file is compressed in a way that the bridge does not read."""

    code = "delivery-file-packed-otherwise"
    happened = "The delivery file {file} is a zip file of a kind that is not read ({what})."
    remedy = "Compress it by the usual method, deflate, or deliver it as it is, and run the broadcast again."


class DeliveryFileEncrypted(TerminalError):
    """The zip file is protected by a password."""

    code = "delivery-file-encrypted"
    happened = "The delivery file {file} is an encrypted zip file."
    remedy = "Deliver it without a password; a private place protects it better. Then run the broadcast again."


class DeliveryFileSeveral(TerminalError):
    """The zip file does not hold exactly one file."""

    code = "delivery-file-several"
    happened = "The delivery file {file} is a zip file that holds {held}."
    remedy = "Put exactly one file into it, without folders, and run the broadcast again."


class DeliveryFileTooLarge(TerminalError):
    """The zip or gzip file unpacks to more than any list has."""

    code = "delivery-file-too-large"
    happened = "The delivery file {file} was not unpacked to its end: {reason}."
    remedy = "Look where it comes from: it is no list. If it is one, deliver it unpacked, then run the broadcast again."


class DeliveryFileEmpty(TerminalError):
    """The delivery file has no header row."""

    code = "delivery-file-empty"
    happened = "The delivery file {file} is empty."
    remedy = "Check the selection in FastStats and run the broadcast again."


class ColumnMissing(TerminalError):
    """The header of the delivery file lacks a column that the broadcast needs."""

    code = "delivery-file-column-missing"
    happened = "The header of the delivery file {file} has no column {column}."
    remedy = (
        "Add the column to the broadcast, or correct its name in the channel's Output Settings, "
        "and run the broadcast again."
    )


class DeliveryFileColumnTwice(TerminalError):
    """Two columns of the delivery file have the same name."""

    code = "delivery-file-column-twice"
    happened = "The columns {first} and {second} of the delivery file {file} have the same name."
    remedy = "Rename or remove one of them in the channel's Additional Variables, and run the broadcast again."


class DeliveryFileTooWide(TerminalError):
    """The header of the delivery file has more columns than any list."""

    code = "delivery-file-too-wide"
    happened = "The header of the delivery file {file} has {columns} columns; at most {most} are read."
    remedy = "Look whether it is a delivery file with the delimiter of the channel, and run the broadcast again."


class DeliveryFileHeaderBroken(TerminalError):
    """A quote in the header of the delivery file is not closed, or closed too early."""

    code = "delivery-file-header-broken"
    happened = "The quotes in the header of the delivery file {file} cannot be read."
    remedy = (
        "Give `delivery_file.quote` of the channel in CHANNELS_FILE as its File Settings have it, "
        "then retry the broadcast."
    )


class ChannelCallInvalid(TerminalError):
    """A call of PeopleStage's channel is not as its contract has it."""

    code = "channel-call-invalid"
    happened = "PeopleStage's call of the slot {slot} cannot be used: {reason}."
    remedy = "Check the channel in PeopleStage's Channel Editor against docs/how-to/peoplestage.md."


class DeliveryDiffers(TerminalError):
    """A delivery that was uploaded before is uploaded with something else asked for."""

    code = "delivery-differs"
    happened = "The delivery of broadcast {broadcast} was uploaded before, with another {what}. Nothing was changed."
    remedy = "If the first was wrong, cancel it (`bridge broadcast cancel {broadcast}`) and run a new delivery."


class DeliveryEnded(TerminalError):
    """A delivery cannot go on: it was cancelled, or it waits for an operator."""

    code = "delivery-ended"
    happened = "Broadcast {broadcast} of this delivery is {state} ({reason})."
    remedy = "`bridge broadcast show {broadcast}` says why and what can be done. A new delivery is a new broadcast."


class DropMissing(TerminalError):
    """The channel of a dropped file watches no folder any more."""

    code = "drop-missing"
    happened = "The channel {channel} has no folder for dropped delivery files any more."
    remedy = "Give the channel its [channels.….drop] table back in CHANNELS_FILE, and retry the broadcast."


class NeverReleased(TerminalError):
    """PeopleStage uploaded a delivery and never asked for it to be broadcast."""

    code = "never-released"
    happened = "The list was checked and staged, but the request to broadcast it did not come within {hours} hours."
    remedy = "Nobody was mailed. Look into PeopleStage why the delivery stopped after its upload, and repeat it there."


class DeliveryFileChanged(TerminalError):
    """The delivery file is not the one that was checked before."""

    code = "delivery-file-changed"
    happened = "The delivery file {file} has changed since it was taken in or checked."
    remedy = (
        "Run the broadcast again, so that FastStats writes a file of its own for it. A dropped file that changed comes "
        "in again by itself; let its writer rename it when it is whole."
    )


class NoRecipients(TerminalError):
    """No row of the delivery file is left to upload."""

    code = "no-recipients"
    happened = "Of {rows} rows in the delivery file {file} none can be uploaded."
    remedy = "Look at the reject file of the broadcast for the reasons."


class RowsUnaccounted(TerminalError):
    """A sum that must hold for every row read does not hold (rule 5)."""

    code = "rows-unaccounted"
    happened = "The rows of {what} do not add up: {read} read, but {accounted} accounted for."
    remedy = "Nothing was sent or loaded from it. This is a fault of the bridge: report it with the numbers."


class ChannelUnknown(TerminalError):
    """The job names a channel that the settings do not have."""

    code = "channel-unknown"
    happened = "There is no channel named {channel!r}."
    remedy = "Correct the channel's name in the job, or add it to CHANNELS_FILE, then add the job again."


class SendModeImpossible(TerminalError):
    """The channel's route cannot send in the way the job asks for."""

    code = "send-mode-impossible"
    happened = "The route {route!r} of channel {channel!r} cannot send {mode!r}."
    remedy = "It can: {possible}. Choose another channel, or add the job again without what it cannot do."


# Optimizely Campaign


class ListUnknown(TerminalError):
    """No recipient list has this name."""

    code = "list-unknown"
    happened = "Optimizely Campaign has no recipient list named {list!r}."
    remedy = (
        "Correct the list name in the broadcast, or create the list in Optimizely Campaign, then retry the broadcast."
    )


class ListAmbiguous(TerminalError):
    """Several recipient lists share this name."""

    code = "list-ambiguous"
    happened = "Optimizely Campaign has {count} recipient lists named {list!r}."
    remedy = "Rename all but one of them in Optimizely Campaign, then retry the broadcast."


class ListFieldMissing(TerminalError):
    """The recipient list lacks a field that the broadcast must carry."""

    code = "list-field-missing"
    happened = "The recipient list {list!r} has no field for {field}."
    remedy = "Ask Optimizely support to add the field to the list and its import job, then retry the broadcast."


class RequiredFieldMissing(TerminalError):
    """The recipient list requires a field that the delivery file does not have."""

    code = "list-required-field-missing"
    happened = "The recipient list {list!r} requires the field {field}, which the delivery file does not have."
    remedy = "Add a column of that name to the broadcast and run it again."


class MappedColumnMissing(TerminalError):
    """The delivery file lacks a column that the channel's map names."""

    code = "mapped-column-missing"
    happened = "The delivery file has no column {column}, which the channel maps to the list field {field}."
    remedy = (
        "Add the column to the broadcast, or correct `fields` of the channel in CHANNELS_FILE, "
        "and run the broadcast again."
    )


class ListFieldUnknown(TerminalError):
    """The channel's map names a field that the recipient list does not have."""

    code = "list-field-unknown"
    happened = "The recipient list {list!r} has no field {field}, which the channel's map names."
    remedy = (
        "Correct `fields` of the channel in CHANNELS_FILE, or ask Optimizely support to add the field, "
        "then retry the broadcast."
    )


class FieldMapAmbiguous(TerminalError):
    """Two columns would go to one field of the recipient list, or one column to two fields."""

    code = "field-map-ambiguous"
    happened = "It is not clear which columns go to which fields of the recipient list {list!r}: {reason}."
    remedy = "Correct `fields` of the channel in CHANNELS_FILE, then retry the broadcast."


class ListFileColumnsWrong(TerminalError):
    """The columns that the channel wants in the list file are not those that can be or must be written."""

    code = "list-file-columns-wrong"
    happened = "The columns of the list file for the recipient list {list!r} cannot be written: {reason}."
    remedy = "Correct the channel's `list_file` or `mailing_column` in CHANNELS_FILE, then retry the broadcast."


class MessageUnknown(TerminalError):
    """No Smart Campaign that can be sent has a message of this name."""

    code = "message-unknown"
    happened = "No Smart Campaign in status 'Activation required' has a message named {message!r}."
    remedy = "Correct the message name, or finish the message in Optimizely Campaign, then retry the broadcast."


class MessageAmbiguous(TerminalError):
    """Several Smart Campaigns have a message of this name."""

    code = "message-ambiguous"
    happened = "{count} Smart Campaigns have a message named {message!r}."
    remedy = "Rename the messages in Optimizely Campaign so that one has this name, then retry the broadcast."


class MessageNotTestable(TerminalError):
    """A broadcast has no message, or its Smart Campaign has several."""

    code = "message-not-testable"
    happened = "The broadcast {broadcast} has no message of its own that could be tested."
    remedy = "Name the message: `bridge test-send MESSAGE`."


class SeedListMissing(TerminalError):
    """A test send was asked for, and no seed list is named."""

    code = "seed-list-missing"
    happened = "There is no seed list for test messages of the channel {channel!r}."
    remedy = "Name one with --list, or as seed_list of the channel in CHANNELS_FILE."


class SeedListUnfit(TerminalError):
    """A list to which a test message should go is empty, or too long to be a seed list."""

    code = "seed-list-unfit"
    happened = "The recipient list {list!r} has {count} recipients; a seed list has 1 to {most}."
    remedy = "Nothing was sent. Name the seed list of your staff, not a list of customers."


class ImportNotSeen(TerminalError):
    """The import job did not take the list in time."""

    code = "import-not-seen"
    happened = "Optimizely Campaign did not import the list within {minutes} minutes of the upload."
    remedy = (
        "Look at Administration > Scheduled Jobs in Optimizely Campaign, or ask its support, then retry the broadcast."
    )


class ImportCountWrong(TerminalError):
    """The list holds another number of recipients than the upload explains."""

    code = "import-count-wrong"
    happened = "After the import the list holds {imported} recipients, but {uploaded} were uploaded."
    remedy = (
        "Look for blocklisted or unsubscribed recipients and at the import in Optimizely Campaign; raise the channel's "
        "max_shortfall_percent if the difference is right. If the broadcast failed, nobody was mailed: retry it. If it "
        "is parked, Optimizely may be sending it: say what you see with `bridge broadcast resolve`."
    )


class ListChangedMeanwhile(TerminalError):
    """The list was changed between the verified import and the start."""

    code = "list-changed-meanwhile"
    happened = "The recipient list {list!r} was changed after its import was verified and before the start."
    remedy = "Nothing was sent. Find out who else fills this list, keep them from it, then retry the broadcast."


class SendNotSeen(TerminalError):
    """A Smart Campaign that Optimizely should have started by itself did not send."""

    code = "send-not-seen"
    happened = "Optimizely Campaign did not start the Smart Campaign {campaign} by itself; its status is {status}."
    remedy = "Look at its Wait node in Optimizely Campaign, then retry the broadcast."


class CopyNotSeen(TerminalError):
    """The closed-loop service took the list file, but no copy of the Smart Campaign appeared."""

    code = "copy-not-seen"
    happened = "No copy of the Smart Campaign {campaign} appeared within {minutes} minutes of the upload."
    remedy = (
        "Look for it and at the service's notification in Optimizely Campaign. If it was sent: "
        "`bridge broadcast resolve {broadcast} --started --campaign ID`. If not: "
        "`bridge broadcast resolve {broadcast} --not-started`."
    )


class CopyAmbiguous(TerminalError):
    """Several Smart Campaigns could be the copy that the closed-loop service made for the broadcast."""

    code = "copy-ambiguous"
    happened = "{count} Smart Campaigns could be the copy made for the broadcast: {campaigns}."
    remedy = (
        "Look at them in Optimizely Campaign and name the right one: "
        "`bridge broadcast resolve {broadcast} --started --campaign ID`."
    )


class BatchInvalid(TerminalError):
    """Optimizely refuses to send a batch."""

    code = "batch-invalid"
    happened = "The sending batch {batch} is in state {state!r} and cannot be filled or sent."
    remedy = "Look at its Smart Campaign in Optimizely Campaign, then retry the broadcast."


class SendStopped(TerminalError):
    """A Smart Campaign was stopped while it was sending."""

    code = "send-stopped"
    happened = "The Smart Campaign {campaign} was stopped when {sent} recipients had been sent the message."
    remedy = "Nothing more is sent. A further broadcast would reach the same people again: select anew in FastStats."


class CampaignNotStartable(TerminalError):
    """The copied Smart Campaign is in a status from which it neither sends nor can be started."""

    code = "campaign-not-startable"
    happened = "The Smart Campaign {campaign} is in status {status} and can neither be started nor has it sent."
    remedy = "Look at the Smart Campaign in Optimizely Campaign and say what happened with `bridge broadcast resolve`."


class SendOutcomeUnknown(TerminalError):
    """It cannot be found out whether the start of the Smart Campaign took effect."""

    code = "send-outcome-unknown"
    happened = "It is not known whether the Smart Campaign {campaign} was started: {reason}."
    remedy = (
        "Look at it in Optimizely Campaign. If it was started: `bridge broadcast resolve {broadcast} --started`. "
        "If it was not: `bridge broadcast resolve {broadcast} --not-started`."
    )


class ErasureUnclear(TerminalError):
    """What was given leads to so many keys that it cannot be one person."""

    code = "erasure-unclear"
    happened = "The {given_by} leads to more than {most} addresses or keys, which no one person has."
    remedy = "It may stand for nobody in particular; give the person by another key. Nothing was changed."


class ErasureUnderWay(TerminalError):
    """The person is on a broadcast, or in a file for FERG, that is under way."""

    code = "erasure-under-way"
    happened = "The person is in what is under way: {what}."
    remedy = "Let it end, or cancel the broadcast, then erase again. Nothing was changed."


class ErasureBusy(TransientError):
    """Somebody else erases, or works on a file that is to be rewritten."""

    code = "erasure-busy"
    happened = "Somebody else is at work on {what}."
    remedy = "Give the command again; it goes on where it stopped."


class OptimizelyLoginRefused(TerminalError):
    """The REST API refused the user or the client ID."""

    code = "optimizely-login-refused"
    happened = "Optimizely Campaign refused the API user for {operation} (status {status})."
    remedy = "Check OPTIMIZELY_API_USER, OPTIMIZELY_API_PASSWORD, OPTIMIZELY_CLIENT_ID and the allowed IP addresses."


class OptimizelyRefused(TerminalError):
    """The REST API answered that the request is wrong."""

    code = "optimizely-refused"
    happened = "Optimizely Campaign refused {operation} (status {status})."
    remedy = "Look at the object in Optimizely Campaign; if it is as it should be, report the operation and the status."


class OptimizelyConflict(TerminalError):
    """The object is in a state that does not allow what was asked, or belongs to another client (409)."""

    code = "optimizely-conflict"
    happened = "Optimizely Campaign refused {operation}, for the object is in another state (now: {state})."
    remedy = "Look at the object in Optimizely Campaign, and whether it belongs to the client of OPTIMIZELY_CLIENT_ID."


class OptimizelyAnswerInvalid(TerminalError):
    """The REST API answered in a shape that its description does not have."""

    code = "optimizely-answer-invalid"
    happened = "Optimizely Campaign answered {operation} in a shape that is not understood: {reason}."
    remedy = "Report the operation: the vendor's interface may have changed."


class OptimizelyUnavailable(TransientError):
    """The REST API did not answer, or answered that it cannot now.

    Whether the request took effect is not known: what must not happen twice is looked up before it is repeated.
    """

    code = "optimizely-unavailable"
    happened = "Optimizely Campaign did not answer {operation} ({reason})."
    remedy = "It is tried again by itself."


class SftpHostKeyRefused(TerminalError):
    """The SFTP site showed a host key that is not pinned."""

    code = "sftp-host-key-refused"
    happened = "The SFTP site {host} showed a host key that is not pinned (fingerprint {fingerprint})."
    remedy = "Ask Optimizely support whether the key changed; only if it did, add it to SFTP_HOST_KEYS."


class SftpAlgorithmsRefused(TerminalError):
    """The SFTP site speaks only algorithms that the bridge does not: they are weak, or too new."""

    code = "sftp-algorithms-refused"
    happened = "The SFTP site {host} and the bridge have no algorithm in common for {what}."
    remedy = "Ask Optimizely support which algorithms the site speaks. The bridge speaks none with SHA-1, MD5 or CBC."


class SftpLoginRefused(TerminalError):
    """The SFTP site refused the user, the key or the password."""

    code = "sftp-login-refused"
    happened = "The SFTP site {host} refused the login."
    remedy = (
        "Check SFTP_USER, SFTP_PRIVATE_KEY and SFTP_PASSWORD, and that Optimizely support registered the public key."
    )


class SftpRefused(TerminalError):
    """The SFTP site refused an operation for good."""

    code = "sftp-refused"
    happened = "The SFTP site refused to {operation} ({reason})."
    remedy = "Check the folders and the rights of SFTP_USER with Optimizely support."


class SftpUnavailable(TransientError):
    """The SFTP site did not answer, or the connection broke."""

    code = "sftp-unavailable"
    happened = "The SFTP site {host} could not be used to {operation} ({reason})."
    remedy = "It is tried again by itself."


# Response files


class ResponseFileLayout(TerminalError):
    """A response file has not the layout that the settings describe."""

    code = "response-file-layout"
    happened = "The response file {file} has not the expected layout: {reason}."
    remedy = (
        "Compare it with its layout in the channels file (docs/reference/response-files.md); it is kept and can be "
        "loaded again."
    )


class ResponseFileRows(TerminalError):
    """A response file is loaded but for rows of it that were refused."""

    code = "response-file-rows"
    happened = (
        "Of the {read} rows of the response file {file} {rejected} were refused ({reasons}); "
        "the other {good} are loaded."
    )
    remedy = (
        "Lines and reasons are in its reject file, {reject_file}. When its layout in the channels file is mended, "
        "`bridge responses replay` loads them."
    )


class ResponseFilePackedBroken(TerminalError):
    """The zip or gzip file ends early, or is damaged."""

    code = "response-file-packed-broken"
    happened = "The response file {file} is a {kind} file that is cut off or damaged; nothing of it is loaded."
    remedy = "Look whether it came whole, and let Optimizely write it again if not."


class ResponseFilePackedOtherwise(TerminalError):
    """The zip file is compressed in a way that the bridge does not read."""

    code = "response-file-packed-otherwise"
    happened = "The response file {file} is a zip file of a kind that is not read ({what})."
    remedy = "Ask Optimizely support for gzip, deflate or no compression; unpack this one and load it by hand."


class ResponseFileEncrypted(TerminalError):
    """The zip file is protected by a password."""

    code = "response-file-encrypted"
    happened = "The response file {file} is an encrypted zip file."
    remedy = "Ask Optimizely support for files without a password; unpack this one and load it by hand."


class ResponseFileSeveral(TerminalError):
    """The zip file does not hold exactly one file."""

    code = "response-file-several"
    happened = "The response file {file} is a zip file that holds {held}."
    remedy = "Ask Optimizely support for one file in each; unpack this one and load what is in it by hand."


class ResponseFileTooLarge(TerminalError):
    """The zip or gzip file unpacks to more than any response file has."""

    code = "response-file-too-large"
    happened = "The response file {file} was not unpacked to its end: {reason}."
    remedy = "Look where it comes from. If it is a response file, unpack it and load it by hand."


class ResponseFileChanged(TransientError):
    """A response file changed while it was read."""

    code = "response-file-changed"
    happened = "The response file {file} changed while it was being read."
    remedy = "It is read again in the next round."


class ResponseFileName(TerminalError):
    """The name of a response file has characters that are not taken over."""

    code = "response-file-name"
    happened = "{files} response files have names with other characters than letters, digits, '.', '_' and '-'."
    remedy = "They are not gathered: let Optimizely support give plain names, or rename the files on the SFTP site."


class ResponseFileVanished(TerminalError):
    """A response file went away before it was gathered."""

    code = "response-file-vanished"
    happened = "The response file {file} went away from the SFTP site before it was gathered."
    remedy = "Find out who removes files there, and ask Optimizely support to put it there again."


class ResponseFileBusy(TransientError):
    """Somebody else works on a response file."""

    code = "response-file-busy"
    happened = "The response file {file} is being gathered, loaded or put for FERG by somebody else."
    remedy = "Try again in a minute."


class ResponseFileNotKept(TerminalError):
    """A response file was removed after its time."""

    code = "response-file-not-kept"
    happened = "The response file {file} is not kept any more."
    remedy = "Load it with `bridge responses load` if you have it elsewhere."


class ResponseFileDiffers(TerminalError):
    """Two response files that cannot be told apart have different contents."""

    code = "response-file-differs"
    happened = "A response file {file} of this size and time is known, and it has another content."
    remedy = "Give the file another name that a layout of the channels file is for, and load it again."


class ResponseFileUnknown(TerminalError):
    """No response file has this name or number."""

    code = "response-file-unknown"
    happened = "No response file has the name or number {file}."
    remedy = "`bridge status` lists the newest; `bridge responses load` takes a file that is not known yet."


# The bridge's own parts


class SettingsInvalid(TerminalError):
    """App settings are missing or wrong."""

    code = "settings-invalid"
    happened = "The app settings cannot be used: {reason}."
    remedy = "docs/reference/settings.md lists every setting."


class BroadcastUnknown(TerminalError):
    """The ledger has no such broadcast."""

    code = "broadcast-unknown"
    happened = "The ledger has no broadcast {broadcast}."
    remedy = "`bridge broadcasts` lists them."


class IllegalTransition(TerminalError):
    """A broadcast cannot go from this state to that one."""

    code = "illegal-transition"
    happened = "The broadcast {broadcast} is {state} and cannot become {to}."
    remedy = "`bridge broadcast show {broadcast}` says where it stands."


class BroadcastChangedMeanwhile(TransientError):
    """Somebody else changed the broadcast between reading and writing it."""

    code = "broadcast-changed-meanwhile"
    happened = "The broadcast {broadcast} was changed by somebody else meanwhile."
    remedy = "It is looked at again by itself."


class LeaseLost(TransientError):
    """The lease under which a step works was not renewed in time."""

    code = "lease-lost"
    happened = "The lease {lease} was lost, somebody else may own it now."
    remedy = "The step stops here; the ledger decides who goes on."


class DatabaseLoginRefused(TerminalError):
    """The server refused the login, or lets it into no database."""

    code = "database-login-refused"
    happened = "The server of {database} refused the login (error {number})."
    remedy = (
        "Check the login in the setting {database}: user and password, or that the app's identity is a user of the "
        "database. Its password may have expired, or the login may be locked or disabled."
    )


class DatabaseMissing(TerminalError):
    """The server has no database of this name, or hides it from this login."""

    code = "database-missing"
    happened = "The server has no database that it would open for {database} (error {number})."
    remedy = "Check the database's name in the setting {database}, and that the login is a user of that database."


class DatabaseAddressRefused(TerminalError):
    """The firewall of Azure SQL does not let the bridge's address or network in."""

    code = "database-address-refused"
    happened = "The server of {database} lets nobody in from the bridge's network (error {number})."
    remedy = "Add the bridge's subnet or address to the server's firewall rules, or reach it by a private endpoint."


class DatabasePermissionDenied(TerminalError):
    """The bridge's user may not do what it needs to do."""

    code = "database-permission-denied"
    happened = "The bridge's user lacks a permission in {database} (error {number})."
    remedy = "Give the user the rights that docs/how-to/databases.md lists."


class DatabaseObjectMissing(TerminalError):
    """A table or column that the bridge uses is not there."""

    code = "database-object-missing"
    happened = "A table or column that the bridge uses is not in {database} (error {number})."
    remedy = "Run `bridge db status`; if nothing is pending, compare the database with the schema map."


class SchemaMapMismatch(TerminalError):
    """The real catalogue of a database is not what the schema map says."""

    code = "schema-map-mismatch"
    happened = "{database} is not as the schema map says: {differences}."
    remedy = (
        "Correct SCHEMA_MAP_FILE (docs/reference/schema-map.md); `bridge doctor` says when it fits. "
        "Until then no job is claimed and nothing is lost."
    )


class CatalogueUnreadable(TerminalError):
    """The catalogue of a database cannot be read, so nobody knows whether the schema map fits."""

    code = "catalogue-unreadable"
    happened = "The catalogue of {database} cannot be read ({reason})."
    remedy = (
        "The schema map is taken as it is. Give the bridge's user VIEW DEFINITION on the tables "
        "(docs/how-to/databases.md), and compare them with `bridge schema-map show`."
    )


class DatabaseValueTooLong(TerminalError):
    """A value does not fit its column."""

    code = "database-value-too-long"
    happened = "A value is too long or too large for its column in {database} ({reason})."
    remedy = "Nothing was written. Compare the widths of the columns with the schema map."


class DatabaseTextNotAscii(TerminalError):
    """A text would lose characters in its column."""

    code = "database-text-not-ascii"
    happened = "A text with other characters than those of ASCII does not fit the {column} of {database}."
    remedy = "Nothing was written. Make the column NVARCHAR, or find out where such a text comes from."


class BulkLoadClosed(TerminalError):
    """The road that BULK_LOAD names cannot be used."""

    code = "bulk-load-closed"
    happened = "Rows cannot be loaded into {database} by {road} ({reason})."
    remedy = "Set BULK_LOAD to auto or insert, or read what {road} needs in docs/reference/bulk-load.md."


class SchemaOutOfDate(TerminalError):
    """The bridge's tables lack a migration that this code needs."""

    code = "schema-out-of-date"
    happened = "The bridge's tables in {database} are older than this code: migration {number} ({name}) is missing."
    remedy = "Run `bridge db migrate` with a login that may change them (docs/how-to/migrate.md). Nothing was begun."


class SchemaTooNew(TerminalError):
    """The bridge's tables have a migration after which this code cannot work any more."""

    code = "schema-too-new"
    happened = "The bridge's tables in {database} are too new for this code since migration {number} ({name})."
    remedy = "Deploy the code that brought the migration: migrations go forward only. Nothing was begun."


class MigrationChanged(TerminalError):
    """A migration that was applied is not the one that this code has under its number."""

    code = "migration-changed"
    happened = "The database {database} has migration {number} ({name}) in another form than this code."
    remedy = (
        "Nothing was changed. A migration that was applied must not be edited: restore its file, and add a new "
        "migration for what shall be different."
    )


class MigrationFailed(TerminalError):
    """The database refused a statement of a migration."""

    code = "migration-failed"
    happened = "Migration {number} ({name}) failed at its statement {statement}: {reason}."
    remedy = "Nothing of it was applied. Mend the cause and run `bridge db migrate` again; `--plan` prints its SQL."


class OdbcDriverMissing(TerminalError):
    """SQL Server cannot be reached for lack of its ODBC driver or of ODBC itself."""

    code = "odbc-driver-missing"
    happened = "SQL Server cannot be reached, for {what} is not there or cannot be loaded."
    remedy = (
        "Install ODBC itself (Debian and Ubuntu: `apt-get install unixodbc libgssapi-krb5-2`); the driver comes with "
        "the Python package mssql-python-odbc, or from Microsoft's own."
    )


class DatabaseTlsFailed(TransientError):
    """No encrypted connection was made: the server's certificate is not trusted, or it has no TLS."""

    code = "database-tls-failed"
    happened = "No encrypted connection to the server of {database} could be made (error {number})."
    remedy = (
        "It is tried again by itself; if it lasts, the server has no TLS, or its certificate has run out, is of an "
        "authority that this machine does not trust, or carries another name than the setting {database} "
        "(docs/how-to/databases.md)."
    )


class DatabaseUnavailable(TransientError):
    """The database did not answer, or asked to try again."""

    code = "database-unavailable"
    happened = "The database {database} could not be used ({reason})."
    remedy = "It is tried again by itself; if it lasts, check the connection string and the network."


class DatabaseFull(TransientError):
    """The database has no room left for its data or its log."""

    code = "database-full"
    happened = "The database {database} is full (error {number})."
    remedy = "Enlarge it or free some room; the step is tried again by itself."


class BulkLoadIncomplete(TransientError):
    """After a bulk load the table has not the rows that were given to it."""

    code = "bulk-load-incomplete"
    happened = "Of {given} rows loaded into {table} of {database} by {road}, {arrived} arrived."
    remedy = "What was loaded is removed and the load tried again by itself; if it lasts, set BULK_LOAD to insert."


class EntraTokenUnavailable(TransientError):
    """Microsoft Entra gave no token for the bridge's identity."""

    code = "entra-token-unavailable"
    happened = "Microsoft Entra gave no token for the database login by {identity} ({reason})."
    remedy = (
        "It is tried again by itself; if it lasts, check that the app has the managed identity that the setting "
        "names, or on a developer's machine sign in with `az login`."
    )


class StorageUnavailable(TransientError):
    """The storage account did not answer."""

    code = "storage-unavailable"
    happened = "The storage account could not be used to {operation} ({reason})."
    remedy = "It is tried again by itself; if it lasts, check AzureWebJobsStorage and the network."


class PlaceUnavailable(TransientError):
    """A folder, or a file in it, could not be read or written."""

    code = "place-unavailable"
    happened = "It was not possible to {operation} in {place} ({reason})."
    remedy = "It is tried again by itself; if it lasts, check that the folder is there and the bridge may use it."


class SuppressionsIncomplete(TransientError):
    """A channel takes suppressed recipients out, but they were not all drawn from Optimizely yet."""

    code = "suppressions-incomplete"
    happened = "The channel {channel!r} takes suppressed recipients out, but not all of them are known yet."
    remedy = "They are drawn by draw_suppressions and it is tried again by itself; if it lasts, look at its last error."


class StagedFileMissing(TransientError):
    """A staged file that the ledger knows is not in the container."""

    code = "staged-file-missing"
    happened = "The staged file {blob} is not there."
    remedy = "It is staged again from its source by itself."


class UnexpectedError(TransientError):
    """Something that the catalogue does not know; the log has its type and place."""

    code = "unexpected-error"
    happened = "The step {step} ended with an unexpected {kind}."
    remedy = "It is tried again a few times by itself; if it fails for good, report it with the log."


def catalogue() -> Iterator[type[BridgeError]]:
    """Every entry of the catalogue, terminal ones first, each kind by code."""
    for kind in (TerminalError, TransientError):
        yield from sorted(kind.__subclasses__(), key=lambda entry: entry.code)
