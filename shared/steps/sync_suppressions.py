"""sync_suppressions: copies from Optimizely who gets no mail, for channels that suppress them before the upload.

A sync reads the new unsubscribes and blocklist entries, newest first. Once a day a full sync reads all of them, because
only that shows what was removed at Optimizely. Bounced-out recipients cannot be listed (docs/why/sources.md, Optimizely
1.7): the bridge reads the hard bounces of its own broadcasts and asks about each recipient with a new one.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import batched
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.errors import BridgeError, DatabaseUnavailable, LeaseLost, OptimizelyRefused, OptimizelyUnavailable
from shared.files.email_address import with_ascii_domain
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.suppressions import EVERY_LIST, Entry, SyncState, address_hash
from shared.rejects import RejectReason
from shared.telemetry import fenced, log

#: One sync at a time.
_LEASE: Final = LeaseName.for_chore("suppressions")
_FULL_SYNC_EVERY: Final = timedelta(days=1)
#: Entries may be listed late: how much older than the newest known one a new entry may be.
_OVERLAP: Final = timedelta(hours=1)
#: Entries written in one transaction.
_BATCH: Final = 5000
#: How long after a broadcast its hard bounces are read: by full syncs, and by every sync.
_BOUNCES_FOR: Final = timedelta(days=30)
_NEW_BOUNCES_FOR: Final = timedelta(days=3)
#: Recipients about whom one sync asks whether they are bounced out, and how many answers are recorded at a time.
_QUESTION_LIMIT: Final = 2000
_QUESTION_BATCH: Final = 50


def sync_suppressions(bridge: Bridge) -> dict[RejectReason, int]:
    """Sync each kind of suppression, if any channel suppresses. An error in one kind does not stop the others.

    Returns how many of each kind were new, without the kinds whose sync failed or is not complete.

    Raises:
        LeaseLost: another process may be syncing now.
    """
    if not any(bridge.channels[name].suppress for name in bridge.channels.names()):
        return {}
    synced = {}
    with bridge.ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            log.info("Suppressions are being synced already.", extra={"action": "aside"})
            return {}
        for kind, sync in _SYNCS.items():
            subject = f"Suppressions ({kind}) are not synced"
            with fenced(subject, LeaseLost, action="draw-later", kind=kind) as fence:
                new = sync(bridge, lease, bridge.ledger.suppressions.source(kind))
                if new is not None:
                    synced[kind] = new
            if fence.error is not None:
                with fenced(
                    f"The failed sync of suppressions ({kind}) is not recorded", action="draw-later", kind=kind
                ):
                    bridge.ledger.suppressions.record_failure(kind, code=fence.error.code)
    return synced


# Unsubscribes and the blocklist


def _sync_unsubscribes(bridge: Bridge, lease: HeldLease, source: SyncState) -> int:
    def read(since: datetime | None) -> Iterator[Entry]:
        entries = (
            Entry(
                address=with_ascii_domain(unsubscribe.recipient_id),
                since=unsubscribe.created,
                list_id=unsubscribe.recipient_list_id or EVERY_LIST,
            )
            for unsubscribe in bridge.rest.select_unsubscribes(newest_first=since is not None)
        )
        return _newer(entries, since)

    return _sync_listed(bridge, lease, source, read)


def _sync_blocklist(bridge: Bridge, lease: HeldLease, source: SyncState) -> int:
    def read(since: datetime | None) -> Iterator[Entry]:
        listed = bridge.rest.find_all_blacklist_entries(newest_first=since is not None)
        entries = (Entry(address=with_ascii_domain(entry.pattern), since=entry.created) for entry in listed)
        return _newer(entries, since)

    return _sync_listed(bridge, lease, source, read)


def _sync_listed(
    bridge: Bridge, lease: HeldLease, source: SyncState, read: Callable[[datetime | None], Iterator[Entry]]
) -> int:
    """Sync a kind that Optimizely lists: `read` gives the entries since a time, newest first; or all, oldest first."""
    started, newest, new = bridge.clock.now(), source.newest, 0
    full = _full_sync_is_due(source, started) or newest is None
    since = None if full or newest is None else newest - _OVERLAP
    for entries in batched(read(since), _BATCH, strict=False):
        lease.check()
        new += bridge.ledger.suppressions.add(source.kind, entries, sync=source.draws + full)
        newest = max((entry.since for entry in entries if entry.since is not None), default=newest)
    lease.check()
    # Only a complete sync is recorded: an interrupted one starts again. A time in the future would hide later entries.
    newest = None if newest is None else min(newest, started)
    removed = bridge.ledger.suppressions.finish(source, full=full, newest=newest)
    extra = {"action": "draw", "kind": source.kind}
    log.info("Suppressions (%s): %d new, %d removed.", source.kind, new, removed, extra=extra)
    return new


def _newer(entries: Iterable[Entry], since: datetime | None) -> Iterator[Entry]:
    """The entries until one is older than a time; with a time, they come newest first."""
    for entry in entries:
        if since is not None and entry.since is not None and entry.since < since:
            return
        yield entry


def _full_sync_is_due(source: SyncState, started: datetime) -> bool:
    return source.whole_at is None or started - source.whole_at >= _FULL_SYNC_EVERY


# Bounced-out recipients


def _sync_bounced_out(bridge: Bridge, lease: HeldLease, source: SyncState) -> int | None:
    suppressions, started = bridge.ledger.suppressions, bridge.clock.now()
    full = _full_sync_is_due(source, started)
    answers: dict[bytes, bool] = {}
    failed: BridgeError | None = None
    complete = True
    for mailing_id in suppressions.mailings(since=started - (_BOUNCES_FOR if full else _NEW_BOUNCES_FOR)):
        subject = f"Hard bounces of mailing {mailing_id} are not checked"
        with fenced(subject, DatabaseUnavailable, LeaseLost, OptimizelyUnavailable, action="draw-later") as fence:
            complete = _ask_about_mailing(bridge, lease, mailing_id, answers)
        failed = failed or fence.error
        if not complete:
            break
    lease.check()
    if failed is not None:
        raise failed
    if not complete:
        log.info("Not every hard bounce was checked; the next sync continues.", extra={"action": "draw"})
        return None
    suppressions.forget_bounces(before=started - _BOUNCES_FOR)
    suppressions.finish(source, full=full)
    return sum(answers.values())


def _ask_about_mailing(bridge: Bridge, lease: HeldLease, mailing_id: int, answers: dict[bytes, bool]) -> bool:
    """Ask about the recipients with new hard bounces; False if this sync has asked about enough before the last one."""
    recipients = _hard_bounces(bridge, mailing_id)
    for hashes in batched(
        bridge.ledger.suppressions.unasked(mailing_id, list(recipients)), _QUESTION_BATCH, strict=False
    ):
        if len(answers) >= _QUESTION_LIMIT:
            return False
        lease.check()
        _ask(bridge, mailing_id, {hashed: recipients[hashed] for hashed in hashes}, answers)
    return True


def _hard_bounces(bridge: Bridge, mailing_id: int) -> dict[bytes, str]:
    """Recipient ids of a mailing's hard bounces, by hash."""
    try:
        bounces = bridge.rest.select_responses("hardbounce", mailing_id=mailing_id)
    except OptimizelyRefused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return {}  # the message was deleted at Optimizely
    if not bounces.complete:
        extra = {"action": "bounces-unlisted"}
        log.warning("Mailing %d has more hard bounces than Optimizely lists.", mailing_id, extra=extra)
    return {address_hash(with_ascii_domain(bounce.recipient_id)): bounce.recipient_id for bounce in bounces.items}


def _ask(bridge: Bridge, mailing_id: int, recipients: dict[bytes, str], answers: dict[bytes, bool]) -> None:
    """Ask about recipients with a new hard bounce, once each in a sync; answers before an error are recorded too."""
    answered = {}
    try:
        for hashed, recipient_id in recipients.items():
            if hashed not in answers:
                answers[hashed] = _is_bounced_out(bridge, recipient_id)
            answered[hashed] = answers[hashed]
    finally:
        bridge.ledger.suppressions.record_answers(mailing_id, answered)


def _is_bounced_out(bridge: Bridge, recipient_id: str) -> bool:
    try:
        return bridge.rest.is_bounce_counter_threshold_exceeded(recipient_id)
    except OptimizelyRefused:
        return False  # an id that the operation does not accept must not block the others


_SYNCS: Final[dict[RejectReason, Callable[[Bridge, HeldLease, SyncState], int | None]]] = {
    RejectReason.UNSUBSCRIBED: _sync_unsubscribes,
    RejectReason.BLOCKLISTED: _sync_blocklist,
    RejectReason.BOUNCED_OUT: _sync_bounced_out,
}
