"""The boundaries: every call by which a process of the bridge changes what another one can see, and who makes it.

A boundary is a transaction that writes, a REST request that is no GET, a file that appears, is renamed or removed, or
a message. Here a process of the matrix dies, freezes, loses its lease or an answer. Whatever happens
between two boundaries leaves nothing behind, so that a death there is a death at the next boundary.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import pytest
from sqlalchemy import Connection, select

import shared
from local.simulator.identity import identity
from shared.database import connections
from shared.database.connections import Database
from shared.errors import (
    BridgeError,
    DatabaseUnavailable,
    LocationUnavailable,
    OptimizelyUnavailable,
    SftpUnavailable,
    StorageUnavailable,
)
from shared.files.locations import _Folder
from shared.ledger import tables
from shared.ledger.effects import Effect, Effects, Kind
from shared.optimizely.rest.transport import Received, RestTransport
from shared.sftp.session import SftpSession
from shared.storage.queues import Queues
from shared.storage.staging import StagedFileWriter, Staging

_ROOT: Final = Path(shared.__file__).parent
#: Modules that every caller goes through: the name of a point is the function before them.
PLUMBING: Final = (
    "database.connections",
    "sftp.session",
    "sftp.site",
    "sftp.upload",
    "storage.",
    "files.reject_file",
    "bridge:Bridge.send_on",
    "ledger.leases:HeldLease.writing",
    "ledger.leases:writing",
)


class Died(BaseException):
    """The end of a process: no `except Exception` sees it, and no boundary lets a dead process through."""


class Paged(BaseException):
    """A proxy answers a request with a page of its own."""


_PAGE: Final = Received(status=200, media_type="text/html", body=b"<html>Please log in.</html>")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One passage through a boundary."""

    #: `commit`, `rest`, `site`, `blob`, `file` or `queue`.
    boundary: str
    #: The function that goes through it, or the operation of the REST API.
    name: str
    #: The functions before it, which distinguish passages.
    path: str = ""
    #: The how manieth of this kind in the scenario.
    number: int = 1

    @property
    def kind(self) -> tuple[str, str]:
        """What the code's own list has: boundary and name."""
        return self.boundary, self.name

    def __str__(self) -> str:
        path = f" ({self.path})" if self.path else ""
        return f"{self.boundary} {self.name}{path} {self.number}"


@dataclass
class Process:
    """A process of the bridge, as the boundaries see it."""

    name: str
    #: What happens at which point; None: nothing.
    plan: "Plan | None" = None
    dead: bool = False
    #: Inside how many transactions that write it is.
    writing: int = 0
    #: What it is doing, for those who read the trace.
    event: str = ""
    #: Where it went through, and what it was doing there.
    trace: dict[Point, str] = field(default_factory=dict)
    #: Points inside a transaction: there nobody else can write.
    inside: set[Point] = field(default_factory=set)
    counted: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    #: What was tried or done, by kind, route and send mode.
    effects: set[tuple[Kind, str, str]] = field(default_factory=set)

    def enter(self, boundary: str, name: str, path: str) -> "Plan":
        """At a boundary: what is planned to happen before the passage happens; what comes after is returned."""
        if self.dead:
            raise Died
        self.counted[boundary, name, path] += 1
        point = Point(boundary, name, path, self.counted[boundary, name, path])
        self.trace[point] = self.event
        if self.writing:
            self.inside.add(point)
        if self.plan is None or self.plan.point != point:
            return _NOTHING
        plan, self.plan = self.plan, None
        plan.struck = True
        plan.before(self)
        return plan


def _no_event(_process: Process) -> None:
    """Nothing happens."""


@dataclass
class Plan:
    """What happens at a point, before the passage and after it."""

    point: Point
    before: Callable[[Process], None] = _no_event
    after: Callable[[Process], None] = _no_event
    struck: bool = False


_NOTHING: Final = Plan(Point("", ""))


class _Current(threading.local):
    process: Process | None = None


current: Final = _Current()


@contextmanager
def running(process: Process | None) -> Iterator[None]:
    """What this thread does is done by this process."""
    before, current.process = current.process, process
    try:
        yield
    finally:
        current.process = before


