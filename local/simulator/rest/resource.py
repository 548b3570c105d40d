"""Base class of the REST resources."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from aiohttp import web

from local.simulator.clock import Clock
from local.simulator.faults import Faults
from local.simulator.store import Store


class Resource(ABC):
    """The operations on one kind of resource.

    Args:
        store: the simulator's records.
        clock: simulated time.
        faults: the active faults.
    """

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults

    @abstractmethod
    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
