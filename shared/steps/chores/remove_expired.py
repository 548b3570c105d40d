"""Removes what has been kept for its time (docs/reference/retention.md), some of it in each round, and logs it.

Nothing is removed of a broadcast that is under way or waits for an operator, nor of a response file that waits for its
load.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from itertools import batched, islice
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.config.settings import Settings
from shared.errors import DatabaseUnavailable
from shared.ledger import removals
from shared.ledger.leases import LeaseName
from shared.storage import blob_names
from shared.storage.staging import Staging
from shared.telemetry import Fence, fenced, log

#: One removal at a time.
_LEASE: Final = LeaseName.for_chore("remove-old")
#: How often each kind is searched; the next round removes what one round leaves.
EVERY: Final = timedelta(hours=1)
#: Most blobs, and most broadcasts whose rows are removed, of one kind in one round.
_BLOBS: Final = 500
_BROADCASTS: Final = 50
#: Recipients in one round, or those of one broadcast: this takes a few minutes, and the other chores wait for it.
_RECIPIENTS: Final = 1_000_000
#: Keys looked up by one statement.
_KEYS: Final = 100

#: Removes some of a kind that is older than a time; returns how many, and whether more may be left.
type Remove = Callable[[Bridge, datetime], tuple[int, bool]]


def remove_expired(bridge: Bridge) -> dict[str, int]:
    """Remove what has expired, of every kind that is due; a kind that fails does not stop the others.

    Returns how many were removed, by kind.
    """
    database, time = bridge.ledger.database, bridge.clock.now()
    searched_at = {removal.kind: removal.looked_at for removal in removals.removals(database)}
    due = [kind for kind in KINDS if kind not in searched_at or searched_at[kind] <= time - EVERY]
    if not due:
        return {}
    removed = {}
    with bridge.ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            return {}
        for kind in due:
            days, remove = KINDS[kind]
            if lease.lost.is_set():
                break  # whoever holds it now goes on
            name = kind.replace("-", " ")
            with fenced(f"Expired {name} are removed later", action="remove-later", kind=kind):
                count, more = remove(bridge, time - timedelta(days=days(bridge.settings)))
                removals.record(database, kind, count, looked_at=time - EVERY if more else time)
                if count:
                    removed[kind] = count
                    extra = {"action": "remove-old", "kind": kind, "removed": count}
                    log.info("Removed after their time: %d %s.", count, name, extra=extra)
    return removed


def _staged_lists(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return _remove_of_broadcasts(bridge, bridge.lists, before)


def _reject_files(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return _remove_of_broadcasts(bridge, bridge.rejects, before)


def _remove_of_broadcasts(bridge: Bridge, container: Staging, before: datetime) -> tuple[int, bool]:
    """Remove blobs whose names begin with the key of a broadcast that has ended."""
    removed = 0
    expired = _expired_names(bridge, container, before)
    for name in islice(expired, _BLOBS):
        key = blob_names.broadcast_key(name)
        with (
            _fenced_item(f"Blob {name}"),
            bridge.ledger.leases.held(LeaseName.for_broadcast(key), new_owner()) as lease,
        ):
            # Nobody works on it now, and no operator has restarted it since it was looked up.
            if lease is not None and removals.old_broadcasts(bridge.ledger.database, [key], before=before):
                container.remove(name)
                removed += 1
    return removed, next(expired, None) is not None


def _expired_names(bridge: Bridge, container: Staging, before: datetime) -> Iterator[str]:
    """Names of blobs whose broadcast has ended or does not exist."""
    old = (name for name in container.older_than(before) if name != blob_names.HIGH_WATER_MARK)
    for names in batched(old, _KEYS, strict=False):
        # Reject files of response files belong to no broadcast.
        of_responses = {name for name in names if blob_names.is_of_response_file(name)}
        keys = {blob_names.broadcast_key(name) for name in names if name not in of_responses}
        ended = removals.old_broadcasts(bridge.ledger.database, keys, before=before) if keys else set()
        yield from (name for name in names if name in of_responses or blob_names.broadcast_key(name) in ended)


def _response_files(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    files, removed = bridge.ledger.response_files, 0
    expired = files.expired(before=before, limit=_BLOBS)
    for file in expired:
        with (
            _fenced_item(f"Response file {file.name}"),
            bridge.ledger.leases.held(LeaseName.for_response_file(file.name), new_owner()) as lease,
        ):
            current = files.get(file.id)
            if lease is None or current.state is not file.state:
                continue  # it is being loaded again
            # The record comes last: until then the next round finds the file again.
            bridge.responses.remove(blob_names.response_file(file))
            note = "the kept file was removed at the end of its retention"
            files.record(current, note, owner=lease.owner, removed_at=bridge.clock.now())
            removed += 1
    return removed, len(expired) == _BLOBS


def _fenced_item(subject: str) -> AbstractContextManager[Fence]:
    """A ledger that does not answer ends the removal of a kind; whatever else happens to one item stops no other."""
    return fenced(f"{subject} is removed later", DatabaseUnavailable, action="remove-later")


def _recipient_keys(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    return removals.remove_recipients(bridge.ledger.database, before=before, limit=_BROADCASTS, rows=_RECIPIENTS)


def _unmatched_keys(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    removed = removals.remove_unmatched(bridge.ledger.database, before=before)
    return removed, removed > 0


def _history(bridge: Bridge, before: datetime) -> tuple[int, bool]:
    removed = removals.remove_history(bridge.ledger.database, before=before, limit=_BROADCASTS)
    return removed, removed == _BROADCASTS


#: Each kind: how many days it is kept, and how it is removed.
KINDS: Final[dict[str, tuple[Callable[[Settings], int], Remove]]] = {
    "staged-lists": (lambda settings: settings.keep_staged_lists_days, _staged_lists),
    "reject-files": (lambda settings: settings.keep_rejects_days, _reject_files),
    "response-files": (lambda settings: settings.keep_response_files_days, _response_files),
    "recipient-keys": (lambda settings: settings.keep_recipient_keys_days, _recipient_keys),
    "unmatched-keys": (lambda settings: settings.keep_recipient_keys_days, _unmatched_keys),
    "histories": (lambda settings: settings.keep_history_days, _history),
}
