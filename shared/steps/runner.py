"""How a step works on a broadcast or a response file: under its lease, state by state, until it waits or has ended.

The rules of the ledger that hold for both are kept here once: one live owner (rule 3), every attempt counted before
the work, two kinds of error (rule 7), one back-off.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.broadcast import Broadcast
from shared.errors import (
    BridgeError,
    BroadcastChangedMeanwhile,
    DatabaseUnavailable,
    Held,
    LeaseLost,
    StepNeverEnds,
    TerminalError,
    TransientError,
    UnexpectedError,
)
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.waiting import begins
from shared.response_file import ResponseFile
from shared.steps.patience import DATABASE_PAUSE
from shared.telemetry import log, traceback_location

#: Longest pause between two attempts.
LONGEST_PAUSE: Final = timedelta(minutes=10)
#: After so many doublings every pause is the longest; more of them would overflow.
_DOUBLINGS: Final = 64


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do now: check again after a pause."""

    pause: timedelta
    #: What it waits for, as part of a sentence: "the list “Customers”, held by broadcast J7-0a1b2c3d since …". Before
    #: the first comma is the thing; the details after it may change from check to check. None where it is only that
    #: Optimizely works on it.
    waiting_for: str | None = None
    #: Whether its client is informed as well: it takes long, or a person has to do something.
    for_client: bool = False


def back_off(retry_seconds: float, attempts: int) -> timedelta:
    """The pause after so many failed attempts in a row: `retry_seconds` after the first, doubled with each."""
    seconds = retry_seconds * 2.0 ** min(attempts - 1, _DOUBLINGS)
    return timedelta(seconds=min(seconds, LONGEST_PAUSE.total_seconds()))


