"""Matches responses that had no broadcast when they were loaded (docs/reference/responses.md)."""

from typing import Final

from shared.bridge import new_owner
from shared.database.locks import acquire_lock
from shared.faststats.rs_db import RsDb
from shared.ledger import Ledger, recipients
from shared.ledger.leases import LeaseName
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses import unmatched
from shared.telemetry import log

#: Most broadcasts and batches of one round; the next round does the rest.
_BROADCASTS: Final = 100
_BATCHES: Final = 20
_LEASE: Final = LeaseName.for_chore("match-responses")


def match_responses(ledger: Ledger, rs_db: RsDb) -> int:
    """Match unmatched responses after their load, and again after a broadcast that may be theirs has changed.

    Returns how many were matched with their broadcast.

    Raises:
        BridgeError: the ledger could not be read or written; what is done stays done.
    """
    database = ledger.database
    with ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            return 0
        recipients.forget_never_uploaded(database)
        for changed in unmatched.changed_broadcasts(database, _BROADCASTS):
            lease.check()
            unmatched.wake(database, changed)
        total = 0
        for _ in range(_BATCHES):
            lease.check()
            with database.writing() as connection:
                # Loads write and count the same rows.
                acquire_lock(connection, "bridge.responses")
                batch = unmatched.next_batch(connection)
                if batch is None:
                    break
                found = unmatched.match_batch(connection, batch)
                if found:
                    rs_db.attribute(connection, batch)
                    response_counts.add(connection, rs_db.count_matched(connection, batch), now=ledger.clock.now())
                unmatched.settle(connection, batch, now=ledger.clock.now())
            total += found
    if total:
        log.info("%d responses were matched with their broadcasts.", total, extra={"action": "match", "rows": total})
    return total