def lost_answer(boundary: str) -> BridgeError:
    """What a caller gets when it is not answered."""
    errors: dict[str, BridgeError] = {
        "commit": DatabaseUnavailable(database="RS_DB", reason="the answer to COMMIT was lost"),
        "rest": OptimizelyUnavailable(operation="any", reason="ReadTimeout"),
        "site": SftpUnavailable(host="site", operation="any", reason="EOFError"),
        "blob": StorageUnavailable(operation="any", reason="ServiceResponseError"),
        "queue": StorageUnavailable(operation="any", reason="ServiceResponseError"),
        "file": LocationUnavailable(location="folder", operation="any", reason="OSError"),
    }
    return errors[boundary]


#: Methods that change something outside of the databases, and the boundaries that they are.
_CALLS: Final[tuple[tuple[str, type, str], ...]] = (
    ("site", SftpSession, "rename"),
    ("site", SftpSession, "remove"),
    ("site", SftpSession, "resume_file"),
    ("site", SftpSession, "close_file"),
    ("blob", StagedFileWriter, "commit"),
    ("blob", Staging, "remove"),
    ("blob", Staging, "put_metadata"),
    ("file", _Folder, "write"),
    ("queue", Queues, "send"),
)


def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand at every boundary for as long as the patches last."""
    monkeypatch.setattr(Database, "writing", _at_commits(Database.writing))
    for boundary, owner, method in _CALLS:
        monkeypatch.setattr(owner, method, _at_calls(boundary, getattr(owner, method)))
    monkeypatch.setattr(RestTransport, "_request", _at_requests(RestTransport._request))
    monkeypatch.setattr(Effects, "trying", _noting_effects(Effects.trying))
    # What every cell would make anew: engines, which keep their compiled statements, and the simulator's keys.
    monkeypatch.setattr(connections, "_sqlite_engine", cache(connections._sqlite_engine))
    monkeypatch.setattr("local.simulator.simulator.identity", cache(identity))


def _at_commits(original: Callable[[Database], AbstractContextManager[Connection]]) -> Callable[..., Any]:
    @contextmanager
    def writing(database: Database) -> Iterator[Connection]:
        process = current.process
        if process is None:
            with original(database) as connection:
                yield connection
            return
        plan = process.enter("commit", *_caller())
        process.writing += 1
        try:
            with original(database) as connection:
                yield connection
        finally:
            process.writing -= 1
        plan.after(process)

    return writing


def _at_calls(boundary: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def passing(*arguments: Any, **named: Any) -> Any:
        process = current.process
        if process is None:
            return original(*arguments, **named)
        plan = process.enter(boundary, *_caller())
        # What it goes through on the other side of the boundary is part of the same act.
        with running(None):
            result = original(*arguments, **named)
        plan.after(process)
        return result

    return passing


def _at_requests(original: Callable[..., Any]) -> Callable[..., Any]:
    def request(transport: RestTransport, method: str, operation: str, *arguments: Any) -> Any:
        process = current.process
        if process is None or method == "GET":
            return original(transport, method, operation, *arguments)
        try:
            plan = process.enter("rest", operation, "")
            answer = original(transport, method, operation, *arguments)
            plan.after(process)
        except Paged:
            return _PAGE, None
        return answer

    return request


def _noting_effects(original: Callable[..., Effect]) -> Callable[..., Effect]:
    def trying(effects: Effects, effect: Effect, *arguments: Any, **named: Any) -> Effect:
        if current.process is not None:
            current.process.effects.add((effect.kind, *_route_of(effects, effect)))
        return original(effects, effect, *arguments, **named)

    return trying


def _route_of(effects: Effects, effect: Effect) -> tuple[str, str]:
    """Route and send mode of the broadcast of an effect."""
    broadcast, its = tables.broadcast, tables.effect
    columns = select(broadcast.c.route, broadcast.c.send_mode).join(its, its.c.broadcast_id == broadcast.c.id)
    with effects._database.reading() as connection:
        route, mode = connection.execute(columns.where(its.c.id == effect.id)).one()
    return str(route), str(mode)


def _caller() -> tuple[str, str]:
    """The function of `shared` that crosses a boundary, and the one before it where that is in the same module."""
    frames = _frames(sys._getframe(1))
    named = (name for name in frames if not name.startswith(PLUMBING))
    return next(named), next(named, "")


def _frames(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        name = _name(frame.f_code)
        if name is not None:
            yield name
        frame = frame.f_back


@cache
def _name(code: CodeType) -> str | None:
    """Module and function of the bridge's own code."""
    path = Path(code.co_filename)
    if not path.is_relative_to(_ROOT) or code.co_qualname.startswith("retry_transaction"):
        return None
    return f"{'.'.join(path.relative_to(_ROOT).with_suffix('').parts)}:{code.co_qualname}"
