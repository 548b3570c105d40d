"""Hold everything, and lift the hold."""

from collections.abc import Sequence

from shared.bridge import Bridge
from shared.errors import LedgerMarkMissing, LedgerOlder, LedgerOther
from shared.ledger.holds import BY_PERSON, Hold

#: Codes of the holds that the bridge places because of the mark of the ledger.
_OF_MARK = frozenset(error.code for error in (LedgerOlder, LedgerMarkMissing, LedgerOther))


def add(bridge: Bridge, reason: str, *, by: str) -> Hold:
    """Hold everything; where a person did so already, that hold stays and is returned.

    Args:
        bridge: the bridge.
        reason: for everybody who sees the hold; nothing of a recipient.
        by: who places it.
    """
    return bridge.ledger.hold.add(reason, by=by)


def lift(bridge: Bridge, *, by: str, code: str = BY_PERSON) -> Sequence[Hold]:
    """Lift the hold of this code, if there is one; returns what was lifted.

    Of one that the bridge placed because of the mark of the ledger, the mark is brought up to date first.

    Raises:
        StorageUnavailable: it could not be; nothing is lifted.
    """
    if code in _OF_MARK:
        bridge.mark.accept()
    return bridge.ledger.hold.lift(by=by, code=code)
