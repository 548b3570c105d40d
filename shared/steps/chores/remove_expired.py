"""remove_old: what is kept for a set time goes when it is over, some at a time, and it is told.

What is kept for how long: docs/reference/retention.md.

Never anything of a broadcast that is under way or that an operator has to decide about, nor of a response file that
waits for its load.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import batched, islice
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.settings import Settings
from shared.errors import BridgeError
from shared.ledger import removals
from shared.ledger.broadcasts import lease_name
from shared.ledger.responses.files import lease_name as file_lease_name
from shared.storage import blob_names
from shared.storage.staging import Staging
from shared.telemetry import log

#: One at a time.
_LEASE: Final = "remove-old"
#: Everything is looked through so often; what one round leaves is for the next.
EVERY: Final = timedelta(hours=1)
#: Most blobs, and most broadcasts whose rows are removed, of one kind in one round.
_BLOBS: Final = 500
_BROADCASTS: Final = 50
#: Recipients in one round, or those of one broadcast: a few minutes, for the rest of `housekeeping` waits meanwhile.
_RECIPIENTS: Final = 1_000_000
#: Keys looked up by one statement.
_KEYS: Final = 100

#: Removes some of a kind that is older than a time; how many, and whether more may be left.
type Removing = Callable[[Bridge, datetime], tuple[int, bool]]


def remove_old(bridge: Bridge) -> dict[str, int]:
    """Remove what is kept no longer, of every kind that is due.

    A kind that fails does not stop the others.

    Returns:
        How many were removed, by kind.

    Raises:
        DatabaseUnavailable: the ledger could not be read or written.
    """
    database, time = bridge.ledger.database, bridge.clock.now()
    looked = {one.kind: one.looked_at for one in removals.removals(database)}
    due = [kind for kind in KINDS if kind not in looked or looked[kind] <= time - EVERY]
    if not due:
        return {}
    removed = {}
    with bridge.ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            return {}
        for kind in due:
            days, remove = KINDS[kind]
            if lease.lost.is_set():
                break  # somebody else goes on
            try:
                count, more = remove(bridge, time - timedelta(days=days(bridge.settings)))
            except BridgeError as error:
                log.warning(
                    "Old %s are removed later: %s",
                    _words(kind),
                    error,
                    extra={"action": "remove-later", "kind": kind, "code": error.code},
                )
                continue
            removals.record(database, kind, count, looked_at=time - EVERY if more else time)
            if count:
                removed[kind] = count
                log.info(
                    "Removed after their time: %d %s.",
                    count,
                    _words(kind),
                    extra={"action": "remove-old", "kind": kind, "removed": count},
                )
    return removed


def _staged_lists(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return _remove_of_broadcasts(bridge, bridge.lists, before)


def _reject_files(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return _remove_of_broadcasts(bridge, bridge.rejects, before)


def _remove_of_broadcasts(bridge: Bridge, container: Staging, before: datetime) -> tuple[int, bool]:
    """Remove blobs whose names begin with the key of a broadcast that is over."""
    removed = 0
    old = _not_needed(bridge, container, before)
    for name in islice(old, _BLOBS):
        key = blob_names.broadcast_key(name)
        with bridge.ledger.leases.held(lease_name(key), new_owner()) as lease:
            # Nobody works on it now, and no operator let it go on since it was looked up.
            if lease is not None and removals.old_broadcasts(bridge.ledger.database, [key], before=before):
                container.remove(name)
                removed += 1
    return removed, next(old, None) is not None


def _not_needed(bridge: Bridge, container: Staging, before: datetime) -> Iterator[str]:
    """Names of blobs of broadcasts that are over, or of none."""
    for names in batched(container.older_than(before), _KEYS, strict=False):
        # Those of response files need no broadcast.
        of_responses = {name for name in names if blob_names.is_of_response_file(name)}
        keys = {blob_names.broadcast_key(name) for name in names if name not in of_responses}
        over = removals.old_broadcasts(bridge.ledger.database, keys, before=before) if keys else set()
        yield from (name for name in names if name in of_responses or blob_names.broadcast_key(name) in over)


def _response_files(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    files, removed = bridge.ledger.response_files, 0
    old = files.old(before=before, limit=_BLOBS)
    for file in old:
        with bridge.ledger.leases.held(file_lease_name(file.name), new_owner()) as lease:
            same = files.get(file.id)
            if lease is None or same is None or same.state is not file.state:
                continue  # somebody loads it again
            # The record comes last: until then the file is found here once more.
            bridge.responses.remove(file.blob)
            files.removed(file)
            removed += 1
    return removed, len(old) == _BLOBS


def _recipient_keys(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return removals.remove_recipients(bridge.ledger.database, before=before, limit=_BROADCASTS, rows=_RECIPIENTS)


def _unmatched_keys(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    removed = removals.remove_unmatched(bridge.ledger.database, before=before)
    return removed, removed > 0


def _history(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    removed = removals.remove_history(bridge.ledger.database, before=before, limit=_BROADCASTS)
    return removed, removed == _BROADCASTS


def _words(kind: str) -> str:
    return kind.replace("-", " ")


#: Each kind: for how many days it is kept, and how it is removed.
KINDS: Final[dict[str, tuple[Callable[[Settings], int], Removing]]] = {
    "staged-lists": (lambda settings: settings.keep_staged_lists_days, _staged_lists),
    "reject-files": (lambda settings: settings.keep_rejects_days, _reject_files),
    "response-files": (lambda settings: settings.keep_response_files_days, _response_files),
    "recipient-keys": (lambda settings: settings.keep_recipient_keys_days, _recipient_keys),
    "unmatched-keys": (lambda settings: settings.keep_recipient_keys_days, _unmatched_keys),
    "histories": (lambda settings: settings.keep_history_days, _history),
}
