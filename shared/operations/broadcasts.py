"""What an operator does to a broadcast: cancel, release, pause, resume, stop, acknowledge, retry, resolve.

Cancelling is for a broadcast whose send has not started; pausing and stopping are for one that is sending. A failed
broadcast is retried. A parked one waits for the answer to the question that the bridge cannot settle: was its Smart
Campaign started?
"""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from shared.bridge import Bridge
from shared.broadcast import BEFORE_UPLOAD, TRANSITIONS, Broadcast, RouteKind, SendMode, State
from shared.config.channels import Channel
from shared.errors import (
    AlreadyStarted,
    CampaignOfAnother,
    IllegalTransition,
    ListFileTaken,
    OptimizelyRefused,
    OutsideSendTimes,
    TestInstallation,
)
from shared.ledger.alerts import AlertKind
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Effect, Kind, forget_effects
from shared.ledger.leases import LeaseName
from shared.routes.campaign import campaign_id
from shared.routes.closed_loop import ClosedLoopUpload
from shared.routes.route import STARTED, Route, SendStatus
from shared.steps.staged_list import is_allowed
from shared.telemetry import log

#: Routes whose upload would be repeated: the receiver acts as soon as it has the file, or an import clears the list.
UPLOADED_AGAIN: Final = frozenset({RouteKind.CLOSED_LOOP, RouteKind.EXPORT_FILE, RouteKind.IMPORT_JOB})

# Before the send starts


def cancel(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Request that a broadcast be cancelled. The step that works on it cancels it, provided nobody was mailed.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has ended, is parked, or is sending (then it can be stopped).
        BroadcastChangedMeanwhile: so it is since a moment; nothing was written.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if State.CANCELLED not in TRANSITIONS[broadcast.state]:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change="be cancelled")
    bridge.ledger.broadcasts.request_cancel(broadcast, owner=owner)
    bridge.send_on(broadcast)
    return broadcast


