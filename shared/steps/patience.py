"""Patience with a database that does not answer: what waits for it is tried within seconds of its return.

The ledger is in a database itself. So where it does not answer no step can record that it waits: the invocation waits,
and tries again in the same process, which knows the leases that it could not release. When that takes too long the
invocation fails, and its message comes again (host.json).
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from shared.errors import DatabaseMissing, DatabaseTlsFailed, DatabaseUnavailable, EntraTokenUnavailable
from shared.telemetry import log

#: Between two attempts at a database that does not answer.
DATABASE_PAUSE: Final = timedelta(seconds=5)
#: How long one invocation waits: well below the limit for a function (host.json).
_LONGEST: Final = timedelta(minutes=5)
#: What a server says while it starts: it does not answer, does not know the database yet, or has no encryption.
_COMING_BACK: Final = (DatabaseUnavailable, DatabaseMissing, DatabaseTlsFailed, EntraTokenUnavailable)


def patiently[Result](work: Callable[[], Result], *, wait: Callable[[float], None] = time.sleep) -> Result:
    """Do work that can begin again at any time; again every few seconds while its database does not answer.

    Args:
        work: begins from the ledger, and leaves nothing half done.
        wait: waits for so many seconds.

    Raises:
        BridgeError: what the work raises; that a database does not answer, after five minutes.
    """
    pause = DATABASE_PAUSE.total_seconds()
    for _ in range(round(_LONGEST.total_seconds() / pause)):
        try:
            return work()
        except _COMING_BACK as error:
            log.warning("The next attempt is in %d s: %s", pause, error, extra={"action": "retry", "code": error.code})
        wait(pause)
    return work()
