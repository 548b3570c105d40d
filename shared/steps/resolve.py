"""What an operator decides about a broadcast that ended or is parked."""

from shared.bridge import Bridge, now
from shared.broadcast import Broadcast, State
from shared.errors import IllegalTransition
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Kind


def retry(bridge: Bridge, key: str, *, owner: str) -> Broadcast:
    """Let a failed broadcast go on.

    A failed broadcast has given its list free, and another may have used it since: what was prepared is
    kept, the upload is done anew.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it has not failed.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.FAILED:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to="retried")
    to = State.CLAIMED if broadcast.ended_in is State.CLAIMED else State.STAGED
    _forget(bridge, broadcast, Kind.UPLOAD, Kind.START)
    return _go_on(bridge, broadcast, to, owner, "retried by an operator")


def resolve(bridge: Bridge, key: str, *, started: bool, owner: str) -> Broadcast:
    """Say of a parked broadcast whether its Smart Campaign was started.

    Args:
        bridge: the bridge.
        key: the broadcast's key.
        started: true to follow the send; false to start it, after one more look at its status, or to upload
            anew when it was parked before its import was verified.
        owner: who decided; kept in the history.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        IllegalTransition: it is not parked.
    """
    broadcast = bridge.ledger.broadcasts.get(key)
    if broadcast.state is not State.NEEDS_OPERATOR:
        raise IllegalTransition(broadcast=key, state=broadcast.state, to="resolved")
    if started:
        return _go_on(bridge, broadcast, State.SENDING, owner, "an operator said that it was started")
    if broadcast.ended_in in {State.IMPORTED, State.SENDING, State.SENT}:
        _forget(bridge, broadcast, Kind.START)
        return _go_on(bridge, broadcast, State.IMPORTED, owner, "an operator said that it was not started")
    _forget(bridge, broadcast, Kind.UPLOAD)
    return _go_on(bridge, broadcast, State.STAGED, owner, "an operator said that it was not started; uploaded anew")


def _forget(bridge: Bridge, broadcast: Broadcast, *kinds: Kind) -> None:
    for effect in bridge.ledger.effects.of(broadcast):
        if effect.kind in kinds:
            bridge.ledger.effects.forget(effect)


def _go_on(bridge: Bridge, broadcast: Broadcast, to: State, owner: str, note: str) -> Broadcast:
    with bridge.rs_database.writing() as connection:
        changed = advance(
            connection,
            broadcast,
            to,
            owner=owner,
            note=note,
            now=now(),
            due_at=bridge.overdue_after(),
            ended_in=None,
            error_code=None,
            error=None,
        )
    bridge.send_on(changed)
    return changed
