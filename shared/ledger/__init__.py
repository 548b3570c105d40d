"""The ledger: the bridge's own record of broadcasts, effects, leases, response files, suppressions and alerts.

The ledger is the truth; messages on queues are hints.
"""

from dataclasses import dataclass

from shared.clock import Clock
from shared.database.connections import Database
from shared.ledger.alerts import Alerts
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.dropped_files import DroppedFiles
from shared.ledger.effects import Effects
from shared.ledger.holds import Holds
from shared.ledger.leases import Leases
from shared.ledger.responses.files import ResponseFiles
from shared.ledger.suppressions import Suppressions
from shared.ledger.test_sends import TestSends


@dataclass(frozen=True, slots=True)
class Ledger:
    """The parts of the ledger over one database."""

    database: Database
    clock: Clock
    broadcasts: Broadcasts
    dropped_files: DroppedFiles
    effects: Effects
    leases: Leases
    response_files: ResponseFiles
    suppressions: Suppressions
    alerts: Alerts
    test_sends: TestSends
    hold: Holds

    @classmethod
    def over(cls, database: Database, *, lease_seconds: float, clock: Clock) -> "Ledger":
        """The ledger in this database; its tables must be there."""
        return cls(
            database=database,
            clock=clock,
            broadcasts=Broadcasts(database, clock),
            dropped_files=DroppedFiles(database, clock),
            effects=Effects(database, clock),
            leases=Leases(database, seconds=lease_seconds, clock=clock),
            response_files=ResponseFiles(database, clock),
            suppressions=Suppressions(database, clock),
            alerts=Alerts(database, clock),
            test_sends=TestSends(database, clock),
            hold=Holds(database, clock),
        )
