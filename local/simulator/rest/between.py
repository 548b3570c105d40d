"""What comes between a client and the REST API: the vendor's limits of requests at a time, and faults."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from local.simulator.faults import EVERY, Break, Faults, Latency, RestFault, Status
from local.simulator.operations import OPERATIONS
from local.simulator.rest import shapes
from local.simulator.store import CLIENT_ID

#: Requests at a time: of all operations, and of these two together (`optimizely.md` 1.1).
MOST_REQUESTS: Final = 40
MOST_COUNTING: Final = 10
_COUNTING: Final = frozenset({"selectRecipients", "countRecipients"})


class Between:
    """The limits and the faults of the REST API.

    Args:
        faults: those that are played.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._under_way: Counter[bool] = Counter()
        self._changed = asyncio.Event()
        faults.watch(self._wake)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what is too much, and break what is to be broken."""
        operation = _operation(request)
        with self._taken(operation) as within:
            if not within:
                return web.json_response(shapes.error(429, "Too many requests at a time."), status=429)
            if slow := self._faults.strike(Latency, lambda fault: _concerns(fault, operation)):
                await self._wait(slow)
            if broken := self._break(operation, "before"):
                return _broken(request, broken)
            answer = await handler(request)
            if broken := self._break(operation, "after"):
                return _broken(request, broken)
            return answer

    @contextmanager
    def _taken(self, operation: str | None) -> Iterator[bool]:
        """Take a place among the requests under way; False when there is none."""
        counting = operation in _COUNTING
        if self._under_way.total() >= MOST_REQUESTS or (counting and self._under_way[True] >= MOST_COUNTING):
            yield False
            return
        self._under_way[counting] += 1
        try:
            yield True
        finally:
            self._under_way[counting] -= 1

    def _break(self, operation: str | None, when: str) -> Break | None:
        return self._faults.strike(Break, lambda fault: fault.when == when and _concerns(fault, operation))

    async def _wait(self, slow: Latency) -> None:
        """Wait until its time has passed, or it is cleared."""
        with suppress(TimeoutError):
            async with asyncio.timeout(slow.seconds):
                while not self._faults.cleared(slow):
                    await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _operation(request: web.Request) -> str | None:
    """The vendor's name of the operation; None for an address that is none."""
    resource = request.match_info.route.resource
    path = resource.canonical.removeprefix(f"/rest/{CLIENT_ID}") if resource else ""
    return OPERATIONS.get((request.method, path))


def _concerns(fault: RestFault, operation: str | None) -> bool:
    return fault.operation in {EVERY, operation}


def _broken(request: web.Request, fault: Break) -> web.Response:
    if isinstance(fault, Status):
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        body = shapes.error(fault.status, "A fault is played.")
        return web.json_response(body, status=fault.status, headers=headers)
    if request.transport:
        request.transport.close()
    return web.Response()  # nobody gets it any more
