"""monitor_import: follow the import, verify it, start the Smart Campaign, follow it until it has sent."""

from datetime import datetime, timedelta

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import Broadcast, SendMode, State
from shared.errors import (
    CampaignNotStartable,
    ImportCountWrong,
    ListChangedMeanwhile,
    OptimizelyConflict,
    OptimizelyUnavailable,
    SendNotSeen,
    SendOutcomeUnknown,
    SendStopped,
)
from shared.ledger.effects import Effect, Kind
from shared.ledger.leases import release_all
from shared.routes.evidence import StartEvidence
from shared.routes.route import ImportStatus, SendState, SendStatus
from shared.steps.runner import Later, Work, carry_on, end

#: Tries of a start, each after a look that showed it had not taken effect.
_MOST_STARTS = 3
#: What only a Smart Campaign that was started can be.
_STARTED = frozenset({SendStatus.SENDING, SendStatus.PAUSED, SendStatus.FINISHED, SendStatus.STOPPED})


def monitor_import(bridge: Bridge, key: str, version: int) -> None:
    """Take a broadcast from `uploaded` to `closed`.

    Args:
        bridge: the bridge.
        key: the broadcast's key, from the queue message.
        version: the version for which the message was sent.
    """
    carry_on(
        bridge,
        key,
        version,
        {
            State.UPLOADED: _follow_import,
            State.IMPORTING: _follow_import,
            State.IMPORTED: _send,
            State.SENDING: _follow_send,
            State.SENT: _close,
        },
    )


def _follow_import(work: Work) -> Broadcast | Later:
    bridge, broadcast = work.bridge, work.broadcast
    upload = _effect(work, Kind.UPLOAD)
    status = work.route.import_status(broadcast, work.route.transfer_evidence.from_json(upload.evidence))
    if status.recipients is not None:
        return _verified(work, upload, status, status.recipients)
    if status.begun and broadcast.state is State.UPLOADED:
        return work.advance(State.IMPORTING, "Optimizely works on the list")
    limit = timedelta(minutes=bridge.settings.import_timeout_minutes)
    if work.bridge.clock.now() - broadcast.changed_at > limit:
        raise work.route.not_imported(broadcast, round(limit.total_seconds() / 60))
    return work.soon()


def _verified(work: Work, upload: Effect, status: ImportStatus, recipients: int) -> Broadcast:
    """The list must hold what was transferred, less what Optimizely may leave out."""
    bridge, broadcast = work.bridge, work.broadcast
    if status.columns:
        # Recorded whatever the count is: an operator has to know the Smart Campaign.
        broadcast = bridge.ledger.broadcasts.touch(broadcast, **status.columns)
        work = work.on(broadcast)
    shortfall = bridge.channels[broadcast.request.channel].max_shortfall_percent
    if not status.transferred * (1 - shortfall / 100) <= recipients <= status.transferred:
        raise ImportCountWrong(imported=recipients, uploaded=status.transferred)
    if status.evidence is not None:
        bridge.ledger.effects.note(upload, status.evidence.to_json())

    def give_free(connection: Connection) -> None:
        if not work.route.held_until_sent:
            release_all(connection, broadcast.key)

    return work.advance(State.IMPORTED, f"{recipients} recipients have arrived", give_free, imported=recipients)


def _send(work: Work) -> Broadcast | Later:
    """Start the Smart Campaign, unless Optimizely does so by itself or the broadcast is upload only."""
    broadcast = work.broadcast
    if broadcast.request.send_mode is SendMode.UPLOAD_ONLY:
        return end(work, State.CLOSED, "upload only: the list is ready")
    effects = work.bridge.ledger.effects
    effect = effects.intend(broadcast, Kind.START, str(broadcast.campaign_id))
    send = work.route.send_status(broadcast)
    if send.status in _STARTED or (send.status is SendStatus.ARMED and not _cancellable(broadcast)):
        effects.done(effect, evidence=_evidence(send))
        return work.advance(State.SENDING, f"Smart Campaign {broadcast.campaign_id} is {send.vendor_status}")
    if send.status is SendStatus.ARMED:
        if effect.done_at is None:
            effects.done(effect, evidence=_evidence(send))
        return _wait_for_start(work, send)
    if send.status is not SendStatus.WAITING or broadcast.request.send_mode is SendMode.AFTER_IMPORT:
        raise CampaignNotStartable(campaign=broadcast.campaign_id, status=send.vendor_status)
    return _start(work, effect, send)


