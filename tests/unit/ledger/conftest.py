"""The ledger over a real RS_DB, with a clock that only the test moves."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from shared.broadcast import Broadcast, BroadcastRequest, State
from shared.database.connections import Database
from shared.ledger import Ledger, tables
from shared.ledger.leases import HeldLease, LeaseName, Leases
from tests.builders import NOON, make_request
from tests.clocks import MovableClock
from tests.databases import Databases


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock(NOON)


@pytest.fixture
def url(databases: Databases) -> str:
    return databases.rs


@pytest.fixture
def open_database(url: str, clock: MovableClock, opened: Callable[[str, str], Database]) -> Callable[[], Database]:
    """Opens the database once more, as another process would."""

    def open_again() -> Database:
        database = opened(url, "RS_DB")
        database.clock = clock
        return database

    return open_again


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def ledger(database: Database, clock: MovableClock) -> Ledger:
    return Ledger.over(database, lease_seconds=60, clock=clock)


@pytest.fixture
def lease(database: Database, clock: MovableClock) -> Iterator[HeldLease]:
    """A lease that does not run out, however far a test moves the clock."""
    with Leases(database, seconds=1e8, clock=clock).held(LeaseName.for_broadcast("J1"), "step") as held:
        assert held is not None
        yield held


@pytest.fixture
def request_of() -> Callable[..., BroadcastRequest]:
    """Makes the request of the n-th job."""
    usual = {"step_id": 12, "run": 3, "parameters": "ClosedLoopLayout=Email|Urn;Sender=näws"}

    def make(job_id: int = 1, **changes: Any) -> BroadcastRequest:
        return make_request(job_id, **usual | changes)

    return make


@pytest.fixture
def take_in(ledger: Ledger, request_of: Callable[..., BroadcastRequest]) -> Callable[..., Broadcast]:
    """Adds the broadcast of the n-th job, and puts it into a state without a history of getting there."""

    def take(job_id: int = 1, *, state: State = State.CLAIMED, **columns: object) -> Broadcast:
        added = ledger.broadcasts.add(request_of(job_id), owner="poller")
        assert added is not None
        if state is not State.CLAIMED or columns:
            with ledger.database.writing() as connection:
                connection.execute(
                    update(tables.broadcast).where(tables.broadcast.c.id == added.id).values(state=state, **columns)
                )
        return ledger.broadcasts.get(added.key)

    return take
