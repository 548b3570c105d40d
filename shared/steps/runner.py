"""How a step works on a broadcast: under a lease, state by state, until it must wait or has ended.

The rules of the ledger are kept here once for every step: one live owner (rule 3), intent before
effect (rule 1), parking when an outcome cannot be known (rule 2), two kinds of error (rule 7).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from shared.bridge import Bridge, new_owner
from shared.broadcast import ENDED, RESTING, TRANSITIONS, Broadcast, State
from shared.database.connections import retry_transaction
from shared.errors import (
    BridgeError,
    BroadcastChangedMeanwhile,
    LeaseLost,
    TerminalError,
    TransientError,
    UnexpectedError,
)
from shared.ledger.broadcasts import advance, lease_name
from shared.ledger.effects import Effect, Kind
from shared.ledger.leases import HeldLease, release_all
from shared.routes.route import Route
from shared.steps.row_counts import broadcast_figures
from shared.telemetry import log, traceback_location

#: Longest pause between two tries.
LONGEST_PAUSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing to do now: look again after a pause."""

    pause: timedelta


@dataclass(frozen=True, slots=True)
class Work:
    """One look at one broadcast, under its lease."""

    bridge: Bridge
    lease: HeldLease
    owner: str
    broadcast: Broadcast

    @property
    def route(self) -> Route[Any, Any]:
        """How the broadcast's list gets in and its message out."""
        return self.bridge.routes[self.broadcast.request.route]

    def on(self, broadcast: Broadcast) -> "Work":
        """The same look, at the broadcast as it is now."""
        return replace(self, broadcast=broadcast)

    def soon(self) -> Later:
        """Look again after the usual pause."""
        return Later(timedelta(seconds=self.bridge.settings.monitor_interval_seconds))

    @retry_transaction
    def advance(
        self,
        to: State,
        note: str,
        also: Callable[[Connection], Mapping[str, object] | None] | None = None,
        **columns: object,
    ) -> Broadcast:
        """Change the state; what `also` writes, and the columns it returns, commit in the same transaction."""
        self.lease.check()
        with self.bridge.rs_database.writing() as connection:
            more = (also(connection) if also else None) or {}
            return advance(
                connection,
                self.broadcast,
                to,
                owner=self.owner,
                note=note,
                now=self.bridge.clock.now(),
                due_at=self.bridge.overdue_after(),
                **columns,
                **more,
            )

    def once(
        self,
        kind: Kind,
        natural_key: str,
        *,
        look: Callable[[Effect], Mapping[str, Any] | None],
        act: Callable[[Effect], Mapping[str, Any]],
        before: Callable[[], Mapping[str, Any]] = dict,
    ) -> Effect:
        """Do one thing that must not happen twice: write the intent, look, then act (rule 1).

        Args:
            kind: what it is.
            natural_key: its deterministic name in the outside world.
            look: whether it has happened already, and how that shows; None when it has not.
            act: does it, and tells how that shows.
            before: what must be known of the time before it; kept with the first intent.
        """
        effects = self.bridge.ledger.effects
        effect = effects.find(self.broadcast, kind) or effects.intend(
            self.broadcast, kind, natural_key, evidence=before()
        )
        if effect.done_at is not None:
            return effect
        found = look(effect)
        if found is None:
            self.lease.check()
            effect = effects.trying(effect)
            found = act(effect)
        return effects.done(effect, evidence=found)


#: Works on one state: the changed broadcast, or when to look again.
Handler = Callable[[Work], Broadcast | Later]


