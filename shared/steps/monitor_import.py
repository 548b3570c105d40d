"""monitor_import: follow the import, verify it, start the Smart Campaign, follow it until it has sent."""

from datetime import timedelta

from sqlalchemy import Connection

from shared.bridge import Bridge, now
from shared.broadcast import Broadcast, SendMode, State
from shared.errors import (
    CampaignNotStartable,
    ImportCountWrong,
    ImportNotSeen,
    ListChangedMeanwhile,
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
    upload = bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    if upload is None:
        msg = "an uploaded broadcast has an upload"
        raise AssertionError(msg)
    status = bridge.route.import_status(broadcast, Baseline.from_evidence(upload.evidence))
    if status.recipients is not None:
        _verify(broadcast, status.recipients, bridge.channels[broadcast.request.channel].max_shortfall_percent)
        # Noted for the last look before the start.
        verified = status.list_modified and status.list_modified.isoformat()
        bridge.ledger.effects.done(upload, now=now(), evidence={"verified": verified})
        return work.advance(
            State.IMPORTED, f"{status.recipients} recipients are on the list", imported=status.recipients
        )
    if status.begun and broadcast.state is State.UPLOADED:
        return work.advance(State.IMPORTING, "the import job works on the list")
    limit = timedelta(minutes=bridge.settings.import_timeout_minutes)
    if now() - broadcast.changed_at > limit:
        raise ImportNotSeen(minutes=round(limit.total_seconds() / 60))
    return _soon(work)


def _verify(broadcast: Broadcast, recipients: int, max_shortfall_percent: float) -> None:
    """The list must hold what was uploaded, less what Optimizely may leave out."""
    uploaded = broadcast.rows.uploaded if broadcast.rows else 0
    if not uploaded * (1 - max_shortfall_percent / 100) <= recipients <= uploaded:
        raise ImportCountWrong(imported=recipients, uploaded=uploaded)


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
    _check_list(work)
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


def _check_list(work: Work) -> None:
    """The last look before anybody is mailed: the list is still the one that was verified."""
    bridge, broadcast = work.bridge, work.broadcast
    upload = bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    modified = bridge.route.list_modified(broadcast)
    if upload is None or (modified and modified.isoformat()) != upload.evidence.get("verified"):
        raise ListChangedMeanwhile(list=broadcast.request.list_name)


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
