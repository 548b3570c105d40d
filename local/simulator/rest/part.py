"""A part of the REST API: the operations on one kind of thing."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from aiohttp import web

from local.simulator.clock import Clock
from local.simulator.faults import Faults
from local.simulator.store import Store


class Part(ABC):
    """A part of the REST API.

    Args:
        store: the simulator's records.
        clock: simulated time.
        faults: those that are played.
    """

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults

    @abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
