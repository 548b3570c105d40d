"""Faults that the simulator injects on request, and how often each has struck.

They do not survive a restart.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError

from local.simulator.operations import OPERATIONS

#: As `operation`: all of them.
EVERY: Final = "*"
_MOST_MINUTES = 60 * 24 * 365


def _known_operation(operation: str) -> str:
    if operation not in {EVERY, *OPERATIONS.values()}:
        raise ValueError("unknown operation")
    return operation


def _not_zero(number: int) -> int:
    if not number:
        raise ValueError("it must not be 0")
    return number


class Fault(BaseModel):
    """A fault. It is active until it is cleared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: str


class Counted(Fault):
    """A fault that may be used up before it is cleared."""

    #: How often it strikes; None: without limit.
    times: PositiveInt | None = None


# The REST API


class RestFault(Counted):
    """A fault of one operation, or of all requests."""

    operation: Annotated[str, AfterValidator(_known_operation)]


class Latency(RestFault):
    """The request is processed only after a delay."""

    kind: Literal["latency"]
    #: Real seconds.
    seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Break(RestFault):
    """The response is lost, before or after the request takes effect."""

    when: Literal["before", "after"]


class Status(Break):
    """The response is an error instead."""

    kind: Literal["status"]
    status: Literal[403, 429, 500, 502, 503]
    #: Seconds in the header `Retry-After`.
    retry_after: Annotated[int, Field(ge=0)] | None = None


class Drop(Break):
    """The connection is closed without a response."""

    kind: Literal["drop"]


class Page(Break):
    """A proxy answers with a page of its own instead."""

    kind: Literal["page"]
    status: Literal[200, 302, 403, 404, 503] = 200


class WrongCount(Counted):
    """The reported number of recipients on a list is wrong."""

    kind: Literal["wrong-count"]
    by: Annotated[int, Field(gt=-(2**31), lt=2**31), AfterValidator(_not_zero)]


# Imports of all kinds


class ImportSlow(Counted):
    """An import takes longer. It strikes when the import begins."""

    kind: Literal["import-slow"]
    #: Simulated minutes.
    minutes: Annotated[int, Field(gt=0, le=_MOST_MINUTES)]


class ImportLoses(Counted):
    """A share of the importable rows is not imported."""

    kind: Literal["import-loses"]
    percent: Annotated[int, Field(gt=0, le=100)]


class ImportFails(Counted):
    """The list is cleared, and nothing is imported."""

    kind: Literal["import-fails"]


class ImportNever(Fault):
    """No import of a file on the SFTP site begins."""

    kind: Literal["import-never"]


# The SFTP site


class HostKeyChanged(Fault):
    """The site presents another host key."""

    kind: Literal["host-key-changed"]


class RefuseLogin(Counted):
    """Nobody can log in."""

    kind: Literal["refuse-login"]


class DiskFull(Counted):
    """A file cannot grow beyond a size."""

    kind: Literal["disk-full"]
    after_bytes: Annotated[int, Field(ge=0)]


class BreakUpload(Counted):
    """The connection breaks after some bytes of an upload are written."""

    kind: Literal["break-upload"]
    after_bytes: Annotated[int, Field(ge=0)]


class RenameUnanswered(Counted):
    """A file is renamed, and the connection breaks before the response."""

    kind: Literal["rename-unanswered"]


class HalfWrittenResponse(Counted):
    """Only the first half of a response file appears."""

    kind: Literal["half-written-response"]


_ANY: TypeAdapter[Fault] = TypeAdapter(
    Annotated[
        Latency
        | Status
        | Drop
        | Page
        | WrongCount
        | ImportSlow
        | ImportLoses
        | ImportFails
        | ImportNever
        | HostKeyChanged
        | RefuseLogin
        | DiskFull
        | BreakUpload
        | RenameUnanswered
        | HalfWrittenResponse,
        Field(discriminator="kind"),
    ]
)


class FaultInvalidError(Exception):
    """The fault is invalid; the message says why."""


def read_fault(content: str | bytes) -> Fault:
    """Parse a fault from a JSON object.

    Raises:
        FaultInvalidError: it is not a valid fault.
    """
    try:
        return _ANY.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = " ".join(str(step) for step in first["loc"]) or "The fault"
        raise FaultInvalidError(f"{location}: {first['msg']}.") from None


@dataclass(slots=True)
class _ActiveFault:
    fault: Fault
    struck: int = 0

    def can_strike(self) -> bool:
        """Whether it can strike again."""
        return not isinstance(self.fault, Counted) or self.fault.times is None or self.struck < self.fault.times


class Faults:
    """The active faults. Safe to use from several threads; changed in the servers' event loop only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[int, _ActiveFault] = {}
        self._added = 0
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this after every change, in the event loop."""
        self._watchers.append(watcher)

    def add(self, fault: Fault) -> int:
        """Add a fault and return its ID."""
        with self._lock:
            self._added += 1
            self._active[self._added] = _ActiveFault(fault)
        self._notify()
        return self._added

    def clear(self, fault_id: int) -> bool:
        """Clear a fault.

        Returns:
            False when there is none with this ID.
        """
        with self._lock:
            cleared = self._active.pop(fault_id, None)
        self._notify()
        return cleared is not None

    def clear_all(self) -> None:
        """Clear all faults."""
        with self._lock:
            self._active.clear()
        self._notify()

    def listed(self) -> list[dict[str, Any]]:
        """The faults that are not cleared, even used up: their `id`, how often they `struck`, and their definition."""
        with self._lock:
            return [
                {"id": fault_id, "struck": active.struck} | active.fault.model_dump(exclude_none=True)
                for fault_id, active in self._active.items()
            ]

    def strike[Kind: Fault](self, kind: type[Kind], where: Callable[[Kind], bool] = lambda _: True) -> Kind | None:
        """Find the oldest fault of a kind that strikes now, and count the strike.

        Args:
            kind: the kind.
            where: whether a fault applies to the current action.
        """
        with self._lock:
            for active, fault in self._of(kind):
                if active.can_strike() and where(fault):
                    active.struck += 1
                    return fault
        return None

    def can_strike(self, kind: type[Fault]) -> bool:
        """Whether a fault of a kind could strike, without counting a strike."""
        with self._lock:
            return any(active.can_strike() for active, _ in self._of(kind))

    def cleared(self, fault: Fault) -> bool:
        """Whether a fault that has struck is cleared; a used-up one is not."""
        with self._lock:
            return all(active.fault is not fault for active in self._active.values())

    def reported_count(self, recipients: int) -> int:
        """The number of recipients to report in place of the real one."""
        wrong = self.strike(WrongCount)
        return max(0, recipients + wrong.by) if wrong else recipients

    def _of[Kind: Fault](self, kind: type[Kind]) -> Iterator[tuple[_ActiveFault, Kind]]:
        return ((active, active.fault) for active in self._active.values() if isinstance(active.fault, kind))

    def _notify(self) -> None:
        for watcher in self._watchers:
            watcher()
