"""monitor_import: follow the import, verify it, start the Smart Campaign, and follow the send to its end."""

from dataclasses import replace
from datetime import UTC, timedelta
from typing import Final

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import Broadcast, SendMode, State
from shared.errors import (
    CampaignNotStartable,
    ImportCountWrong,
    ListChangedMeanwhile,
    OptimizelyConflict,
    OptimizelyNotAnswered,
    RemoteError,
    SendNotSeen,
    SendOutcomeUnknown,
    SendStopped,
    UploadUnrecorded,
)
from shared.ledger.alerts import AlertKind
from shared.ledger.effects import Effect, Kind
from shared.ledger.leases import release_all
from shared.optimizely.rest.answers import SmartCampaignReport
from shared.routes.campaign import campaign_id
from shared.routes.evidence import StartEvidence
from shared.routes.route import STARTED, ImportStatus, SendState, SendStatus
from shared.steps.broadcast_step import BroadcastStep, end, run_steps
from shared.steps.limits import wait_to_start
from shared.steps.runner import Wait
from shared.steps.sent_short import find_shortfall

#: Attempts to start, each after a check that the one before had no effect.
_MAX_STARTS: Final = 3
_START_OUTCOME: Final = "the outcome of its start, which had no clear answer"


def monitor_import(bridge: Bridge, key: str, version: int) -> None:
    """Take the broadcast and version of a queue message from `uploaded` to `closed`."""
    handlers = {
        State.UPLOADED: _follow_import,
        State.IMPORTING: _follow_import,
        State.IMPORTED: _send,
        State.SENDING: _follow_send,
        State.SENT: _close,
    }
    run_steps(bridge, key, version, handlers)


def _follow_import(step: BroadcastStep) -> Broadcast | Wait:
    bridge, broadcast = step.bridge, step.broadcast
    upload = _get_upload(step)
    evidence = step.route.transfer_evidence.from_json(upload.evidence)
    status = step.route.import_status(broadcast, evidence)
    if status.recipients is not None:
        return _verify(step, upload, status, status.recipients)
    if status.begun and broadcast.state is State.UPLOADED:
        return step.advance(State.IMPORTING, "Optimizely is importing the list")
    limit = timedelta(minutes=bridge.settings.import_timeout_minutes)
    if bridge.clock.now() - broadcast.changed_at > limit:
        raise step.route.not_imported(broadcast, evidence, round(limit.total_seconds() / 60))
    begun = "the end of its import" if status.begun else "the begin of its import at Optimizely"
    return step.wait(status.waiting_for or begun)


def _verify(step: BroadcastStep, upload: Effect, status: ImportStatus, recipients: int) -> Broadcast:
    """Make sure that the list has the recipients that were transferred, less the shortfall that the channel allows."""
    bridge, broadcast = step.bridge, step.broadcast
    if status.columns:
        # Recorded whatever the count is: an operator has to know the Smart Campaign.
        broadcast = bridge.ledger.broadcasts.update(broadcast, lease=step.lease, **status.columns)
        step = step.on(broadcast)
    shortfall = bridge.channels[broadcast.request.channel].max_shortfall_percent
    if not status.transferred * (1 - shortfall / 100) <= recipients <= status.transferred:
        raise ImportCountWrong(imported=recipients, uploaded=status.transferred)
    if status.evidence is not None:
        bridge.ledger.effects.add_evidence(upload, step.lease, status.evidence.to_json())

    def release(connection: Connection) -> None:
        if not step.route.held_until_sent:
            release_all(connection, broadcast.key)

    return step.advance(State.IMPORTED, f"{recipients} recipients are imported", release, imported=recipients)


def _send(step: BroadcastStep) -> Broadcast | Wait:
    """Start the Smart Campaign, unless Optimizely does so by itself or the broadcast is upload only."""
    broadcast = step.broadcast
    if broadcast.request.send_mode is SendMode.UPLOAD_ONLY:
        return end(step, State.CLOSED, "upload only: the list is ready")
    effects = step.bridge.ledger.effects
    effect = effects.intend(broadcast, Kind.START, str(broadcast.campaign_id), step.lease)
    send = step.route.send_status(broadcast)
    if send.status in STARTED or (send.status is SendStatus.ARMED and not _cancellable(broadcast)):
        effects.done(effect, step.lease, evidence=_evidence(send))
        return step.advance(State.SENDING, f"Smart Campaign {broadcast.campaign_id} is {send.vendor_status}")
    if send.status is SendStatus.ARMED:
        if effect.done_at is None:
            effects.done(effect, step.lease, evidence=_evidence(send))
        return _wait_for_start(step, send)
    if send.status is not SendStatus.WAITING or broadcast.request.send_mode is SendMode.AFTER_IMPORT:
        raise CampaignNotStartable(campaign=broadcast.campaign_id, status=send.vendor_status)
    return _start(step, effect, send)


def _cancellable(broadcast: Broadcast) -> bool:
    """Whether the start can be taken back before Optimizely carries it out."""
    return broadcast.request.send_mode in {SendMode.AFTER_IMPORT, SendMode.AT_TIME}


