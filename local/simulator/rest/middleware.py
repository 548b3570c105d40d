"""Middleware of the REST API: the vendor's limits on concurrent requests, and faults."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from local.simulator.faults import EVERY, Break, Faults, Latency, Page, RestFault, Status
from local.simulator.operations import OPERATIONS
from local.simulator.rest import serialisers
from local.simulator.store import CLIENT_ID

#: Concurrent requests: of all operations, and of the two in `_COUNTING` together (docs/why/sources.md, Optimizely 1.1).
MOST_REQUESTS: Final = 40
MOST_COUNTING: Final = 10
_COUNTING: Final = frozenset({"selectRecipients", "countRecipients"})

_PAGE: Final = "<!DOCTYPE html><html><title>Please log in</title></html>"


class LimitsAndFaults:
    """Applies the limits and the faults of the REST API.

    Args:
        faults: the active faults.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._in_progress: Counter[bool] = Counter()
        self._changed = asyncio.Event()
        faults.watch(self._wake)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests over the limits, and break those that a fault applies to."""
        operation = _operation(request)
        with self._slot(operation) as admitted:
            if not admitted:
                return web.json_response(serialisers.error(429, "Too many concurrent requests."), status=429)
            if slow := self._faults.strike(Latency, lambda fault: _applies(fault, operation)):
                await self._wait(slow)
            if broken := self._break(operation, "before"):
                return _broken(request, broken)
            answer = await handler(request)
            if broken := self._break(operation, "after"):
                return _broken(request, broken)
            return answer

    @contextmanager
    def _slot(self, operation: str | None) -> Iterator[bool]:
        """Hold a slot while a request is in progress; False when all are taken."""
        counting = operation in _COUNTING
        if self._in_progress.total() >= MOST_REQUESTS or (counting and self._in_progress[True] >= MOST_COUNTING):
            yield False
            return
        self._in_progress[counting] += 1
        try:
            yield True
        finally:
            self._in_progress[counting] -= 1

    def _break(self, operation: str | None, when: str) -> Break | None:
        return self._faults.strike(Break, lambda fault: fault.when == when and _applies(fault, operation))

    async def _wait(self, slow: Latency) -> None:
        """Wait for the seconds of the fault, or until it is cleared."""
        with suppress(TimeoutError):
            async with asyncio.timeout(slow.seconds):
                while not self._faults.cleared(slow):
                    await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _operation(request: web.Request) -> str | None:
    """The vendor's operation ID; None for a path without an operation."""
    resource = request.match_info.route.resource
    path = resource.canonical.removeprefix(f"/rest/{CLIENT_ID}") if resource else ""
    return OPERATIONS.get((request.method, path))


def _applies(fault: RestFault, operation: str | None) -> bool:
    return fault.operation in {EVERY, operation}


def _broken(request: web.Request, fault: Break) -> web.Response:
    if isinstance(fault, Status):
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        body = serialisers.error(fault.status, "This error is simulated.")
        return web.json_response(body, status=fault.status, headers=headers)
    if isinstance(fault, Page):
        login = {"Location": "/login"}  # read only of a redirection
        return web.Response(text=_PAGE, content_type="text/html", status=fault.status, headers=login)
    if request.transport:
        request.transport.close()
    return web.Response()  # the connection is closed: nobody receives it
