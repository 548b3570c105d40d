"""What an operator does to a broadcast that is under way: cancel it before its start, pause or stop it after."""

from collections.abc import Callable

from shared.bridge import Bridge
from shared.broadcast import TRANSITIONS, Broadcast, State
from shared.errors import IllegalTransition
from shared.telemetry import log


def cancel(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Ask for a broadcast to be cancelled. The step that works on it does so, if nobody was mailed.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has ended, is parked, or sends: then it can be stopped.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if State.CANCELLED not in TRANSITIONS[broadcast.state] or broadcast.state is State.NEEDS_OPERATOR:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to=State.CANCELLED)
    bridge.ledger.broadcasts.request_cancel(broadcast, owner=owner)
    bridge.send_on(broadcast)
    return broadcast


def pause(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Pause a broadcast that is being sent: mails that are not out yet wait.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not being sent.
        OptimizelyConflict: its Smart Campaign is not sending.
        OptimizelyUnavailable: it may be paused or not; doing it again is harmless.
    """
    return _do(bridge, key, bridge.campaign.pause, "paused by an operator", owner)


def resume(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Let a paused broadcast go on: only mails that are not out yet are sent. Raises as `pause`."""
    return _do(bridge, key, bridge.campaign.resume, "gone on with by an operator", owner)


def stop(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Stop a broadcast that is being sent, for good: mails that are not out yet are never sent. Raises as `pause`."""
    return _do(bridge, key, bridge.campaign.stop, "stopped by an operator", owner)


def _do(bridge: Bridge, key: str, act: Callable[[Broadcast], None], note: str, owner: str) -> Broadcast:
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.SENDING:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to=note.partition(" by ")[0])
    act(broadcast)
    bridge.ledger.broadcasts.remark(broadcast, note, owner=owner)
    log.info("Broadcast %s is %s.", key, note, extra={"action": "control", "broadcast": key})
    bridge.send_on(broadcast)
    return broadcast
