"""The ledger: the bridge's own record of broadcasts, effects, leases, response files, suppressions and alerts.

The ledger is the truth; messages on queues are hints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.database.connections import Database
from shared.ledger.alerts import Alerts
from shared.ledger.broadcasts import Broadcasts
from shared.ledger.effects import Effects
from shared.ledger.leases import Leases
from shared.ledger.responses.files import ResponseFiles
from shared.ledger.suppressions import Suppressions


@dataclass(frozen=True, slots=True)
class Ledger:
    """The parts of the ledger over one database."""

    database: Database
    broadcasts: Broadcasts
    effects: Effects
    leases: Leases
    response_files: ResponseFiles
    suppressions: Suppressions
    alerts: Alerts

    @classmethod
    def over(cls, database: Database, *, lease_seconds: float, now: Callable[[], datetime]) -> "Ledger":
        """The ledger in this database; its tables must be there."""
        return cls(
            database=database,
            broadcasts=Broadcasts(database),
            effects=Effects(database),
            leases=Leases(database, seconds=lease_seconds, now=now),
            response_files=ResponseFiles(database),
            suppressions=Suppressions(database),
            alerts=Alerts(database),
        )
