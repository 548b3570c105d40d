"""What every route does, so that the steps need not know which one a broadcast takes.

prepare → transfer → import status → start → send status → report. What must not happen twice comes in
pairs: a `find_…` that looks whether it has happened, and the act itself. Both tell what they saw as
evidence: JSON for the ledger, without anything personal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from shared.broadcast import Broadcast
from shared.errors import TerminalError
from shared.storage.staging import Readable

Evidence = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedList:
    """The staged list of a broadcast."""

    #: In bytes.
    size: int
    rows: int
    #: Tells this content from every other: what an upload goes on with must be the same.
    tag: str
    #: Reads it from an offset in bytes.
    open_at: Callable[[int], Readable]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStatus:
    """How far the import is."""

    #: Optimizely was seen to work on it, or to have done so.
    begun: bool = False
    #: Recipients that Optimizely took, once that is known, of how many it was given.
    recipients: int | None = None
    given: int | None = None
    #: For the last look before the start.
    evidence: Evidence = field(default_factory=dict)
    #: What became known of the broadcast: columns of the ledger.
    found: Mapping[str, object] = field(default_factory=dict)


class SendStatus(StrEnum):
    """How far the send is."""

    WAITING = "waiting"  #: it has not started, and does not by itself
    ARMED = "armed"  #: Optimizely starts it by itself
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"  #: stopped for good; some may have been sent the message
    BROKEN = "broken"  #: none of these


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the send."""

    status: SendStatus
    #: In the vendor's words, for people.
    told: str


class Route(Protocol):
    """How a list gets in and a message gets out."""

    @property
    def held_until_sent(self) -> bool:
        """Whether what it `uses` is held until the broadcast ends, or only until its import has ended."""
        ...

    def uses(self, broadcast: Broadcast) -> str | None:
        """Name of what only one broadcast may use at a time; None when there is no such thing."""
        ...

    # Prepare

    def preparation(self, broadcast: Broadcast) -> str | None:
        """Name by which what is prepared is found again; None when nothing is prepared."""
        ...

    def find_prepared(self, broadcast: Broadcast) -> Evidence | None:
        """What was prepared for the broadcast; None when nothing was."""
        ...

    def prepare(self, broadcast: Broadcast) -> Evidence:
        """Prepare the Smart Campaign for the broadcast."""
        ...

    def furnish(self, broadcast: Broadcast, prepared: Evidence) -> Mapping[str, object]:
        """Bring what was prepared into shape; doing it again changes nothing.

        Returns:
            Columns of the ledger: `campaign_id`, `mailing_id`, `batch_id`, `list_id`.
        """
        ...

    # Transfer

    def place(self, broadcast: Broadcast) -> str:
        """Where the list goes: a path, a batch."""
        ...

    def is_free(self, broadcast: Broadcast) -> bool:
        """Whether the place may be used now. Asked before the first transfer only."""
        ...

    def before_transfer(self, broadcast: Broadcast) -> Evidence:
        """What must be known of the time before the transfer."""
        ...

    def find_transferred(self, broadcast: Broadcast, staged: StagedList, evidence: Evidence) -> Evidence | None:
        """What shows that the whole list was transferred; None when it was not."""
        ...

    def transfer(
        self, broadcast: Broadcast, staged: StagedList, evidence: Evidence, note: Callable[[Evidence], None]
    ) -> Evidence:
        """Transfer the list.

        Args:
            broadcast: whose.
            staged: the list.
            evidence: what is known so far.
            note: keeps more evidence at once, for the case that this is interrupted.
        """
        ...

    # Import

    def import_status(self, broadcast: Broadcast, evidence: Evidence) -> ImportStatus:
        """How far the import is."""
        ...

    def not_imported(self, broadcast: Broadcast, minutes: int) -> TerminalError:
        """The error for an import that was not seen in time."""
        ...

    def is_unchanged(self, broadcast: Broadcast, evidence: Evidence) -> bool:
        """The last look before the start: whether the list is still the one that was verified."""
        ...

    # Send

    def arm(self, broadcast: Broadcast) -> None:
        """Let Optimizely start by itself when the import has ended. Called before the transfer."""
        ...

    def start(self, broadcast: Broadcast) -> None:
        """Start the send, or set it for its time. What it meant to do shows in `send_status`.

        Raises:
            OptimizelyUnavailable: it may have taken effect.
            OptimizelyConflict: it cannot be started.
        """
        ...

    def send_status(self, broadcast: Broadcast) -> Look:
        """How far the send is."""
        ...

    def recall(self, broadcast: Broadcast, *, transferred: Evidence | None, started: bool) -> bool:
        """Make sure that nothing of the broadcast is sent; doing it again is harmless.

        Args:
            broadcast: which.
            transferred: what is known of its transfer; None when none was tried.
            started: a start was tried, or it was armed.

        Returns:
            Whether it is certain that nobody was and nobody will be sent the message.
        """
        ...