def _start(step: BroadcastStep, effect: Effect, send: SendState) -> Broadcast | Wait:
    """Start a Smart Campaign that has not started."""
    bridge, broadcast = step.bridge, step.broadcast
    # An earlier start may still take effect and gets time to do so. After that the copy can be started again: it sends
    # once, and answers a second start with 409.
    settle = timedelta(seconds=bridge.settings.start_settle_seconds)
    if effect.tried_at and bridge.clock.now() - effect.tried_at < settle:
        return step.wait(_START_OUTCOME)
    if effect.tries and broadcast.cancel_requested_at is not None:
        raise SendOutcomeUnknown(
            campaign=broadcast.campaign_id,
            broadcast=broadcast.key,
            reason="a start had no clear answer, and it is not repeated, for the broadcast was asked to be cancelled",
        )
    if effect.tries >= _MAX_STARTS:
        raise SendOutcomeUnknown(
            campaign=broadcast.campaign_id,
            broadcast=broadcast.key,
            reason=f"{effect.tries} starts had no clear answer, and the status is still {send.vendor_status}",
        )
    if wait := wait_to_start(step):
        return wait
    upload = _get_upload(step)
    if not step.route.is_unchanged(broadcast, step.route.transfer_evidence.from_json(upload.evidence)):
        raise ListChangedMeanwhile(list=broadcast.request.list_name)
    effect = step.trying(effect)
    try:
        step.route.start(broadcast)
    except (OptimizelyNotAnswered, OptimizelyConflict):
        return step.wait(_START_OUTCOME)  # it shows in the status
    bridge.ledger.effects.done(effect, step.lease, evidence=StartEvidence(status="started").to_json())
    if broadcast.request.send_mode is SendMode.AT_TIME:
        return _wait_for_time(step, send)  # until then it can be cancelled
    return step.advance(State.SENDING, f"Smart Campaign {broadcast.campaign_id} is started")


def _wait_for_start(step: BroadcastStep, send: SendState) -> Wait:
    """Optimizely starts by itself: after its import, or at its time."""
    broadcast, settings = step.broadcast, step.bridge.settings
    start = step.bridge.ledger.effects.find(broadcast, Kind.START)
    tried_at = None if start is None else start.tried_at
    due = max(filter(None, (broadcast.changed_at, broadcast.request.send_at, tried_at)))
    if step.bridge.clock.now() - due > timedelta(minutes=settings.send_timeout_minutes):
        raise SendNotSeen(campaign=broadcast.campaign_id, status=send.vendor_status)
    return _wait_for_time(step, send)


def _wait_for_time(step: BroadcastStep, send: SendState) -> Wait:
    campaign_id, send_at = step.broadcast.campaign_id, step.broadcast.request.send_at
    if send_at is not None:
        return step.wait(f"its time to send, {send_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    return step.wait(f"its start by Optimizely, Smart Campaign {campaign_id} is {send.vendor_status}")


def _follow_send(step: BroadcastStep) -> Broadcast | Wait:
    broadcast = step.broadcast
    send = step.route.send_status(broadcast)
    if send.status is SendStatus.SENDING:
        return step.wait("the end of its send")
    if send.status is SendStatus.PAUSED:
        return step.wait(f"its send to be resumed, Smart Campaign {broadcast.campaign_id} is paused at Optimizely")
    if send.status is SendStatus.ARMED:
        return _wait_for_start(step, send)
    if send.status not in {SendStatus.FINISHED, SendStatus.STOPPED}:
        raise CampaignNotStartable(campaign=broadcast.campaign_id, status=send.vendor_status)
    report = step.bridge.rest.get_report(campaign_id(broadcast))
    if send.status is SendStatus.STOPPED:
        return _sent(step, report, SendStopped(campaign=broadcast.campaign_id, sent=report.sent))
    short = find_shortfall(step.bridge, broadcast, report)
    if short is not None:
        step.bridge.ledger.alerts.report(AlertKind.SENT_SHORT, broadcast.key, str(short))
    return _sent(step, report, short)


def _sent(step: BroadcastStep, report: SmartCampaignReport, error: RemoteError | None) -> Broadcast:
    note = str(error) if error else f"Smart Campaign {step.broadcast.campaign_id} has finished"
    code, sentence = (error.code, error.sentence) if error else (None, None)
    mailing_id = step.broadcast.mailing_id
    if mailing_id is None:  # an operator named the Smart Campaign
        mailing_id = step.bridge.campaign.find_mailing_id(campaign_id(step.broadcast))
    return step.advance(State.SENT, note, sent=report.sent, mailing_id=mailing_id, error_code=code, error=sentence)


def _close(step: BroadcastStep) -> Broadcast:
    """Write the results to RS_DB and close, in one transaction; this releases the list for the next broadcast."""

    def deliver(connection: Connection) -> dict[str, object]:
        broadcast, rs_db = step.broadcast, step.bridge.rs_db
        if broadcast.rs_broadcast_id is None:
            # Its upload was not recorded: an operator has resolved it as started.
            broadcast = replace(broadcast, rs_broadcast_id=rs_db.record_prepared(connection, broadcast))
        rs_db.record_delivered(connection, broadcast)
        return {"rs_broadcast_id": broadcast.rs_broadcast_id}

    return end(step, State.CLOSED, f"the message was sent to {step.broadcast.sent} recipients", also=deliver)


def _evidence(send: SendState) -> dict[str, object]:
    return StartEvidence(status=send.vendor_status).to_json()


def _get_upload(step: BroadcastStep) -> Effect:
    effect = step.bridge.ledger.effects.find(step.broadcast, Kind.UPLOAD)
    if effect is None:
        raise UploadUnrecorded(broadcast=step.broadcast.key, state=step.broadcast.state)
    return effect
