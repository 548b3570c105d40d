"""The client's data: a job, a list or message name, a delivery, or what an operator asked for must be corrected."""

from shared.errors.base import TerminalError


class InputError(TerminalError):
    """Whoever made the broadcast, or gave the command, must correct it."""


# The job and the channel call


class JobCommandInvalid(InputError, code="job-command-invalid"):
    """The command of job {job} cannot be used: {reason}."""

    remedy = "Compare the job's row in JobQueueCommands with the XML paths of the schema map, then add the job again."
    job: int
    reason: str


class ChannelUnknown(InputError, code="channel-unknown"):
    """There is no channel named {channel!r}."""

    remedy = "Correct the channel name in the job, or add the channel to CHANNELS_FILE, then add the job again."
    channel: str


class SendModeImpossible(InputError, code="send-mode-impossible"):
    """The route {route!r} of channel {channel!r} does not support the send mode {mode!r}."""

    remedy = "It supports {possible}. Use another channel, or add the job again with one of these send modes."
    route: str
    channel: str
    mode: str
    possible: str


class FileNameRefused(InputError, code="file-name-refused"):
    """The file name {name} is not allowed in {location}."""

    remedy = (
        "A name must not contain a folder or a control character, and has at most 255 bytes. "
        "Correct it and run the broadcast again."
    )
    name: str
    location: str


class NoRecipients(InputError, code="no-recipients"):
    """None of the {rows} rows of the delivery file {file} can be uploaded{reasons}."""

    remedy = "The reject file of the broadcast gives the reason for each row."
    rows: int
    file: str
    reasons: str


class ChannelCallInvalid(InputError, code="channel-call-invalid"):
    """PeopleStage's call of the slot {slot} is invalid: {reason}."""

    remedy = "Compare the channel in PeopleStage's Channel Editor with docs/how-to/peoplestage.md."
    slot: str
    reason: str


class DeliveryDiffers(InputError, code="delivery-differs"):
    """PeopleStage uploaded the delivery of broadcast {broadcast} again, with another {what}; nothing was changed."""

    remedy = "If the first upload was wrong, run `bridge broadcast cancel {broadcast}` and start a new delivery."
    broadcast: str
    what: str


class DeliveryEnded(InputError, code="delivery-ended"):
    """Broadcast {broadcast} of this delivery is {state} ({reason})."""

    remedy = (
        "`bridge broadcast show {broadcast}` shows why and which commands help. A new delivery becomes a new broadcast."
    )
    broadcast: str
    state: str
    reason: str


class AlreadySent(InputError, code="already-sent"):
    """Broadcast {earlier}, which is {state}, has the same message and {what}."""

    remedy = (
        "This broadcast mailed nobody. If the message is to be sent once more, run "
        "`bridge broadcast retry {broadcast} --again`. A channel whose Communication Keys repeat by design says "
        'repeats = "allow" in CHANNELS_FILE.'
    )
    broadcast: str
    earlier: str
    state: str
    what: str


class NeverReleased(InputError, code="never-released"):
    """The list was checked and staged, but PeopleStage did not ask to broadcast it within {hours} hours."""

    remedy = "Nobody was mailed. Check in PeopleStage why the delivery stopped after its upload, and repeat it there."
    hours: int


# The limits of a channel


class StartTooLate(InputError, code="start-too-late"):
    """It is too late to start the broadcast: it was due at {due}, and its channel {channel!r} allows {hours} hours."""

    remedy = (
        "If it failed, nobody was mailed: `bridge broadcast retry {broadcast}` sends it late. If it is parked, report "
        "what you see at Optimizely with `bridge broadcast resolve {broadcast}`."
    )
    due: str
    channel: str
    hours: float
    broadcast: str


class OutsideSendTimes(InputError, code="outside-send-times"):
    """The channel {channel!r} sends between {times} only; broadcast {broadcast} is not {change} now."""

    remedy = "Repeat the command in those hours; with `--now` it is {change} at once."
    channel: str
    times: str
    broadcast: str
    change: str


# Names and columns at Optimizely Campaign


class ListUnknown(InputError, code="list-unknown"):
    """Optimizely Campaign has no recipient list named {list!r}."""

    remedy = (
        "Correct the list name in the broadcast, or create the list in Optimizely Campaign, "
        "then run `bridge broadcast retry`."
    )
    list: str


