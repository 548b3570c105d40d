"""What an operator decides about a broadcast that ended or is parked."""

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.errors import IllegalTransition
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Kind


def retry(bridge: Bridge, key: str, *, owner: str, hold: bool = False) -> Broadcast:
    """Let a failed broadcast go on.

    A failed broadcast has given its list free, and another may have used it since: what was prepared is
    kept, the upload is done anew. A sending batch is the broadcast's own: its chunks are kept.

    Args:
        bridge: the bridge.
        key: the broadcast's key.
        owner: who lets it; kept in the history.
        hold: wait again until its source releases it.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has not failed.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.FAILED:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to="retried")
    to = State.CLAIMED if broadcast.ended_in is State.CLAIMED else State.STAGED
    released = {"released_at": None} if hold else {}
    return _begin_again(bridge, broadcast, to, owner, "retried", **released)


def resolve(bridge: Bridge, key: str, *, started: bool, owner: str, campaign_id: int | None = None) -> Broadcast:
    """Say of a parked broadcast whether its Smart Campaign was started.

    Args:
        bridge: the bridge.
        key: the broadcast's key.
        started: true to follow the send, or to close an export that its receiver has; false to start it, after one
            more look at its status, or to upload anew when its list was not verified, or when Optimizely starts by
            itself.
        owner: who decided; kept in the history.
        campaign_id: the Smart Campaign that was started, where the bridge could not tell.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not parked, or its Smart Campaign is not known and not named.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.NEEDS_OPERATOR:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to="resolved")
    if started and broadcast.request.route is RouteKind.EXPORT_FILE:
        note = "an operator said that the receiver has the file"
        return _go_on(bridge, broadcast, State.IMPORTED, owner, note)
    if started:
        known = campaign_id or broadcast.campaign_id
        if known is None:
            raise IllegalTransition(broadcast=key, state=broadcast.state, to="sending: name its Smart Campaign")
        note = f"an operator said that Smart Campaign {known} was started"
        return _go_on(bridge, broadcast, State.SENDING, owner, note, campaign_id=known)
    verified = broadcast.ended_in in {State.IMPORTED, State.SENDING, State.SENT}
    if verified and broadcast.request.send_mode is not SendMode.AFTER_IMPORT:
        _forget(bridge, broadcast, Kind.START)
        return _go_on(bridge, broadcast, State.IMPORTED, owner, "an operator said that it was not started")
    note = "an operator said that it was not started; uploaded anew"
    return _begin_again(bridge, broadcast, State.STAGED, owner, note)


def _begin_again(
    bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str, **columns: object
) -> Broadcast:
    # What a batch holds is known by the names of its chunks, and of how many recipients it said that they are
    # valid is kept with the effect: neither is done anew.
    if broadcast.request.route is not RouteKind.SENDING_BATCH:
        _forget(bridge, broadcast, Kind.UPLOAD)
    _forget(bridge, broadcast, Kind.START)
    return _go_on(bridge, broadcast, to, owner, note, **columns)


def _forget(bridge: Bridge, broadcast: Broadcast, kind: Kind) -> None:
    effect = bridge.ledger.effects.find(broadcast, kind)
    if effect is not None:
        bridge.ledger.effects.forget(effect)


def _go_on(bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str, **columns: object) -> Broadcast:
    with bridge.rs_database.writing() as connection:
        changed = advance(
            connection,
            broadcast,
            to,
            owner=owner,
            note=note,
            now=bridge.clock.now(),
            due_at=bridge.overdue_after(),
            ended_in=None,
            error_code=None,
            error=None,
            cancel_requested_at=None,
            **columns,
        )
    bridge.send_on(changed)
    return changed
