"""What the steps ask of a route: how a list gets in and a message gets out.

A route goes through prepare, transfer, import status, start and send status. What must not happen twice comes as a
pair: a `find_…` method that checks whether it has happened, and the act itself. Both return evidence for the ledger.

An act that makes several requests gets a `confirm`, or a `record` that stores evidence as well: it renews the lease,
and raises LeaseLost once another process has it. The act calls it right before each request that changes something, so
that a process that was frozen changes nothing when it wakes.
"""
# ruff: noqa: ARG002 - a default does not need its arguments

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shared.broadcast import Broadcast
from shared.errors import ImportNotSeen, TerminalError
from shared.ledger.leases import LeaseName
from shared.routes.evidence import Evidence

if TYPE_CHECKING:
    from _typeshed import SupportsRead


#: Confirms the lease right before a request that changes something; raises LeaseLost.
type Confirm = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedList:
    """The staged list of a broadcast."""

    #: In bytes.
    size: int
    rows: int
    #: Identifies the content: an interrupted upload continues only with the same content.
    tag: str
    #: Opens the list at an offset in bytes.
    open_at: Callable[[int], "SupportsRead[bytes]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStatus:
    """How far the import is."""

    #: Whether Optimizely works on the import or has done so.
    begun: bool = False
    #: Recipients that Optimizely accepted; None until it is known.
    recipients: int | None = None
    #: Recipients that were transferred to Optimizely.
    transferred: int = 0
    #: More evidence of the transfer, for the check before the start.
    evidence: Evidence | None = None
    #: What is in the way of the next step, if it is not the import itself.
    waiting_for: str = ""
    #: Columns of the ledger that the import made known.
    columns: Mapping[str, object] = field(default_factory=dict)


class SendStatus(StrEnum):
    """How far the send is."""

    WAITING = "waiting"  #: not started, and nothing starts it by itself
    ARMED = "armed"  #: Optimizely starts it by itself
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"  #: stopped for good; part of the recipients may have been sent the message
    BROKEN = "broken"  #: any other


#: Statuses of a send that was started.
STARTED: Final = frozenset({SendStatus.SENDING, SendStatus.PAUSED, SendStatus.FINISHED, SendStatus.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendState:
    """State of the send."""

    status: SendStatus
    #: In the vendor's words, for people.
    vendor_status: str


class Route[Transferred: Evidence, Prepared: Evidence = Evidence](ABC):
    """How a list gets in and a message gets out. A route overrides the methods that it has an answer for.

    Attributes:
        transfer_evidence: class of the evidence of its transfer.
        prepared_evidence: class of the evidence of its preparation, on a route that prepares something.
    """

    transfer_evidence: type[Transferred]
    prepared_evidence: type[Prepared]

    #: Whether the exclusive resource is held until the broadcast ends, or only until its import has ended.
    held_until_sent = False

    def exclusive_resource(self, broadcast: Broadcast) -> LeaseName | None:
        """The lease of what only one broadcast can use at a time; None if there is no such thing."""
        return None

    def resource_name(self, broadcast: Broadcast) -> str:
        """What the exclusive resource is, in a sentence: "it waits for …"."""
        return f"the list “{broadcast.request.list_name}”"

    # Prepare

    def check_ready(self, broadcast: Broadcast) -> None:  # noqa: B027
        """Make sure, before anything is done, that the other side has what the route needs.

        Raises:
            TerminalError: it has not; somebody has to set it up first.
        """

    def prepared_name(self, broadcast: Broadcast) -> str | None:
        """Name by which the preparation is found again; None if nothing is prepared."""
        return None

    def find_prepared(self, broadcast: Broadcast) -> Prepared | None:
        """The preparation of the broadcast, if it exists."""
        return None

    def prepare(self, broadcast: Broadcast, confirm: Confirm) -> Prepared:
        """Prepare the Smart Campaign for the broadcast."""
        raise NotImplementedError

    def apply_prepared(self, broadcast: Broadcast, prepared: Prepared, confirm: Confirm) -> Mapping[str, object]:
        """Complete the preparation; repeating it changes nothing.

        Returns:
            Columns of the ledger: `campaign_id`, `mailing_id`, `batch_id`, `list_id`.
        """
        return {}

    def discard_prepared(self, broadcast: Broadcast, confirm: Confirm) -> None:  # noqa: B027
        """Remove what was prepared for a broadcast that ends before its start; repeating it is harmless."""

    # Transfer

    @abstractmethod
    def destination(self, broadcast: Broadcast) -> str:
        """Where the list goes: a path, or a batch."""

    def upload_slot_free(self, broadcast: Broadcast) -> bool:
        """Whether the destination can be used now. Asked only before the first transfer."""
        return True

    def before_transfer(self, broadcast: Broadcast) -> Transferred:
        """What must be known of the time before the transfer."""
        return self.transfer_evidence()

    @abstractmethod
    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Transferred) -> Transferred | None:
        """Evidence that the complete list was transferred; None if it was not."""

    @abstractmethod
    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Transferred, record: Callable[[Transferred], None]
    ) -> Transferred:
        """Transfer the list.

        Args:
            broadcast: the broadcast.
            staged: its list.
            evidence: the evidence so far.
            record: stores evidence at once, in case the transfer is interrupted, and confirms the lease.
        """

    # Import

    @abstractmethod
    def import_status(self, broadcast: Broadcast, evidence: Transferred) -> ImportStatus:
        """How far the import is."""

    def not_imported(self, broadcast: Broadcast, evidence: Transferred, minutes: int) -> TerminalError:
        """The error for an import that did not show within the time."""
        return ImportNotSeen(minutes=minutes)

    def is_unchanged(self, broadcast: Broadcast, evidence: Transferred) -> bool:
        """Whether the list is still the verified one: the last check before the start."""
        return True

    # Send; without these, the transfer is the start or nothing is sent

    def arm(self, broadcast: Broadcast) -> None:  # noqa: B027
        """Let Optimizely start by itself once the import has ended. Called before the transfer."""

    def start(self, broadcast: Broadcast) -> None:  # noqa: B027
        """Start the send, or schedule it. `send_status` shows whether this took effect.

        Raises:
            OptimizelyNotAnswered: the start may have taken effect.
            OptimizelyConflict: the send cannot be started.
        """

    def send_status(self, broadcast: Broadcast) -> SendState:
        """How far the send is."""
        return SendState(status=SendStatus.BROKEN, vendor_status="a file, which is not sent from here")

    def check_not_started(
        self, broadcast: Broadcast, evidence: Transferred | None, *, not_copies: Collection[int]
    ) -> bool:
        """Make sure, before its list is uploaded again, that nothing shows a start of the broadcast.

        Args:
            broadcast: a parked broadcast that an operator says was not started.
            evidence: of its transfer; None if the ledger knows of none, which may be older than the world.
            not_copies: Smart Campaigns that an operator says are not its copy.

        Returns:
            Whether a service has the list, and may send it by itself.

        Raises:
            AlreadyStarted: its Smart Campaign was started.
            CopyPossible: a Smart Campaign may be its copy.
            ListFileStillThere: its list file can still be taken.
        """
        return False

    @abstractmethod
    def withdraw(
        self,
        broadcast: Broadcast,
        *,
        transferred: Transferred | None,
        started: bool,
        record: Callable[[Transferred], None],
        confirm: Confirm,
    ) -> bool:
        """Make sure that nothing of the broadcast is sent. Repeated after a death half-way, it has the same result.

        Args:
            broadcast: the broadcast.
            transferred: the evidence of its transfer; None if no transfer was tried.
            started: whether a start was tried or armed.
            record: stores evidence of the transfer at once, and confirms the lease.
            confirm: confirms the lease.

        Returns:
            Whether it is certain that nobody was or will be sent the message.
        """