def _cancellable(broadcast: Broadcast) -> bool:
    """Whether the start can be taken back until Optimizely carries it out."""
    return broadcast.request.send_mode in {SendMode.AFTER_IMPORT, SendMode.AT_TIME}


def _start(work: Work, effect: Effect, send: SendState) -> Broadcast | Later:
    """Start a Smart Campaign that has not started."""
    bridge, broadcast = work.bridge, work.broadcast
    # An earlier try may still be under way at Optimizely: it gets time to show. After that the copy, which
    # sends once and answers a second start with 409, may be started again.
    if effect.tried_at and work.bridge.clock.now() - effect.tried_at < timedelta(
        seconds=bridge.settings.start_settle_seconds
    ):
        return work.soon()
    if effect.tries >= _MOST_STARTS:
        raise SendOutcomeUnknown(
            campaign=broadcast.campaign_id,
            broadcast=broadcast.key,
            reason=f"{effect.tries} starts were answered unclearly and the status is still {send.vendor_status}",
        )
    upload = _effect(work, Kind.UPLOAD)
    if not work.route.is_unchanged(broadcast, work.route.transfer_evidence.from_json(upload.evidence)):
        raise ListChangedMeanwhile(list=broadcast.request.list_name)
    work.lease.check()
    effect = bridge.ledger.effects.trying(effect)
    try:
        work.route.start(broadcast)
    except (OptimizelyUnavailable, OptimizelyConflict):
        return work.soon()  # whether it took effect shows in the status
    bridge.ledger.effects.done(effect, evidence=StartEvidence(status="started").to_json())
    if broadcast.request.send_mode is SendMode.AT_TIME:
        return work.soon()  # until its time it can be cancelled
    return work.advance(State.SENDING, f"Smart Campaign {broadcast.campaign_id} is started")


def _wait_for_start(work: Work, send: SendState) -> Later:
    """Optimizely starts by itself: after its import, or at its time."""
    broadcast = work.broadcast
    due = max(filter(None, (broadcast.changed_at, broadcast.request.send_at)))
    if _overdue(work, due):
        raise SendNotSeen(campaign=broadcast.campaign_id, status=send.vendor_status)
    return work.soon()


def _follow_send(work: Work) -> Broadcast | Later:
    broadcast = work.broadcast
    send = work.route.send_status(broadcast)
    if send.status in {SendStatus.SENDING, SendStatus.PAUSED}:
        return work.soon()
    if send.status is SendStatus.ARMED:
        return _wait_for_start(work, send)
    if send.status not in {SendStatus.FINISHED, SendStatus.STOPPED}:
        raise CampaignNotStartable(campaign=broadcast.campaign_id, status=send.vendor_status)
    sent = work.bridge.campaign.count_sent(broadcast)
    if send.status is SendStatus.FINISHED:
        return work.advance(State.SENT, f"Smart Campaign {broadcast.campaign_id} has finished", sent=sent)
    stopped = SendStopped(campaign=broadcast.campaign_id, sent=sent)
    return work.advance(State.SENT, str(stopped), sent=sent, error_code=stopped.code, error=stopped.sentence)


def _close(work: Work) -> Broadcast:
    """Write the results to RS_DB and close, in one transaction; the list is free for the next broadcast."""

    def deliver(connection: Connection) -> None:
        work.bridge.rs_db.record_delivered(connection, work.broadcast)

    return end(work, State.CLOSED, f"{work.broadcast.sent} recipients were sent the message", also=deliver)


def _evidence(send: SendState) -> dict[str, object]:
    return StartEvidence(status=send.vendor_status).to_json()


def _effect(work: Work, kind: Kind) -> Effect:
    effect = work.bridge.ledger.effects.find(work.broadcast, kind)
    if effect is None:
        msg = f"a broadcast that is {work.broadcast.state} has its {kind}"
        raise AssertionError(msg)
    return effect


def _overdue(work: Work, since: datetime) -> bool:
    return work.bridge.clock.now() - since > timedelta(minutes=work.bridge.settings.send_timeout_minutes)