class ListAmbiguous(InputError, code="list-ambiguous"):
    """Optimizely Campaign has {count} recipient lists named {list!r}."""

    remedy = "Rename all but one of them in Optimizely Campaign, then run `bridge broadcast retry`."
    list: str
    count: int


class RequiredFieldMissing(InputError, code="list-required-field-missing"):
    """The recipient list {list!r} requires the field {field}, which the delivery file does not have."""

    remedy = "Add a column with this name to the broadcast and run it again."
    list: str
    field: str


class MappedColumnMissing(InputError, code="mapped-column-missing"):
    """The delivery file has no column {column}, which the channel maps to the list field {field}."""

    remedy = (
        "Add the column to the broadcast, or correct `fields` of the channel in CHANNELS_FILE, "
        "and run the broadcast again."
    )
    column: str
    field: str


class MessageUnknown(InputError, code="message-unknown"):
    """No Smart Campaign in status 'Activation required' has a message named {message!r}."""

    remedy = (
        "Correct the message name, or finish the message in Optimizely Campaign, then run `bridge broadcast retry`."
    )
    message: str


class MessageAmbiguous(InputError, code="message-ambiguous"):
    """{count} Smart Campaigns have a message named {message!r}."""

    remedy = "Rename all but one of the messages in Optimizely Campaign, then run `bridge broadcast retry`."
    message: str
    count: int


# What an operator asks for


class BroadcastUnknown(InputError, code="broadcast-unknown"):
    """The ledger has no broadcast {broadcast}."""

    remedy = "`bridge broadcasts` lists them."
    broadcast: str | int


class IllegalTransition(InputError, code="illegal-transition"):
    """Broadcast {broadcast} is {state} and cannot {change}."""

    remedy = "`bridge broadcast show {broadcast}` shows its state and its history."
    broadcast: str
    state: str
    #: As it reads behind "cannot": "become sent", "be retried".
    change: str


class CampaignOfAnother(InputError, code="campaign-of-another"):
    """Smart Campaign {campaign} belongs to broadcast {owner}, not to {broadcast}."""

    remedy = "Find the Smart Campaign of {broadcast} in Optimizely Campaign; its list holds the key of the broadcast."
    campaign: int
    broadcast: str
    owner: str


class MessageNotTestable(InputError, code="message-not-testable"):
    """Broadcast {broadcast} has no message of its own that can be tested."""

    remedy = "Name the message: `bridge test-send MESSAGE`."
    broadcast: str


class SeedListMissing(InputError, code="seed-list-missing"):
    """The channel {channel!r} has no seed list for test messages."""

    remedy = "Name a list with --list, or set seed_list of the channel in CHANNELS_FILE."
    channel: str


class SeedListUnfit(InputError, code="seed-list-unfit"):
    """The recipient list {list!r} has {count} recipients; a seed list has 1 to {most}."""

    remedy = "Nothing was sent. Name the seed list of your staff, not a list of customers."
    list: str
    count: int
    most: int


class TestSendDiffers(InputError, code="test-send-differs"):
    """The GUID of this test send was used before, for another message or channel; nothing was sent."""

    __test__ = False  # for pytest, which takes the name for a test class

    remedy = "Every click needs a GUID of its own: copy the scripts of integrations/peoplestage again."


class ErasureUnclear(InputError, code="erasure-unclear"):
    """The {given_by} leads to more than {most} addresses or keys, which cannot be one person's."""

    remedy = "Nothing was changed. The key may be a placeholder that many people share; name the person by another key."
    given_by: str
    most: int


class ErasureUnderWay(InputError, code="erasure-under-way"):
    """The person cannot be erased yet, because work on their data has not ended: {what}."""

    remedy = "Nothing was changed. Wait until it ends, or cancel the broadcast, then run `bridge erase` again."
    what: str


class ResponseFileUnknown(InputError, code="response-file-unknown"):
    """No response file has the name or number {file}."""

    remedy = "`bridge status` lists the newest; `bridge responses load` loads a file that is not known yet."
    file: str | int


class ResponseFileNotKept(InputError, code="response-file-not-kept"):
    """The bridge no longer keeps the response file {file}: its retention time is over."""

    remedy = "If you have a copy, load it with `bridge responses load`."
    file: str


class ResponseFileDiffers(InputError, code="response-file-differs"):
    """A response file {file} of this size and time is already known, with other content."""

    remedy = "Give the file another name that matches a layout of the channels file, and load it again."
    file: str
