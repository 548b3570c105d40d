"""find_rows: the rows of `Broadcasts` that FastStats writes for broadcasts of PeopleStage's channel.

FastStats writes them from what the scripts return, some time after the bridge has gone on. Once a row is known, the
responses of its broadcast refer to it.
"""

from datetime import timedelta
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import RESTING
from shared.errors import BroadcastChangedMeanwhile

_MOST: Final = 100
#: FastStats writes the row when a script returns, which waits a day at the most.
_LOOKED_FOR: Final = timedelta(days=3)


def find_rows(bridge: Bridge) -> int:
    """Look for the rows that are not known yet.

    Returns:
        How many were found.

    Raises:
        BridgeError: RS_DB could not be read or written.
    """
    found = 0
    for broadcast in bridge.ledger.broadcasts.without_row(since=bridge.clock.now() - _LOOKED_FOR, limit=_MOST):
        with bridge.rs_database.reading() as connection:
            row = bridge.rs_db.find_broadcast(connection, broadcast)
        if row is None:
            continue
        try:
            known = bridge.ledger.broadcasts.touch(broadcast, rs_broadcast_id=row)
        except BroadcastChangedMeanwhile:
            continue  # a step works on it; the next sweep looks again
        if known.sent is not None:
            with bridge.rs_database.writing() as connection:
                bridge.rs_db.record_delivered(connection, known)
        if known.state not in RESTING:
            bridge.send_on(known)  # its message was for the version before
        found += 1
    return found
