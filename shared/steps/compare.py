"""compare: refuse a staged list whose people were sent the same message before, until an operator overrides it.

Rule 10: the Communication Keys of the list are compared with those of earlier broadcasts of the message, and the bytes
of the delivery file with their files. Any number of broadcasts may be compared at once; of two that repeat each other
exactly one goes on.
"""

from datetime import datetime, timedelta

from shared.broadcast import Broadcast
from shared.database.connections import retry_transaction
from shared.database.locks import acquire_lock
from shared.errors import AlreadySent
from shared.ledger import repeats
from shared.ledger.broadcasts import set_compared
from shared.ledger.repeats import Earlier
from shared.steps.broadcast_step import BroadcastStep
from shared.steps.runner import Wait


def compare(step: BroadcastStep) -> Broadcast | Wait:
    """Compare a staged broadcast with those that sent its message; returns it as one that may be sent.

    Raises:
        AlreadySent: an earlier one sent the same file, or at least half of the Communication Keys.
    """
    broadcast, database = step.broadcast, step.bridge.ledger.database
    is_compared = step.bridge.channels[broadcast.request.channel].repeats == "refuse"
    while True:
        note, compared_with = "", None
        if is_compared:
            with database.reading() as connection:
                compared_with = repeats.earlier(connection, broadcast)
        if compared_with:
            same = repeats.find_same_file(database, broadcast)
            if same is not None:
                raise _refused(step, same, "the same delivery file")
            unstaged = repeats.find_unstaged(database, broadcast)
            if unstaged is not None:
                return step.wait(f"broadcast {unstaged.key} of the same message, which is being staged")
            note = _compare_keys(step)
        allowed = _allow(step, note, compared_with=compared_with)
        if allowed is not None:
            return allowed
        # Another one of the message was compared meanwhile.


def _compare_keys(step: BroadcastStep) -> str:
    """Returns a note for the history if some keys are repeats, but too few to refuse the list."""
    bridge, broadcast = step.bridge, step.broadcast
    since = bridge.clock.now() - timedelta(days=bridge.settings.keep_recipient_keys_days)
    counts = repeats.compare_keys(bridge.ledger.database, broadcast, since=since, check=step.lease.check)
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
def _allow(
    step: BroadcastStep, note: str, *, compared_with: set[tuple[int, datetime | None]] | None
) -> Broadcast | None:
    """Record that it may be sent; None if by now there are more to compare it with."""
    now, due_at = step.bridge.clock.now(), step.bridge.overdue_after()
    with step.lease.writing() as connection:
        if compared_with is not None:
            acquire_lock(connection, "bridge.repeats")
            if not repeats.earlier(connection, step.broadcast) <= compared_with:
                return None
        return set_compared(connection, step.broadcast, owner=step.lease.owner, note=note, now=now, due_at=due_at)