def carry_on(bridge: Bridge, key: str, version: int, handlers: Mapping[State, Handler]) -> None:
    """Take a broadcast as far as these handlers can.

    A second delivery of the message finds the lease held, or the broadcast changed, and steps aside. At the
    end the broadcast is at rest, or one message for its next step is on the queue.

    Args:
        bridge: the bridge.
        key: the broadcast's key.
        version: the version for which the message was sent.
        handlers: what to do in which state.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        DatabaseUnavailable: the ledger could not be written; the message comes again.
        StorageUnavailable: the next message could not be sent; the sweep sends it.
    """
    owner = new_owner()
    with bridge.ledger.leases.held(lease_name(key), owner) as lease:
        if lease is None:
            log.info(
                "Broadcast %s is being worked on; this message steps aside.",
                key,
                extra={"action": "aside", "broadcast": key},
            )
            return
        broadcast = bridge.ledger.broadcasts.get(key)
        if broadcast.version != version:
            log.info(
                "Broadcast %s has gone on since this message was sent.",
                key,
                extra={"action": "aside", "broadcast": key},
            )
            return
        pause = timedelta()
        try:
            while broadcast.state in handlers:
                work = Work(bridge, lease, owner, broadcast)
                broadcast, later = _one_look(work, handlers[broadcast.state])
                if later is not None:
                    pause = later
                    break
        except (LeaseLost, BroadcastChangedMeanwhile) as error:
            log.warning("%s", error, extra={"action": "aside", "broadcast": key, "code": error.code})
            return
    # The message goes out after the lease is free, or it could find it held and step aside.
    if broadcast.state in RESTING:
        report_end(bridge, broadcast)
    else:
        bridge.send_on(broadcast, pause)


def end(
    work: Work,
    to: State,
    note: str,
    *,
    error: BridgeError | None = None,
    also: Callable[[Connection], None] | None = None,
) -> Broadcast:
    """End or park a broadcast. An ended one gives its list free; a parked one keeps it."""

    def give_free(connection: Connection) -> None:
        if also is not None:
            also(connection)
        if to in ENDED:
            release_all(connection, work.broadcast.key)

    told = {"error_code": error.code, "error": error.sentence[:2000]} if error else {}
    return work.advance(to, note, give_free, ended_in=work.broadcast.state, reported_at=None, **told)


def report_end(bridge: Bridge, broadcast: Broadcast) -> None:
    """Write the end of a broadcast back to its job in WS_DB; doing it twice is harmless.

    Of the other sources PeopleStage asks for itself, and nobody waits for the end of a dropped file.
    """
    if broadcast.request.job_id is not None and bridge.ws_db is not None:
        bridge.ws_db.report(broadcast, bridge.ledger.broadcasts.rejects(broadcast))
        if broadcast.state is State.NEEDS_OPERATOR:
            return
    _reported(bridge, broadcast)


def _reported(bridge: Bridge, broadcast: Broadcast) -> None:
    if broadcast.state in ENDED:
        bridge.ledger.broadcasts.touch(broadcast, reported_at=bridge.clock.now())
    extra = {"action": "end", "broadcast": broadcast.key, **broadcast_figures(broadcast)}
    log.info("Broadcast %s is %s.", broadcast.key, broadcast.state, extra=extra)


def _one_look(work: Work, handler: Handler) -> tuple[Broadcast, timedelta | None]:
    """Let the handler work once: the broadcast as it is then, and the pause before the next look."""
    work = replace(work, broadcast=_count_attempt(work))
    key = work.broadcast.key
    try:
        if _cancel_requested(work) and _recall(work):
            return end(work, State.CANCELLED, "it was asked to be cancelled"), None
        outcome = handler(work)
    except (LeaseLost, BroadcastChangedMeanwhile):
        raise
    except TerminalError as error:
        return _fail(_as_it_is(work), error)
    except TransientError as error:
        return _try_later(_as_it_is(work), error)
    except Exception as error:  # noqa: BLE001 - nothing may stop the others; the log has type and place
        log.error("Broadcast %s: %s", key, traceback_location(error), extra={"action": "unexpected", "broadcast": key})
        return _try_later(_as_it_is(work), UnexpectedError(step=work.broadcast.state, kind=type(error).__name__))
    if isinstance(outcome, Later):
        rested = work.bridge.ledger.broadcasts.touch(
            work.broadcast, attempts=0, due_at=work.bridge.overdue_after(outcome.pause)
        )
        return rested, outcome.pause
    log.info(
        "Broadcast %s: %s, now %s.",
        key,
        work.broadcast.state,
        outcome.state,
        extra={"action": "advance", "broadcast": key, "state": outcome.state},
    )
    _tell_client(work, outcome)
    return outcome, None


