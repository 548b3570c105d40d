"""What an operator does to a broadcast: cancel, pause, resume, stop, acknowledge, retry, resolve.

Cancelling is for a broadcast whose send has not started; pausing and stopping are for one that is sending. A failed
broadcast is retried. A parked one waits for the answer to the question that the bridge cannot settle: was its Smart
Campaign started?
"""

from collections.abc import Callable
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import BEFORE_UPLOAD, TRANSITIONS, Broadcast, RouteKind, SendMode, State
from shared.errors import IllegalTransition
from shared.ledger.alerts import AlertKind
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Kind
from shared.routes.campaign import campaign_id
from shared.telemetry import log

#: Routes on which the receiver acts as soon as it has the file.
_UPLOAD_STARTS: Final = frozenset({RouteKind.CLOSED_LOOP, RouteKind.EXPORT_FILE})

# Before the send starts


def cancel(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Request that a broadcast be cancelled. The step that works on it cancels it, provided nobody was mailed.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has ended, is parked, or is sending (then it can be stopped).
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if State.CANCELLED not in TRANSITIONS[broadcast.state]:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change="be cancelled")
    bridge.ledger.broadcasts.request_cancel(broadcast, owner=owner)
    bridge.send_on(broadcast)
    return broadcast


# While it sends


def pause(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Pause a broadcast that is sending: mails that are not out yet wait.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not sending.
        OptimizelyConflict: its Smart Campaign is not sending.
        OptimizelyUnavailable: it may or may not be paused; repeating the command is harmless.
    """
    return _control(bridge, key, bridge.rest.pause_smart_campaign, "paused", owner)


def resume(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Resume a paused broadcast: only mails that are not out yet are sent. Raises as `pause`, and Held."""
    bridge.check_not_held()
    return _control(bridge, key, bridge.rest.start_smart_campaign, "resumed", owner)


def stop(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Stop a broadcast that is sending, for good: mails that are not out yet are never sent. Raises as `pause`."""
    return _control(bridge, key, bridge.rest.stop_smart_campaign, "stopped", owner)


def _control(bridge: Bridge, key: str, act: Callable[[int], None], done: str, owner: str) -> Broadcast:
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.SENDING:
        raise IllegalTransition(broadcast=key, state=broadcast.state, change=f"be {done}")
    act(campaign_id(broadcast))
    bridge.ledger.broadcasts.record(broadcast, f"{done} by an operator", owner=owner)
    log.info("Broadcast %s was %s by an operator.", key, done, extra={"action": "control", **broadcast.log_context()})
    bridge.send_on(broadcast)
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

    A failed broadcast has released its list, and another may have used it since: what was prepared is kept, the
    upload is repeated. A sending batch is the broadcast's own: its chunks are kept. With `hold`, it waits once more
    until its intake releases it. With `again`, it is sent even if its people were sent the message before.

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
    where the upload is the start: other routes find what was done again by themselves.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: nothing is held, its upload was recorded, or its route finds it again.
        BroadcastChangedMeanwhile: a step changed it at the same time.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if not bridge.ledger.hold.in_force():
        change = "be parked while nothing is held: run `bridge hold --reason` first"
        raise IllegalTransition(broadcast=key, state=broadcast.state, change=change)
    if broadcast.state not in BEFORE_UPLOAD or broadcast.request.route not in _UPLOAD_STARTS:
        raise IllegalTransition(
            broadcast=key, state=broadcast.state, change="be parked: whether it was sent is found out"
        )
    note, now = "parked by an operator: the ledger may not know all of it", bridge.clock.now()
    columns = {"ended_in": broadcast.state, "reported_at": None}
    with bridge.rs_database.writing() as connection:
        return advance(connection, broadcast, State.NEEDS_OPERATOR, owner=owner, note=note, now=now, **columns)


def resolve(bridge: Bridge, key: str, *, started: bool, owner: str, campaign_id: int | None = None) -> Broadcast:
    """Decide about a parked broadcast: was its Smart Campaign started?

    If it was, its send is followed, or an export that its receiver has is closed; `campaign_id` names the Smart
    Campaign where the bridge does not know it. If not, it is started after one more check of its status, or the upload
    is repeated where its list was not verified or Optimizely starts by itself.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not parked, or its Smart Campaign is neither known nor given.
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
        return _continue(bridge, broadcast, State.SENDING, owner, note, campaign_id=campaign_id)
    note = "resolved by an operator: not started"
    verified = broadcast.ended_in in {State.IMPORTED, State.SENDING, State.SENT}
    if verified and broadcast.request.send_mode is not SendMode.AFTER_IMPORT:
        _forget_effect(bridge, broadcast, Kind.START)
        return _continue(bridge, broadcast, State.IMPORTED, owner, note)
    return _restart(bridge, broadcast, State.STAGED, owner, f"{note}; the upload is repeated")


def _restart(bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str, **columns: object) -> Broadcast:
    # The names of its chunks say what a batch holds, and the effect keeps how many of its recipients are valid:
    # neither is repeated.
    if broadcast.request.route is not RouteKind.SENDING_BATCH:
        _forget_effect(bridge, broadcast, Kind.UPLOAD)
    _forget_effect(bridge, broadcast, Kind.START)
    # Another one may have sent the message meanwhile.
    return _continue(bridge, broadcast, to, owner, note, **{"compared_at": None} | columns)


def _forget_effect(bridge: Bridge, broadcast: Broadcast, kind: Kind) -> None:
    effect = bridge.ledger.effects.find(broadcast, kind)
    if effect is not None:
        bridge.ledger.effects.forget(effect)


def _continue(bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str, **columns: object) -> Broadcast:
    columns |= dict.fromkeys(("ended_in", "error_code", "error", "cancel_requested_at", "repeats_key"))
    now, due_at = bridge.clock.now(), bridge.overdue_after()
    with bridge.rs_database.writing() as connection:
        changed = advance(connection, broadcast, to, owner=owner, note=note, now=now, due_at=due_at, **columns)
    bridge.send_on(changed)
    return changed
