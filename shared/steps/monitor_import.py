"""monitor_import: follow the import, verify it, start the Smart Campaign, follow it until it has sent."""

from datetime import timedelta

from sqlalchemy import Connection

from shared.bridge import Bridge, now
from shared.broadcast import Broadcast, SendMode, State
from shared.errors import (
    CampaignNotStartable,
    ImportCountWrong,
    ImportNotSeen,
    OptimizelyRefused,
    OptimizelyUnavailable,
    SendOutcomeUnknown,
)
from shared.ledger.effects import Kind
from shared.optimizely.routes.import_job import STARTABLE, STARTED, Baseline
from shared.steps.work import Later, Work, carry_on, end

#: Tries of a start, each after a look that showed it had not taken effect.
_MOST_STARTS = 3
_CONFLICT = 409


def monitor_import(bridge: Bridge, key: str) -> None:
    """Take a broadcast from `uploaded` to `closed`.

    Args:
        bridge: the bridge.
        key: the broadcast's key, from the queue message.
    """
    carry_on(
        bridge,
        key,
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
    upload = bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    status = bridge.route.import_status(broadcast, Baseline.from_evidence(upload.evidence if upload else {}))
    if status.recipients is not None:
        return _verify(work, status.recipients)
    if status.begun and broadcast.state is State.UPLOADED:
        return work.advance(State.IMPORTING, "the import job works on the list")
    limit = timedelta(minutes=bridge.settings.import_timeout_minutes)
    if now() - broadcast.changed_at > limit:
        raise ImportNotSeen(minutes=round(limit.total_seconds() / 60))
    return _soon(work)


def _verify(work: Work, recipients: int) -> Broadcast:
    """The list must hold what was uploaded, less what Optimizely may leave out."""
    uploaded = work.broadcast.rows.uploaded if work.broadcast.rows else 0
    least = uploaded * (1 - work.bridge.settings.import_max_shortfall_percent / 100)
    if not least <= recipients <= uploaded:
        raise ImportCountWrong(imported=recipients, uploaded=uploaded)
    return work.advance(
        State.IMPORTED, f"{recipients} of {uploaded} uploaded recipients are on the list", imported=recipients
    )


def _send(work: Work) -> Broadcast | Later:
    """Start the Smart Campaign, unless the broadcast is upload only."""
    broadcast = work.broadcast
    if broadcast.request.send_mode is SendMode.UPLOAD_ONLY:
        return end(work, State.CLOSED, "upload only: the list is ready")
    bridge, campaign_id = work.bridge, broadcast.campaign_id or 0
    effects = bridge.ledger.effects
    effect = effects.intend(broadcast, Kind.START, str(campaign_id), now=now())
    status = bridge.route.campaign(campaign_id).status
    if status in STARTED:
        effects.done(effect, now=now(), evidence={"status": status})
        return work.advance(State.SENDING, f"Smart Campaign {campaign_id} is {status}")
    if status not in STARTABLE:
        raise CampaignNotStartable(campaign=campaign_id, status=status)
    # It has not started. An earlier try may still be under way at Optimizely: it gets time to show. After
    # that the copy, which sends once and answers a second start with 409, may be started again.
    if effect.tried_at and now() - effect.tried_at < timedelta(seconds=bridge.settings.start_settle_seconds):
        return _soon(work)
    if effect.tries >= _MOST_STARTS:
        raise SendOutcomeUnknown(
            campaign=campaign_id,
            broadcast=broadcast.key,
            reason=f"{effect.tries} starts were answered unclearly and the status is still {status}",
        )
    work.lease.check()
    effects.trying(effect, now=now())
    try:
        bridge.route.start(campaign_id)
    except OptimizelyUnavailable:
        return _soon(work)  # whether it took effect shows in the status
    except OptimizelyRefused as error:
        if error.facts.get("status") != _CONFLICT:
            raise
        return _soon(work)
    effects.done(effect, now=now(), evidence={"status": "started"})
    return work.advance(State.SENDING, f"Smart Campaign {campaign_id} is started")


def _follow_send(work: Work) -> Broadcast | Later:
    bridge, broadcast = work.bridge, work.broadcast
    campaign_id = broadcast.campaign_id or 0
    status = bridge.route.campaign(campaign_id).status
    if status == "finished":
        report = bridge.route.report(campaign_id)
        return work.advance(
            State.SENT, f"Smart Campaign {campaign_id} has finished", sent=report.recipients_total - report.skipped
        )
    if status in STARTED | {"paused"}:
        return _soon(work)
    raise CampaignNotStartable(campaign=campaign_id, status=status)


def _close(work: Work) -> Broadcast:
    """Write the results to RS_DB and close, in one transaction; the list is free for the next broadcast."""

    def deliver(connection: Connection) -> None:
        work.bridge.rs_db.record_delivered(connection, work.broadcast)

    return end(work, State.CLOSED, f"{work.broadcast.sent} recipients were sent the message", also=deliver)


def _soon(work: Work) -> Later:
    return Later(timedelta(seconds=work.bridge.settings.monitor_interval_seconds))