def _tell_client(work: Work, broadcast: Broadcast) -> None:
    """Write to the delivery job summary how far the broadcast is. Only its end is written until it is there."""
    job_id, ws_db = broadcast.request.job_id, work.bridge.ws_db
    if job_id is None or ws_db is None or broadcast.state in RESTING:
        return
    try:
        ws_db.report_progress(job_id, broadcast)
    except BridgeError as error:
        log.warning(
            "Job %d is not told how far it is: %s",
            job_id,
            error,
            extra={"action": "note", "broadcast": broadcast.key, "code": error.code},
        )


def _as_it_is(work: Work) -> Work:
    """The same look after an error: the handler may have changed the broadcast before."""
    work.lease.check()
    return work.on(work.bridge.ledger.broadcasts.get(work.broadcast.key))


def _count_attempt(work: Work) -> Broadcast:
    # Counted before the work, so that a step that kills its process cannot do so for ever.
    return work.bridge.ledger.broadcasts.touch(
        work.broadcast, attempts=work.broadcast.attempts + 1, due_at=work.bridge.overdue_after()
    )


def _cancel_requested(work: Work) -> bool:
    broadcast = work.broadcast
    return State.CANCELLED in TRANSITIONS[broadcast.state] and (
        broadcast.cancel_requested_at is not None or _cancelled_at_its_source(work)
    )


def _cancelled_at_its_source(work: Work) -> bool:
    job_id, ws_db = work.broadcast.request.job_id, work.bridge.ws_db
    return job_id is not None and ws_db is not None and ws_db.cancel_requested(job_id)


def _recall(work: Work) -> bool:
    """Make sure that nothing of this broadcast is sent, also by an import that comes late.

    Returns:
        Whether it is certain that nobody was and nobody will be sent the message; else only an operator can say.
    """
    effects = work.bridge.ledger.effects
    upload, start = effects.find(work.broadcast, Kind.UPLOAD), effects.find(work.broadcast, Kind.START)
    transferred = None
    if upload is not None and upload.tries > 0:
        transferred = work.route.transfer_evidence.from_json(upload.evidence)
    started = start is not None and (start.tries > 0 or start.done_at is not None)
    if transferred is None and not started:
        return True
    return work.route.withdraw(work.broadcast, transferred=transferred, started=started)


def _fail(work: Work, error: BridgeError) -> tuple[Broadcast, timedelta | None]:
    broadcast = work.broadcast
    try:
        # `failed` promises that nobody was mailed. Without that somebody has to look; what only one
        # broadcast may use stays with this one until then.
        to = State.FAILED if _recall(work) else State.NEEDS_OPERATOR
    except (LeaseLost, BroadcastChangedMeanwhile):
        raise
    except TransientError as obstacle:
        if broadcast.attempts < work.bridge.settings.max_attempts:
            return _pause(work, obstacle)
        to = State.NEEDS_OPERATOR
    except Exception as obstacle:  # noqa: BLE001 - whatever it is, nobody knows whether it is recalled
        log.error(
            "Broadcast %s is not recalled: %s",
            broadcast.key,
            traceback_location(obstacle),
            extra={"action": "recall-failed", "broadcast": broadcast.key, "code": UnexpectedError.code},
        )
        to = State.NEEDS_OPERATOR
    log.error(
        "Broadcast %s is %s: %s",
        broadcast.key,
        to,
        error,
        extra={"action": "fail", "broadcast": broadcast.key, "state": to, "code": error.code},
    )
    return end(work, to, str(error), error=error), None


def _try_later(work: Work, error: TransientError) -> tuple[Broadcast, timedelta | None]:
    if work.broadcast.attempts >= work.bridge.settings.max_attempts:
        return _fail(work, error)
    return _pause(work, error)


def _pause(work: Work, error: TransientError) -> tuple[Broadcast, timedelta]:
    broadcast = work.broadcast
    doubled = timedelta(seconds=work.bridge.settings.retry_seconds * 2 ** (broadcast.attempts - 1))
    pause = min(doubled, LONGEST_PAUSE)
    log.warning(
        "Broadcast %s, try %d: %s",
        broadcast.key,
        broadcast.attempts,
        error,
        extra={"action": "retry", "broadcast": broadcast.key, "code": error.code},
    )
    return work.bridge.ledger.broadcasts.touch(broadcast, due_at=work.bridge.overdue_after(pause)), pause
