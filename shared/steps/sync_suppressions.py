"""draw_suppressions: draw from Optimizely who gets no mail, for the channels that take them out before the upload.

Unsubscribes and the blocklist are read newest first as far as they are new, and once a day as a whole, because what
was removed at Optimizely shows only then. Bounced-out recipients cannot be listed (docs/why/sources.md,
Optimizely 1.7): the bridge reads the hard bounces of its own broadcasts and asks for each recipient who has a new one.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import batched
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.errors import BridgeError, LeaseLost, OptimizelyRefused, UnexpectedError
from shared.files.email_address import with_ascii_domain
from shared.ledger.leases import HeldLease
from shared.ledger.suppressions import EVERY_LIST, Entry, Source, address_hash
from shared.rejects import RejectReason
from shared.telemetry import log, traceback_location

#: Name of the lease under which one draw runs at a time.
_LEASE: Final = "suppressions"
_WHOLE_EVERY: Final = timedelta(days=1)
#: How much older than the newest one known an entry may be that is listed late.
_OVERLAP: Final = timedelta(hours=1)
#: Entries written in one transaction.
_BATCH: Final = 5000
#: How long after a broadcast its hard bounces are read: once a day, and at first in every draw.
_BOUNCES_FOR: Final = timedelta(days=30)
_NEW_BOUNCES_FOR: Final = timedelta(days=3)
#: Recipients for whom one draw asks whether they are bounced out, and how many answers are recorded at a time.
_MOST_QUESTIONS: Final = 2000
_QUESTIONS: Final = 50


def draw_suppressions(bridge: Bridge) -> dict[RejectReason, int]:
    """Draw each kind of suppression, if a channel wants it. An error in one kind does not stop the others.

    Returns:
        How many of each kind were new; without the kinds whose draw failed or has not reached its end.

    Raises:
        LeaseLost: somebody else may be drawing now.
        DatabaseUnavailable: the ledger could not be written.
    """
    if not any(bridge.channels[name].suppress for name in bridge.channels.names()):
        return {}
    drawn = {}
    with bridge.ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            log.info("Suppressions are being drawn already.", extra={"action": "aside"})
            return {}
        for kind, draw in _DRAWS.items():
            try:
                new = draw(bridge, lease, bridge.ledger.suppressions.source(kind))
            except LeaseLost:
                raise
            except BridgeError as error:
                _record_failure(bridge, kind, error)
            except Exception as error:  # noqa: BLE001 - nothing may stop the other kinds; the log has type and place
                log.error("Suppressions (%s): %s", kind, traceback_location(error), extra={"action": "unexpected"})
                _record_failure(bridge, kind, UnexpectedError(step="draw_suppressions", kind=type(error).__name__))
            else:
                if new is not None:
                    drawn[kind] = new
    return drawn


def _record_failure(bridge: Bridge, kind: RejectReason, error: BridgeError) -> None:
    log.warning("Suppressions (%s): %s", kind, error, extra={"action": "draw-later", "kind": kind, "code": error.code})
    bridge.ledger.suppressions.failed(kind, code=error.code)


# Unsubscribes and the blocklist


def _draw_unsubscribes(bridge: Bridge, lease: HeldLease, source: Source) -> int:
    def read(since: datetime | None) -> Iterator[Entry]:
        found = bridge.rest.select_unsubscribes(newest_first=since is not None)
        entries = (
            Entry(
                address=with_ascii_domain(one.recipient_id),
                since=one.created,
                list_id=one.recipient_list_id or EVERY_LIST,
            )
            for one in found
        )
        return _new(entries, since)

    return _draw_listed(bridge, lease, source, read)


def _draw_blocklist(bridge: Bridge, lease: HeldLease, source: Source) -> int:
    def read(since: datetime | None) -> Iterator[Entry]:
        found = bridge.rest.find_all_blacklist_entries(newest_first=since is not None)
        return _new((Entry(address=with_ascii_domain(one.pattern), since=one.created) for one in found), since)

    return _draw_listed(bridge, lease, source, read)


def _draw_listed(
    bridge: Bridge, lease: HeldLease, source: Source, read: Callable[[datetime | None], Iterator[Entry]]
) -> int:
    """Draw what Optimizely lists.

    Args:
        bridge: the bridge.
        lease: held by this draw.
        source: how far it is drawn.
        read: lists the entries since a time, newest first; all of them, oldest first, for None.
    """
    started, newest, new = bridge.clock.now(), source.newest, 0
    whole = _whole_is_due(source, started) or newest is None
    since = None if whole or newest is None else newest - _OVERLAP
    for entries in batched(read(since), _BATCH, strict=False):
        lease.check()
        new += bridge.ledger.suppressions.add(source.kind, entries, draw=source.draws + whole)
        newest = max((one.since for one in entries if one.since is not None), default=newest)
    lease.check()
    # Only now that the end was reached: an interrupted draw begins anew. What stands in the future would hide the rest.
    newest = None if newest is None else min(newest, started)
    removed = bridge.ledger.suppressions.drawn(source, whole=whole, newest=newest)
    log.info(
        "Suppressions (%s): %d new, %d removed.",
        source.kind,
        new,
        removed,
        extra={"action": "draw", "kind": source.kind},
    )
    return new


def _new(entries: Iterable[Entry], since: datetime | None) -> Iterator[Entry]:
    """The entries as far as they are newer than a time; they come newest first then."""
    for entry in entries:
        if since is not None and entry.since is not None and entry.since < since:
            return
        yield entry


def _whole_is_due(source: Source, started: datetime) -> bool:
    return source.whole_at is None or started - source.whole_at >= _WHOLE_EVERY


# Bounced-out recipients


def _draw_bounced_out(bridge: Bridge, lease: HeldLease, source: Source) -> int | None:
    suppressions, started = bridge.ledger.suppressions, bridge.clock.now()
    whole = _whole_is_due(source, started)
    answers: dict[bytes, bool] = {}
    for mailing_id in suppressions.mailings(since=started - (_BOUNCES_FOR if whole else _NEW_BOUNCES_FOR)):
        recipients = _hard_bounces(bridge, mailing_id)
        for some in batched(suppressions.unasked(mailing_id, list(recipients)), _QUESTIONS, strict=False):
            if len(answers) >= _MOST_QUESTIONS:
                log.info("Not every hard bounce could be asked for; the next draw goes on.", extra={"action": "draw"})
                return None
            lease.check()
            _ask(bridge, mailing_id, {one: recipients[one] for one in some}, answers)
    lease.check()
    suppressions.forget_bounces(before=started - _BOUNCES_FOR)
    suppressions.drawn(source, whole=whole)
    return sum(answers.values())


def _hard_bounces(bridge: Bridge, mailing_id: int) -> dict[bytes, str]:
    """Recipient ids of a mailing's hard bounces, by hash."""
    try:
        found = bridge.rest.select_responses("hardbounce", mailing_id=mailing_id)
    except OptimizelyRefused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return {}  # the message was deleted at Optimizely
    if not found.complete:
        log.warning(
            "Mailing %d has more hard bounces than Optimizely lists.", mailing_id, extra={"action": "bounces-unlisted"}
        )
    return {address_hash(with_ascii_domain(one.recipient_id)): one.recipient_id for one in found.items}


def _ask(bridge: Bridge, mailing_id: int, recipients: dict[bytes, str], answers: dict[bytes, bool]) -> None:
    """Ask for recipients with a new hard bounce, once each in a draw, and record the answers, also before an error."""
    answered = {}
    try:
        for one, recipient_id in recipients.items():
            if one not in answers:
                answers[one] = _is_bounced_out(bridge, recipient_id)
            answered[one] = answers[one]
    finally:
        bridge.ledger.suppressions.asked(mailing_id, answered)


def _is_bounced_out(bridge: Bridge, recipient_id: str) -> bool:
    try:
        return bridge.rest.is_bounce_counter_threshold_exceeded(recipient_id)
    except OptimizelyRefused:
        return False  # an id that the operation does not take must not stand in the way of the others


_DRAWS: Final[dict[RejectReason, Callable[[Bridge, HeldLease, Source], int | None]]] = {
    RejectReason.UNSUBSCRIBED: _draw_unsubscribes,
    RejectReason.BLOCKLISTED: _draw_blocklist,
    RejectReason.BOUNCED_OUT: _draw_bounced_out,
}
