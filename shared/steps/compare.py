"""compare: refuse a staged list whose people were sent the same message before, until an operator overrides it.

Rule 10: the Communication Keys of the list are compared with those of earlier broadcasts of the message, and the bytes
of the delivery file with their files. Any number of broadcasts may be compared at once; of two that repeat each other
exactly one goes on.
"""

from datetime import timedelta

from shared.broadcast import Broadcast
from shared.database.connections import retry_transaction
from shared.database.locks import acquire_lock
from shared.errors import AlreadySent
from shared.ledger import repeats
from shared.ledger.broadcasts import set_compared
from shared.ledger.repeats import Earlier
from shared.steps.broadcast_step import BroadcastStep


def compare(step: BroadcastStep) -> Broadcast:
    """Compare a staged broadcast with those that sent its message; returns it as one that may be sent.

    Raises:
        AlreadySent: an earlier one sent the same file, or at least half of the Communication Keys.
    """
    broadcast, database = step.broadcast, step.bridge.ledger.database
    if step.bridge.channels[broadcast.request.channel].repeats == "allow":
        return _go_on(step, None, "") or broadcast
    while True:
        with database.reading() as connection:
            compared_with = repeats.earlier(connection, broadcast)
        note = _refuse_repeat(step) if compared_with else ""
        changed = _go_on(step, compared_with, note)
        if changed is not None:
            return changed
        # Another one of the message was compared meanwhile.


def _refuse_repeat(step: BroadcastStep) -> str:
    """Returns what the history has to say about a repeat that is no reason to refuse the list."""
    bridge, broadcast = step.bridge, step.broadcast
    database = bridge.ledger.database
    same = repeats.find_same_file(database, broadcast)
    if same is not None:
        raise _refused(step, same, "the same delivery file")
    since = bridge.clock.now() - timedelta(days=bridge.settings.keep_recipient_keys_days)
    counts = repeats.compare_keys(database, broadcast, since=since, check=step.lease.check)
    if counts.most is None:
        return ""
    what = f"{counts.repeated:,} of the {counts.keys:,} Communication Keys"
    if 2 * counts.repeated >= counts.keys:
        raise _refused(step, counts.most, what)
    return f"{what} were sent the message before, most of them by broadcast {counts.most.key}"


def _refused(step: BroadcastStep, earlier: Earlier, what: str) -> AlreadySent:
    step.lease.check()
    step.bridge.ledger.broadcasts.update(step.broadcast, repeats_key=earlier.key)
    return AlreadySent(broadcast=step.broadcast.key, earlier=earlier.key, state=earlier.state, what=what)


@retry_transaction
def _go_on(step: BroadcastStep, compared_with: set[int] | None, note: str) -> Broadcast | None:
    """Record that it may be sent; None if by now there are more to compare it with."""
    bridge, broadcast = step.bridge, step.broadcast
    step.lease.check()
    with bridge.ledger.database.writing() as connection:
        if compared_with is not None:
            acquire_lock(connection, "bridge.repeats")
            if not repeats.earlier(connection, broadcast) <= compared_with:
                return None
        now, due_at = bridge.clock.now(), bridge.overdue_after()
        return set_compared(connection, broadcast, owner=step.lease.owner, note=note, now=now, due_at=due_at)
