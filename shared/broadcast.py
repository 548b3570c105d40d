"""A broadcast, its states and their legal transitions. Pure: no I/O.

A broadcast is one run of one message to one list, as a WS_DB job or a PeopleStage delivery asks for it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import pairwise
from types import MappingProxyType
from typing import Final
from uuid import UUID

from shared.errors import IllegalTransition

#: A natural key: of a job, of a delivery, or of a dropped file.
KEY_PATTERN: Final = r"(?:J\d+-[0-9a-f]{8}|[DF][0-9a-f]{32})"
#: Before the extensions; a converted or packed file has several.
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=(?:\.[a-z0-9]+)*$)", re.IGNORECASE)


class State(StrEnum):
    """State of a broadcast."""

    CLAIMED = "claimed"  #: accepted from its intake; or back here to be staged again
    STAGED = "staged"  #: its delivery file is checked; the staged list is in blob storage
    PREPARED = "prepared"  #: its list is leased, its Smart Campaign copied and pointed at the list
    UPLOADED = "uploaded"  #: the list is transferred: on the SFTP site under its final name, or in its batch
    IMPORTING = "importing"  #: Optimizely is importing the list
    IMPORTED = "imported"  #: the list holds what was uploaded
    SENDING = "sending"  #: the Smart Campaign is started
    SENT = "sent"  #: the Smart Campaign has finished
    CLOSED = "closed"  #: the results are written back; only responses are still to come
    FAILED = "failed"  #: ended by an error that says what to do; can be retried
    CANCELLED = "cancelled"  #: ended on request, before its start
    NEEDS_OPERATOR = "needs_operator"  #: parked: whether it was sent cannot be determined


#: States that a broadcast leaves only when an operator asks for it.
ENDED = frozenset({State.CLOSED, State.FAILED, State.CANCELLED})
#: States that no step works on.
RESTING = ENDED | {State.NEEDS_OPERATOR}
#: The states of a broadcast that succeeds, in order.
ORDER = tuple(state for state in State if state is State.CLOSED or state not in RESTING)
#: States for `upload_list`; `monitor_import` handles the others that are not resting.
BEFORE_UPLOAD = frozenset({State.CLAIMED, State.STAGED, State.PREPARED})


def _transitions() -> dict[State, frozenset[State]]:
    legal: dict[State, set[State]] = {state: set() for state in State}
    for state, following in pairwise(ORDER):
        legal[state] |= {following, State.FAILED, State.NEEDS_OPERATOR}
        if state not in {State.SENDING, State.SENT}:
            legal[state].add(State.CANCELLED)
    legal[State.UPLOADED].add(State.IMPORTED)  # an import can begin and end between two checks
    legal[State.IMPORTED].add(State.CLOSED)  # upload only
    legal[State.PREPARED].add(State.CLAIMED)  # its staged list was removed: it is staged again
    legal[State.FAILED] |= {State.CLAIMED, State.STAGED}  # a retry
    legal[State.NEEDS_OPERATOR] |= {State.STAGED, State.IMPORTED, State.SENDING}  # an operator decides
    return {state: frozenset(targets) for state, targets in legal.items()}


TRANSITIONS = MappingProxyType(_transitions())


class Intake(StrEnum):
    """How a broadcast came in."""

    JOB = "job"  #: a job of WS_DB
    CHANNEL = "channel"  #: PeopleStage's script broadcaster
    FILE = "file"  #: a delivery file in a folder that a channel watches


class RouteKind(StrEnum):
    """How a list gets in and a message gets out."""

    IMPORT_JOB = "import job"  #: a list file, imported by the list's scheduled import job
    CLOSED_LOOP = "closed loop"  #: a list file that names its mailing; Optimizely copies and sends it by itself
    SENDING_BATCH = "sending batch"  #: the list in chunks over REST, then a call that sends it
    EXPORT_FILE = "export file"  #: the delivery file, checked and converted, for any SFTP site; nothing is sent


class SendMode(StrEnum):
    """What makes Optimizely send."""

    VERIFY_THEN_START = "verify then start"  #: the count is verified, then the Smart Campaign started
    AFTER_IMPORT = "after import"  #: Optimizely starts by itself when the import has ended; nothing is verified
    AT_TIME = "at a time"  #: the count is verified, then the Smart Campaign is set to send at its time
    UPLOAD_ONLY = "upload only"  #: the broadcast ends with its import ("Upload but don't broadcast")


#: The send modes of each route. The closed loop sends whatever arrives; a sending batch starts only by a call.
SEND_MODES = MappingProxyType(
    {
        RouteKind.IMPORT_JOB: frozenset(SendMode),
        RouteKind.CLOSED_LOOP: frozenset({SendMode.AFTER_IMPORT}),
        RouteKind.SENDING_BATCH: frozenset({SendMode.VERIFY_THEN_START, SendMode.AT_TIME}),
        RouteKind.EXPORT_FILE: frozenset({SendMode.UPLOAD_ONLY}),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastRequest:
    """What is asked for: the part of a broadcast that never changes."""

    #: Natural key: deterministic, and safe in file names, campaign names and tags.
    key: str
    system: str
    #: Empty for a route without a list.
    list_name: str
    #: Empty for upload only.
    message_name: str
    #: Base name of the delivery file.
    delivery_file: str
    urn_column: str
    email_column: str
    communication_key_column: str
    source: Intake = Intake.JOB
    #: Number of its WS_DB job.
    job_id: int | None = None
    #: Whether it waits, once it is staged, until it is released: PeopleStage asks for upload and broadcast in two
    #: calls.
    held: bool = False
    #: Delivery step and run of the campaign (PeopleStage); they join responses to Communications.
    step_id: int | None = None
    run: int | None = None
    #: The channel's parameters as they came, `key=value;key=value`.
    parameters: str = ""
    #: Name of its channel.
    channel: str = "default"
    #: Taken from the channel when the broadcast came in, so that a change of the channel does not affect it half-way.
    route: RouteKind = RouteKind.IMPORT_JOB
    send_mode: SendMode = SendMode.VERIFY_THEN_START
    #: When to send, in the mode `at a time`.
    send_at: datetime | None = None
    #: When it was requested, by the time of its job or file: the bridge may have read it long after.
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Rows of a delivery file; they always add up."""

    read: int
    uploaded: int
    rejected: int
    duplicates: int
    suppressed: int

    @property
    def accounted(self) -> int:
        """Sum of the four outcomes."""
        return self.uploaded + self.rejected + self.duplicates + self.suppressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """A broadcast as the ledger has it. Immutable: a change returns a new one."""

    id: int
    request: BroadcastRequest
    state: State
    #: Grows by one with each change; a change to an older version is refused.
    version: int
    created_at: datetime
    changed_at: datetime
    #: When its next message is due. After this time, the sweep queues it again unless its lease is live.
    due_at: datetime
    #: Consecutive attempts of its step without success.
    attempts: int = 0
    rows: RowCounts | None = None
    list_id: int | None = None
    #: The Smart Campaign that holds the message, and its mailing; None for upload only.
    source_campaign_id: int | None = None
    source_mailing_id: int | None = None
    #: The Smart Campaign copied for this broadcast, and the mailing in it.
    campaign_id: int | None = None
    mailing_id: int | None = None
    #: The sending batch, on that route.
    batch_id: int | None = None
    #: Recipients that Optimizely has imported.
    imported: int | None = None
    #: Recipients that were sent the message, by the report of the Smart Campaign.
    sent: int | None = None
    #: `Broadcasts.Id` in RS_DB.
    rs_broadcast_id: int | None = None
    #: The state in which it failed or was parked.
    ended_in: State | None = None
    error_code: str | None = None
    error: str | None = None
    #: When an operator asked to cancel it.
    cancel_requested_at: datetime | None = None
    #: When its end was reported to its intake.
    reported_at: datetime | None = None
    #: When it was released, if it was held.
    released_at: datetime | None = None
    #: What it waits for, held by whom and since when; None while it waits for nothing but the next step of Optimizely.
    waiting_for: str | None = None
    #: Since when.
    waiting_since: datetime | None = None
    #: SHA-256 of its delivery file as it lies in its location, packed or not; None before it is read.
    content_digest: bytes | None = None
    #: When it was compared with the broadcasts that sent the same message, or an operator decided to send it again.
    compared_at: datetime | None = None
    #: Key of the earlier broadcast because of which it failed: that one sent the same.
    repeats_key: str | None = None

    #: When an operator last retried, resolved or released it.
    restarted_at: datetime | None = None
    #: Up to how many recipients an operator released, where the channel has a maximum.
    released_recipients: int | None = None

    @property
    def key(self) -> str:
        """Natural key of the broadcast."""
        return self.request.key

    @property
    def last_requested_at(self) -> datetime:
        """When its send was last requested, by its intake, its time or an operator: how late it is counts from then."""
        requested_at = min(self.created_at, self.request.requested_at or self.created_at)
        return max(filter(None, (requested_at, self.request.send_at, self.released_at, self.restarted_at)))

    @property
    def is_sent(self) -> bool:
        """Whether it is sent by Optimizely, or by the receiver of its export; a list that is only uploaded is not."""
        return self.request.send_mode is not SendMode.UPLOAD_ONLY or self.request.route is RouteKind.EXPORT_FILE

    @property
    def starts_by_itself(self) -> bool:
        """Whether its transfer is its start: nobody asks the bridge again before mails go out."""
        return self.request.send_mode is SendMode.AFTER_IMPORT or self.request.route is RouteKind.EXPORT_FILE

    def log_context(self) -> dict[str, str]:
        """Fields of a log line about this broadcast."""
        return {"broadcast": self.key}

    def check_transition(self, to: State) -> None:
        """Make sure that a change of state is legal.

        Raises:
            IllegalTransition: the state cannot follow the present state.
        """
        if to not in TRANSITIONS[self.state]:
            raise IllegalTransition(broadcast=self.key, state=self.state, change=f"become {to}")


