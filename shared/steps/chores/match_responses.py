"""Matches responses that had no broadcast when they were loaded (docs/reference/responses.md)."""

from contextlib import AbstractContextManager
from typing import Final

from shared.bridge import new_owner
from shared.database.locks import acquire_lock
from shared.errors import DatabaseRuleBroken, DatabaseUnavailable
from shared.faststats.rs_db import RsDb
from shared.ledger import Ledger, recipients
from shared.ledger.leases import LeaseName
from shared.ledger.responses import unmatched
from shared.ledger.responses.move import attribute_matched
from shared.ledger.responses.unmatched import Batch
from shared.telemetry import Fence, fenced, log

#: Most broadcasts and batches of one round; the next round does the rest.
_BROADCASTS: Final = 100
_BATCHES: Final = 20
#: Rows of a batch that a rule may refuse before the rest of it is left for the next round.
_MOST_REFUSED: Final = 20
_LEASE: Final = LeaseName.for_chore("match-responses")


def match_responses(ledger: Ledger, rs_db: RsDb) -> int:
    """Match unmatched responses after their load, and again after a broadcast that may be theirs has changed.

    Returns how many were matched with their broadcast.

    Raises:
        DatabaseUnavailable: the ledger did not answer; what is done stays done.
        LeaseLost: another process may match responses now.
    """
    database, total, last = ledger.database, 0, 0
    with ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            return 0
        with _fenced_batch("Recipients of lists that were never uploaded are not forgotten"):
            recipients.forget_never_uploaded(database)
        for changed in unmatched.changed_broadcasts(database, _BROADCASTS):
            lease.check()
            with _fenced_batch(f"Responses that may be of broadcast {changed.key} are not matched again"):
                unmatched.wake(database, changed)
        for _ in range(_BATCHES):
            lease.check()
            batch = unmatched.next_batch(database, after=last)
            if batch is None:
                break
            last = batch.last
            with _fenced_batch(f"Responses up to the id {last} are not matched"):
                total += _match(ledger, rs_db, batch)
    if total:
        log.info("%d responses were matched with their broadcasts.", total, extra={"action": "match", "rows": total})
    return total


def _match(ledger: Ledger, rs_db: RsDb, batch: Batch) -> int:
    """Match a batch; the rows among them that a rule of the customer refuses stay as they are until the next round."""
    pending, total, refused = [batch], 0, 0
    while pending:
        part = pending.pop()
        try:
            total += _match_all(ledger, rs_db, part)
        except DatabaseRuleBroken as error:
            halves = part.halves()
            if not error.of_row or refused >= _MOST_REFUSED:
                raise
            pending += halves
            if not halves:
                refused += 1
                extra = {"action": "housekeep-later", **error.log_context()}
                log.warning("Response %d has no broadcast yet: %s", part.first, error, extra=extra)
    return total


def _match_all(ledger: Ledger, rs_db: RsDb, batch: Batch) -> int:
    with ledger.database.writing() as connection:
        # Loads write and count the same rows.
        acquire_lock(connection, "bridge.responses")
        found = unmatched.match_batch(connection, batch.rows)
        if found:
            attribute_matched(connection, rs_db, batch.rows, now=ledger.clock.now())
        unmatched.settle(connection, batch.rows, now=ledger.clock.now())
    return found


def _fenced_batch(subject: str) -> AbstractContextManager[Fence]:
    """What fails is tried again in the next round, and stops nothing else unless the database does not answer."""
    return fenced(subject, DatabaseUnavailable, action="housekeep-later")
