"""Finds the rows of `Broadcasts` that FastStats writes for broadcasts of PeopleStage's channel.

FastStats writes a row when the channel's script returns, some time after the bridge has continued with the broadcast.
Once the row is known, the responses of the broadcast refer to it.
"""

from datetime import timedelta
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import RESTING, Broadcast
from shared.database.connections import retry_transaction
from shared.errors import BroadcastChangedMeanwhile, DatabaseUnavailable
from shared.ledger.broadcasts import change
from shared.telemetry import fenced

_LIMIT: Final = 100
#: How old a broadcast may be; a script returns within a day.
_MAX_AGE: Final = timedelta(days=3)


def find_broadcast_rows(bridge: Bridge) -> int:
    """Find the rows that are not known yet; returns how many were found."""
    found = 0
    for broadcast in bridge.ledger.broadcasts.without_row(since=bridge.clock.now() - _MAX_AGE, limit=_LIMIT):
        subject = f"The row of broadcast {broadcast.key} is not found yet"
        with fenced(subject, DatabaseUnavailable, action="housekeep-later", **broadcast.log_context()):
            try:
                linked = _link(bridge, broadcast)
            except BroadcastChangedMeanwhile:
                continue  # a step works on it; the next round tries again
            if linked is None:
                continue
            found += 1
            if linked.state not in RESTING:
                bridge.send_on(linked)  # its message was for the version before
    return found


@retry_transaction
def _link(bridge: Bridge, broadcast: Broadcast) -> Broadcast | None:
    """Record the row, and in the same transaction what FastStats could not know; None if there is no row yet."""
    with bridge.rs_database.reading() as connection:
        row = bridge.rs_db.find_broadcast(connection, broadcast)
    if row is None:
        return None
    with bridge.rs_database.writing() as connection:
        linked = change(connection, broadcast, rs_broadcast_id=row)
        if linked.sent is not None:
            bridge.rs_db.record_delivered(connection, linked)
    return linked