def release(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Release a broadcast that waits because it has more recipients than its channel allows without a release.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        Held: everything is held.
        IllegalTransition: it does not wait for that.
        BroadcastChangedMeanwhile: a step changed it at the same time; nothing was released.
    """
    bridge.check_not_held()
    broadcast = bridge.ledger.broadcasts.get(key)
    rows = broadcast.rows
    if broadcast.state is not State.STAGED or rows is None or not _channel(bridge, broadcast).needs_release(broadcast):
        change = "be released: it does not wait for a release by an operator"
        raise IllegalTransition(broadcast=key, state=broadcast.state, change=change)
    released = bridge.ledger.broadcasts.decide(
        broadcast,
        f"released by an operator for {rows.uploaded} recipients",
        owner=owner,
        released_recipients=rows.uploaded,
        restarted_at=bridge.clock.now(),
        due_at=bridge.overdue_after(),
    )
    log.info("Broadcast %s was released by an operator.", key, extra={"action": "control", **released.log_context()})
    bridge.send_on(released)
    return released


def _channel(bridge: Bridge, broadcast: Broadcast) -> Channel:
    return bridge.channels[broadcast.request.channel]


# While it sends


def pause(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Pause a broadcast that is sending: mails that are not out yet wait.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not sending.
        OptimizelyConflict: its Smart Campaign is not sending.
        OptimizelyNotAnswered: it may or may not be paused; repeating the command is harmless.
        BroadcastChangedMeanwhile: a step or another operator changed it first; nothing was done, repeat the command.
    """
    return _control(bridge, bridge.ledger.broadcasts.get(key), bridge.rest.pause_smart_campaign, "paused", owner)


def resume(bridge: Bridge, key: str, *, owner: str, now: bool = False) -> Broadcast:
    """Resume a paused broadcast: only mails that are not out yet are sent. Raises as `pause`.

    Raises:
        Held: everything is held.
        TestInstallation: its list was staged for others than this installation may mail.
        OutsideSendTimes: its channel does not send at this hour, and `now` does not override that.
    """
    bridge.check_not_held()
    broadcast = bridge.ledger.broadcasts.get(key)
    if not is_allowed(bridge, broadcast):
        raise TestInstallation(broadcast=key)
    channel = _channel(bridge, broadcast)
    if not now and not channel.sends_at(bridge.clock.now()):
        name, times = broadcast.request.channel, channel.send_times
        raise OutsideSendTimes(channel=name, times=times, broadcast=key, change="resumed")
    return _control(bridge, broadcast, bridge.rest.start_smart_campaign, "resumed", owner)


def stop(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Stop a broadcast that is sending, for good: mails that are not out yet are never sent. Raises as `pause`."""
    return _control(bridge, bridge.ledger.broadcasts.get(key), bridge.rest.stop_smart_campaign, "stopped", owner)


def _control(bridge: Bridge, broadcast: Broadcast, act: Callable[[int], None], done: str, owner: str) -> Broadcast:
    key = broadcast.key
    if broadcast.state is not State.SENDING:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change=f"be {done}")
    # Written first, as a change of the broadcast: of two calls at once, or a frozen one, the slower does nothing.
    broadcast = bridge.ledger.broadcasts.decide(broadcast, f"about to be {done}", owner=owner)
    try:
        act(campaign_id(broadcast))
        bridge.ledger.broadcasts.record(broadcast, f"{done} by an operator", owner=owner)
    finally:
        bridge.send_on(broadcast)  # the message that was due names the version before
    log.info("Broadcast %s was %s by an operator.", key, done, extra={"action": "control", **broadcast.log_context()})
    return broadcast


# After it ended or was parked


def acknowledge(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Clear the alert about a broadcast that was sent to fewer recipients than were imported; its history keeps it.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: there is no such alert about it.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if not bridge.ledger.alerts.clear(AlertKind.SENT_SHORT, key):
        raise IllegalTransition(broadcast=key, state=broadcast.state, change="be acknowledged: it has no alert")
    bridge.ledger.broadcasts.record(broadcast, "acknowledged by an operator", owner=owner)
    return broadcast


def retry(bridge: Bridge, key: str, *, owner: str, hold: bool = False, again: bool = False) -> Broadcast:
    """Retry a failed broadcast.

    A failed broadcast has released its list, and another may have used it since: a Smart Campaign that was prepared is
    kept, the upload is repeated. A sending batch was deleted with the failure; if that was not possible, its chunks are
    kept. With `hold`, it waits once more until its intake releases it. With `again`, it is sent even if its people were
    sent the message before.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has not failed.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.FAILED:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change="be retried")
    to = State.CLAIMED if broadcast.ended_in is State.CLAIMED else State.STAGED
    columns: dict[str, object] = {"released_at": None} if hold else {}
    if again:
        columns["compared_at"] = bridge.clock.now()
    note = "retried; it may repeat what was sent" if again else "retried"
    return _restart(bridge, broadcast, to, owner, note, **columns)


def park(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Park a broadcast that was not uploaded, as far as the ledger knows, while everything is held.

    For a ledger that is older than what was done with it (docs/how-to/restore.md): then `resolve` says what was. Only
    where the upload would be repeated: in a closed loop and an export it is the start, and an import clears the list
    from which the message may still be sent. A sending batch finds its chunks again.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: nothing is held, its upload was recorded, or its route finds it again.
        BroadcastChangedMeanwhile: a step changed it at the same time.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if not bridge.ledger.hold.in_force():
        change = "be parked while nothing is held: run `bridge hold --reason` first"
        raise IllegalTransition(broadcast=key, state=broadcast.state, change=change)
    if broadcast.state not in BEFORE_UPLOAD or broadcast.request.route not in UPLOADED_AGAIN:
        raise IllegalTransition(
            broadcast=key, state=broadcast.state, change="be parked: whether it was sent is found out"
        )
    note, now = "parked by an operator: the ledger may not know all of it", bridge.clock.now()
    columns = {"ended_in": broadcast.state, "reported_at": None}
    with bridge.rs_database.writing() as connection:
        return advance(connection, broadcast, State.NEEDS_OPERATOR, owner=owner, note=note, now=now, **columns)


def resolve(
    bridge: Bridge,
    key: str,
    *,
    started: bool,
    owner: str,
    campaign_id: int | None = None,
    not_copies: Collection[int] = (),
) -> Broadcast:
    """Decide about a parked broadcast: was its Smart Campaign started?

    If it was, its send is followed, or an export that its receiver has is closed; `campaign_id` names the Smart
    Campaign where the bridge does not know it. If not, and nothing shows that it was, it is started after one more
    check of its status, or the upload is repeated where its list was not verified or Optimizely starts by itself;
    `not_copies` names Smart Campaigns that look like its copy and are not.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not parked, or its Smart Campaign is neither known nor given.
        CampaignOfAnother: the Smart Campaign given is another broadcast's.
        AlreadyStarted: it was started.
        CopyPossible: a Smart Campaign may be its copy.
        ListFileStillThere: its list file can still be taken.
        ListFileTaken: its list file was taken, and may still be sent.
        OptimizelyNotAnswered: nothing is decided, because Optimizely could not be asked.
        SftpUnavailable: nothing is decided, because the SFTP site could not be asked.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.NEEDS_OPERATOR:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change="be resolved")
    if started and broadcast.request.route is RouteKind.EXPORT_FILE:
        return _continue(bridge, broadcast, State.IMPORTED, owner, "resolved by an operator: the receiver has the file")
    if started:
        campaign_id = campaign_id or broadcast.campaign_id
        if campaign_id is None:
            change = "be resolved as started without --campaign ID"
            raise IllegalTransition(broadcast=key, state=broadcast.state, change=change)
        note = f"resolved by an operator: Smart Campaign {campaign_id} was started"
        columns = {} if campaign_id == broadcast.campaign_id else _adopt(bridge, broadcast, campaign_id)
        return _continue(bridge, broadcast, State.SENDING, owner, note, **columns)
    _check_not_started(bridge, broadcast, not_copies, owner)
    note = "resolved by an operator: not started"
    verified = broadcast.ended_in in {State.IMPORTED, State.SENDING, State.SENT}
    if verified and broadcast.request.send_mode is not SendMode.AFTER_IMPORT:
        return _continue(bridge, broadcast, State.IMPORTED, owner, note, forget=(Kind.START,))
    columns = {}
    if broadcast.request.route is RouteKind.CLOSED_LOOP:
        columns = dict.fromkeys(("campaign_id", "mailing_id"))  # the next upload has a copy of its own
    return _restart(bridge, broadcast, State.STAGED, owner, f"{note}; the upload is repeated", **columns)


def _adopt(bridge: Bridge, broadcast: Broadcast, campaign_id: int) -> dict[str, Any]:
    """What the ledger keeps of a Smart Campaign that an operator names."""
    if campaign_id == broadcast.source_campaign_id:
        # As a copy it would never be a source again.
        change = f"be resolved with Smart Campaign {campaign_id}: that is the one which holds its message, not a copy"
        raise IllegalTransition(broadcast=broadcast.key, state=broadcast.state, change=change)
    other = bridge.ledger.broadcasts.by_campaign([campaign_id]).get(campaign_id, broadcast.key)
    if other != broadcast.key:
        raise CampaignOfAnother(campaign=campaign_id, broadcast=broadcast.key, owner=other)
    return {"campaign_id": campaign_id, "mailing_id": bridge.campaign.find_mailing_id(campaign_id)}


def _check_not_started(bridge: Bridge, broadcast: Broadcast, not_copies: Collection[int], owner: str) -> None:
    """Ask the world before an operator is believed: what was started is not started again."""
    route = bridge.routes[broadcast.request.route]
    if broadcast.campaign_id is not None and broadcast.campaign_id not in not_copies:
        _check_campaign(broadcast, broadcast.campaign_id, route)
    upload = bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    tried = upload is not None and upload.tries > 0
    evidence = route.transfer_evidence.from_json(upload.evidence) if upload is not None and tried else None
    if not route.check_not_started(broadcast, evidence, not_copies=not_copies) or upload is None:
        return
    until = _taken_at(bridge, broadcast, upload, owner) + timedelta(minutes=bridge.settings.import_timeout_minutes)
    if bridge.clock.now() < until:
        raise ListFileTaken(broadcast=broadcast.key, until=f"{until:%Y-%m-%d %H:%M} UTC")


def _check_campaign(broadcast: Broadcast, campaign: int, route: Route[Any, Any]) -> None:
    try:
        send = route.send_status(broadcast)
    except OptimizelyRefused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return  # it was deleted, which is possible only before a start
        raise
    # Only the closed loop sends a list that it has without another call of the bridge.
    by_itself = send.status is SendStatus.ARMED and broadcast.request.route is RouteKind.CLOSED_LOOP
    if send.status in STARTED or by_itself:
        raise AlreadyStarted(broadcast=broadcast.key, campaign=campaign, status=send.vendor_status)


def _taken_at(bridge: Bridge, broadcast: Broadcast, upload: Effect, owner: str) -> datetime:
    """When the list file was first known to be taken; if that is not known, it is now."""
    for change in bridge.ledger.broadcasts.history(broadcast):
        if change.to_state == State.IMPORTING and change.at >= upload.intended_at:
            at: datetime = change.at
            return at
    taken = ClosedLoopUpload.from_json(upload.evidence).gone
    if taken is None:
        taken = bridge.clock.now()
        with bridge.ledger.leases.held(LeaseName.for_broadcast(broadcast.key), owner) as lease:
            if lease is not None:  # otherwise another operator asks at the same time
                bridge.ledger.effects.add_evidence(upload, lease, {"gone": taken.isoformat()})
    return taken


def _restart(bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str, **columns: object) -> Broadcast:
    # The names of its chunks say what a batch holds, and the effect keeps how many of its recipients are valid:
    # neither is repeated.
    batch = broadcast.request.route is RouteKind.SENDING_BATCH
    forget = (Kind.START,) if batch else (Kind.UPLOAD, Kind.START)
    # Another one may have sent the message meanwhile.
    return _continue(bridge, broadcast, to, owner, note, forget=forget, **{"compared_at": None} | columns)


def _continue(
    bridge: Bridge,
    broadcast: Broadcast,
    to: State,
    owner: str,
    note: str,
    *,
    forget: Collection[Kind] = (),
    **columns: object,
) -> Broadcast:
    """Change the state and forget effects, in one transaction: of two calls for one broadcast, the slower does neither.

    Raises:
        BroadcastChangedMeanwhile: another call or step was faster; nothing was written.
    """
    now, due_at = bridge.clock.now(), bridge.overdue_after()
    columns |= dict.fromkeys(("ended_in", "error_code", "error", "cancel_requested_at", "repeats_key"))
    columns["restarted_at"] = now
    with bridge.rs_database.writing() as connection:
        changed = advance(connection, broadcast, to, owner=owner, note=note, now=now, due_at=due_at, **columns)
        forget_effects(connection, broadcast, forget)
    bridge.send_on(changed)
    return changed