def job_key(system: str, job_id: int, time_added: datetime) -> str:
    """Natural key of the broadcast of a WS_DB job: `J<job id>-<8 hex digits>`.

    The time distinguishes a job of a rebuilt queue, which counts from 1 again, from an earlier job with its number.
    """
    digest = sha256(f"{system}|{job_id}|{time_added.astimezone(UTC).isoformat()}".encode()).hexdigest()
    return f"J{job_id}-{digest[:8]}"


def delivery_key(guid: UUID) -> str:
    """Natural key of the broadcast of a delivery, `D<32 hex digits>`: the GUID at the end of its delivery file's name.

    It is the same for every intake, so that a file that comes in twice is one broadcast.
    """
    return f"D{guid.hex}"


def file_key(channel: str, name: str, size: int, modified: datetime) -> str:
    """Natural key of the broadcast of a dropped delivery file without a GUID in its name: `F<32 hex digits>`.

    It finds the file as long as that does not change; what it holds is in the broadcast's `content_digest`.
    """
    text = f"{channel}|{name}|{size}|{modified.astimezone(UTC).isoformat()}"
    return f"F{sha256(text.encode()).hexdigest()[:32]}"


def guid_in(delivery_file: str) -> UUID | None:
    """The GUID with which FastStats ends the name of a delivery file (docs/why/sources.md, Apteco 6.2)."""
    match = _GUID.search(delivery_file)
    return UUID(match[0]) if match else None