class Runner[Item: (Broadcast, ResponseFile)](ABC):
    """Works on one broadcast or one response file, under its lease; log lines have its label and context."""

    #: The lease, while it is held.
    lease: HeldLease

    def __init__(self, bridge: Bridge, lease_name: LeaseName, label: str, context: dict[str, str]) -> None:
        self.bridge = bridge
        self.context = context
        self._lease_name = lease_name
        self._label = label

    def run(self) -> None:
        """Take the item as far as it goes now.

        A second delivery of the message finds the lease held, or nothing to do, and steps aside.

        Raises:
            BridgeError: the item or its lease could not be read or written; the message comes again.
        """
        with self.bridge.ledger.leases.held(self._lease_name, new_owner()) as lease:
            if lease is None:
                holder = self.bridge.ledger.leases.find_holder(self._lease_name)
                by = f"the process {holder.owner}" if holder else "another process"
                since = f" since {holder.since:%Y-%m-%d %H:%M:%S} UTC" if holder and holder.since else ""
                self._step_aside(f"{by} works on it{since}")
                return
            item = self.read()
            if not self.is_current(item):
                self._step_aside("this message is out of date")
                return
            self.lease, pause = lease, timedelta()
            try:
                while self.handles(item):
                    item, wait = self._attempt(item)
                    if wait is not None:
                        pause = wait.pause
                        break
            except (LeaseLost, BroadcastChangedMeanwhile) as error:
                log.warning("%s", error, extra={"action": "aside", **self.context, "code": error.code})
                return
        # Sent once the lease is released, or the next message could find it held and step aside.
        self.send_on(item, pause)

    def _step_aside(self, reason: str) -> None:
        log.info("%s: %s; nothing is done.", self._label, reason, extra={"action": "aside", **self.context})

    @abstractmethod
    def read(self) -> Item:
        """The item as the ledger has it now."""

    def is_current(self, item: Item) -> bool:
        """Whether the message is about the item as it is now."""
        return self.handles(item)

    @abstractmethod
    def handles(self, item: Item) -> bool:
        """Whether this step works on its state."""

    @abstractmethod
    def handle(self, item: Item) -> Item | Wait:
        """Work on its state once: the changed item, or when to check again."""

    @abstractmethod
    def update(self, item: Item, **columns: object) -> Item:
        """Change columns in the ledger, not the state, while the lease is held."""

    @abstractmethod
    def wait(self, item: Item, waiting_for: str | None, **columns: object) -> Item:
        """Keep in the ledger what it waits for, and change columns, not the state."""

    @abstractmethod
    def fail(self, item: Item, error: BridgeError) -> tuple[Item, Wait | None]:
        """End it with an error; a pause if that must be tried again."""

    @abstractmethod
    def send_on(self, item: Item, pause: timedelta) -> None:
        """Queue the next message, or report the end."""

    @abstractmethod
    def report_progress(self, before: Item, after: Item) -> None:
        """Report that the item is in another state."""

    def inform_client(self, item: Item) -> None:  # noqa: B027 - nobody waits for a response file
        """Write how far the item is, and what it waits for, to where its client reads it."""

    def pause_after(self, item: Item, error: TransientError, *, at_least: timedelta = timedelta()) -> tuple[Item, Wait]:
        """Try again later."""
        pause = max(at_least, back_off(self.bridge.settings.retry_seconds, item.attempts))
        extra = {"action": "retry", **self.context, "code": error.code}
        log.warning("%s, attempt %d: %s", self._label, item.attempts, error, extra=extra)
        outcome = Wait(pause, f"another attempt, after attempt {item.attempts}: {error}")
        return self._wait(item, outcome), outcome

    def _wait(self, item: Item, outcome: Wait, **columns: object) -> Item:
        """Keep what the item waits for; the log has it once, when the wait begins."""
        waiting = self.wait(item, outcome.waiting_for, due_at=self.bridge.overdue_after(outcome.pause), **columns)
        if begins(item, outcome.waiting_for):
            log.info("%s waits for %s.", self._label, outcome.waiting_for, extra={"action": "waits", **self.context})
            if outcome.for_client:
                self.inform_client(waiting)
        return waiting

    def check_attempts(self, item: Item) -> None:
        """Make sure, before the handler runs, that it may run once more.

        Raises:
            StepNeverEnds: so many attempts did not end that it probably kills its process.
        """
        if item.attempts > self.bridge.settings.max_attempts:
            raise StepNeverEnds(step=item.state, what=self._label, attempts=item.attempts - 1)

    def _attempt(self, item: Item) -> tuple[Item, Wait | None]:
        # Counted before the work, and decided before it as well: a step that kills its process raises no error.
        item = self.update(item, attempts=item.attempts + 1, due_at=self.bridge.overdue_after())
        try:
            self.check_attempts(item)
            outcome = self.handle(item)
        except (LeaseLost, BroadcastChangedMeanwhile):
            raise
        except Held as held:
            pause = timedelta(seconds=self.bridge.settings.monitor_interval_seconds)
            outcome = Wait(pause, f"the hold to be lifted, placed by {held.by} on {held.since}: {held.reason}")
            return self._wait(self._reread(), outcome, attempts=0), outcome
        except TerminalError as error:
            return self.fail(self._reread(), error)
        except TransientError as error:
            return self._retry(self._reread(), error)
        except Exception as error:  # noqa: BLE001 - nothing may stop the others; the log has type and position
            extra = {"action": "unexpected", **self.context}
            log.error("%s: %s", self._label, traceback_location(error), extra=extra)
            unexpected = UnexpectedError(step=item.state, kind=type(error).__name__)
            return self._retry(self._reread(), unexpected)
        if isinstance(outcome, Wait):
            return self._wait(item, outcome, attempts=0), outcome
        self.report_progress(item, outcome)
        return outcome, None

    def _wait_for_database(self, item: Item, error: DatabaseUnavailable) -> tuple[Item, Wait]:
        """Try again within seconds of its return: the pause does not grow, and no attempt is used up."""
        extra = {"action": "retry", **self.context, "code": error.code}
        log.warning("%s: %s", self._label, error, extra=extra)
        outcome = Wait(DATABASE_PAUSE, f"the database {error.database} to answer, which it did not: {error}")
        return self._wait(item, outcome, attempts=0), outcome

    def _retry(self, item: Item, error: TransientError) -> tuple[Item, Wait | None]:
        if isinstance(error, DatabaseUnavailable):
            return self._wait_for_database(item, error)
        if item.attempts >= self.bridge.settings.max_attempts:
            return self.fail(item, error)
        return self.pause_after(item, error)

    def _reread(self) -> Item:
        """The item after an error: the handler may have changed it before."""
        self.lease.check()
        return self.read()
