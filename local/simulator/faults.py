"""The faults that the simulator plays when it is told to, and the book of how often each has struck.

They do not outlive the process.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, TypeAdapter, ValidationError

from local.simulator.operations import OPERATIONS

#: In `operation`: every one.
EVERY: Final = "*"
_MOST_MINUTES = 60 * 24 * 365


def _known(operation: str) -> str:
    if operation not in {EVERY, *OPERATIONS.values()}:
        raise ValueError("it is none that is played")
    return operation


def _not_zero(number: int) -> int:
    if not number:
        raise ValueError("it must not be 0")
    return number


class Fault(BaseModel):
    """A fault. It lasts until it is cleared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: str


class Counted(Fault):
    """A fault that may be spent before it is cleared."""

    #: How often it strikes; None: whenever it can.
    times: PositiveInt | None = None


# The REST API


class RestFault(Counted):
    """A fault of one operation, or of every request."""

    operation: Annotated[str, AfterValidator(_known)]


class Latency(RestFault):
    """The request is looked at only after some time."""

    kind: Literal["latency"]
    #: Real seconds.
    seconds: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


class Break(RestFault):
    """The answer to a request is lost, before or after the request takes effect."""

    when: Literal["before", "after"]


class Status(Break):
    """An error is answered instead."""

    kind: Literal["status"]
    status: Literal[429, 500, 502, 503]
    #: Seconds in the header `Retry-After`.
    retry_after: Annotated[int, Field(ge=0)] | None = None


class Drop(Break):
    """The connection is closed without an answer."""

    kind: Literal["drop"]


class WrongCount(Counted):
    """More or fewer recipients are told than are on a list."""

    kind: Literal["wrong-count"]
    by: Annotated[int, Field(gt=-(2**31), lt=2**31), AfterValidator(_not_zero)]


# Imports, whichever way the recipients came


class ImportSlow(Counted):
    """An import that begins takes longer."""

    kind: Literal["import-slow"]
    #: Simulated minutes.
    minutes: Annotated[int, Field(gt=0, le=_MOST_MINUTES)]


class ImportLoses(Counted):
    """A share of the rows that could be imported is not."""

    kind: Literal["import-loses"]
    percent: Annotated[int, Field(gt=0, le=100)]


class ImportFails(Counted):
    """The list is cleared and nothing imported."""

    kind: Literal["import-fails"]


class ImportNever(Fault):
    """No file is taken from the SFTP site."""

    kind: Literal["import-never"]


# The SFTP site


class HostKeyChanged(Fault):
    """The site shows another host key."""

    kind: Literal["host-key-changed"]


class RefuseLogin(Counted):
    """Nobody can log in."""

    kind: Literal["refuse-login"]


class DiskFull(Counted):
    """A file can grow no further than to a size."""

    kind: Literal["disk-full"]
    after_bytes: Annotated[int, Field(ge=0)]


class BreakUpload(Counted):
    """The connection breaks after some bytes of an upload are written."""

    kind: Literal["break-upload"]
    after_bytes: Annotated[int, Field(ge=0)]


class RenameUnanswered(Counted):
    """A file gets its new name, and the connection breaks before that is answered."""

    kind: Literal["rename-unanswered"]


class HalfWrittenResponse(Counted):
    """A response file appears with its first half only."""

    kind: Literal["half-written-response"]


_ANY: TypeAdapter[Fault] = TypeAdapter(
    Annotated[
        Latency
        | Status
        | Drop
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
    """The fault is none that can be played; the text says why."""


def read_fault(content: str | bytes) -> Fault:
    """A fault from a JSON object.

    Raises:
        FaultInvalidError: there is no such fault.
    """
    try:
        return _ANY.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = " ".join(str(part) for part in first["loc"]) or "The fault"
        raise FaultInvalidError(f"{what}: {first['msg']}.") from None


@dataclass(slots=True)
class _Held:
    fault: Fault
    struck: int = 0

    def strikes(self) -> bool:
        """Whether it strikes again."""
        return not isinstance(self.fault, Counted) or self.fault.times is None or self.struck < self.fault.times


class Faults:
    """The faults that are played. Safe to use from several threads, but changed in the servers' event loop only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, _Held] = {}
        self._added = 0
        self._watchers: list[Callable[[], None]] = []

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call this after every change, in the event loop."""
        self._watchers.append(watcher)

    def add(self, fault: Fault) -> int:
        """Play a fault from now on; its ID."""
        with self._lock:
            self._added += 1
            self._held[self._added] = _Held(fault)
        self._tell()
        return self._added

    def clear(self, fault_id: int) -> bool:
        """Play a fault no longer.

        Returns:
            False when there is none with this ID.
        """
        with self._lock:
            found = self._held.pop(fault_id, None)
        self._tell()
        return found is not None

    def clear_all(self) -> None:
        """Play no fault any longer."""
        with self._lock:
            self._held.clear()
        self._tell()

    def listed(self) -> list[dict[str, Any]]:
        """The faults that are not cleared, the spent ones too: their `id`, how often they `struck`, what was asked."""
        with self._lock:
            return [
                {"id": fault_id, "struck": held.struck} | held.fault.model_dump(exclude_none=True)
                for fault_id, held in self._held.items()
            ]

    def strike[Kind: Fault](self, kind: type[Kind], where: Callable[[Kind], bool] = lambda _: True) -> Kind | None:
        """The oldest fault of a kind that strikes now; it is counted.

        Args:
            kind: the kind.
            where: whether a fault concerns what is going on.
        """
        with self._lock:
            for held, fault in self._of(kind):
                if held.strikes() and where(fault):
                    held.struck += 1
                    return fault
        return None

    def stands(self, kind: type[Fault]) -> bool:
        """Whether a fault of a kind could strike; none is counted."""
        with self._lock:
            return any(held.strikes() for held, _ in self._of(kind))

    def cleared(self, fault: Fault) -> bool:
        """Whether a fault that has struck is cleared; one that is spent is not."""
        with self._lock:
            return all(held.fault is not fault for held in self._held.values())

    def told(self, recipients: int) -> int:
        """How many recipients are told where there are so many."""
        wrong = self.strike(WrongCount)
        return max(0, recipients + wrong.by) if wrong else recipients

    def _of[Kind: Fault](self, kind: type[Kind]) -> Iterator[tuple[_Held, Kind]]:
        return ((held, held.fault) for held in self._held.values() if isinstance(held.fault, kind))

    def _tell(self) -> None:
        for watcher in self._watchers:
            watcher()
