"""How a step works on a broadcast: what `Runner` does not know of broadcasts.

The rules that only broadcasts need are kept here once for every step: intent before effect (rule 1), parking when an
outcome cannot be known (rule 2), cancelling, and the report of the end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import BEFORE_UPLOAD, ENDED, RESTING, TRANSITIONS, Broadcast, State
from shared.config.channels import Channel
from shared.database.connections import retry_transaction
from shared.errors import (
    BridgeError,
    BroadcastChangedMeanwhile,
    LeaseLost,
    StartUnsettled,
    StepNeverEnds,
    TransientError,
    UnexpectedError,
)
from shared.ledger.broadcasts import advance
from shared.ledger.effects import Effect, Kind
from shared.ledger.leases import HeldLease, LeaseName, release_all
from shared.routes.evidence import Evidence
from shared.routes.route import Route
from shared.steps.runner import Runner, Wait
from shared.telemetry import fenced, log, traceback_location


@dataclass(frozen=True, slots=True)
class BroadcastStep:
    """One attempt at one broadcast, under its lease."""

    bridge: Bridge
    lease: HeldLease
    broadcast: Broadcast

    @property
    def route(self) -> Route[Any, Any]:
        """How the broadcast's list gets in and its message out."""
        return self.bridge.routes[self.broadcast.request.route]

    @property
    def channel(self) -> Channel:
        """The channel of the broadcast.

        Raises:
            ChannelUnknown: it no longer exists.
        """
        return self.bridge.channels[self.broadcast.request.channel]

    def on(self, broadcast: Broadcast) -> "BroadcastStep":
        """The same attempt, at the broadcast as it is now."""
        return replace(self, broadcast=broadcast)

    def wait(self, waiting_for: str | None = None) -> Wait:
        """Check again after the usual pause."""
        return Wait(timedelta(seconds=self.bridge.settings.monitor_interval_seconds), waiting_for)

    @retry_transaction
    def advance(
        self,
        to: State,
        note: str,
        also: Callable[[Connection], Mapping[str, object] | None] | None = None,
        **columns: object,
    ) -> Broadcast:
        """Change the state; what `also` writes, and the columns it returns, commit in the same transaction.

        Raises:
            LeaseLost: the lease is lost; nothing was written.
            BroadcastChangedMeanwhile: another process changed it first; nothing was written.
        """
        with self.lease.writing() as connection:
            if also is not None:
                columns |= also(connection) or {}
            owner, now, due_at = self.lease.owner, self.bridge.clock.now(), self.bridge.overdue_after()
            return advance(connection, self.broadcast, to, owner=owner, note=note, now=now, due_at=due_at, **columns)

    def run_once(
        self,
        kind: Kind,
        natural_key: str,
        *,
        find: Callable[[Effect], Evidence | None],
        act: Callable[[Effect], Evidence],
        before: Callable[[], Evidence] = Evidence,
    ) -> Effect:
        """Do one thing that must not happen twice: write the intent, look, then act (rule 1).

        Args:
            kind: what it is.
            natural_key: its deterministic name in the outside world.
            find: the evidence that it has happened already; None when it has not.
            act: does it, and returns the evidence. If it makes several requests, it confirms the lease before each one
                that changes something.
            before: what must be known of the time before it; kept with the first intent.

        Raises:
            LeaseLost: the lease is lost, and `act` was not called.
            Held: a hold is in force, and it was never tried.
        """
        effects = self.bridge.ledger.effects
        effect = effects.find(self.broadcast, kind)
        if effect is not None and effect.done_at is not None:
            return effect
        if effect is None or effect.tries == 0:
            # Before the intent: what that keeps of the time before would be out of date when the hold is lifted.
            self.bridge.check_not_held()
        if effect is None:
            effect = effects.intend(self.broadcast, kind, natural_key, self.lease, evidence=before().to_json())
        evidence = find(effect)
        if evidence is None:
            effect = self.trying(effect)
            evidence = act(effect)
        return effects.done(effect, self.lease, evidence=evidence.to_json())

    def trying(self, effect: Effect) -> Effect:
        """Record an attempt right before it is made, in the ledger and by the mark in the storage account.

        Raises:
            Held: a hold is in force; nothing was recorded.
            LeaseLost: the lease is lost.
            StorageUnavailable: whether the ledger is older than what was done with it cannot be checked.
        """
        self.bridge.mark.sync()
        self.lease.check()
        effect = self.bridge.ledger.effects.trying(effect, self.lease)
        # Without it the attempt is made all the same: the mark is written with the next one, or within a minute.
        with fenced("The mark of the ledger is written later", action="mark-behind", **self.broadcast.log_context()):
            self.bridge.mark.sync()
        self.lease.renew()
        return effect


#: Works on one state: the changed broadcast, or when to check again.
Handler = Callable[[BroadcastStep], Broadcast | Wait]


def run_steps(bridge: Bridge, key: str, version: int, handlers: Mapping[State, Handler]) -> None:
    """Take a broadcast as far as these handlers can, if it still has the version for which the message was sent.

    At the end the broadcast is at rest, or one message for its next step is on the queue.

    Raises:
        BroadcastUnknown: the ledger has no such broadcast.
        DatabaseUnavailable: the ledger could not be written; the message comes again.
        StorageUnavailable: the next message could not be sent; the sweep sends it.
    """
    _BroadcastRunner(bridge, key, version, handlers).run()


def end(
    step: BroadcastStep,
    to: State,
    note: str,
    also: Callable[[Connection], Mapping[str, object]] | None = None,
) -> Broadcast:
    """End or park a broadcast. An ended one releases its list; a parked one keeps it."""

    def release_leases(connection: Connection) -> Mapping[str, object]:
        columns = {} if also is None else also(connection)
        if to in ENDED:
            release_all(connection, step.broadcast.key)
        return columns

    return step.advance(to, note, release_leases, ended_in=step.broadcast.state, reported_at=None)


def report_end(bridge: Bridge, broadcast: Broadcast) -> None:
    """Write the end of a broadcast back to its job in WS_DB; doing it twice is harmless.

    PeopleStage asks for the end itself, and nobody waits for the end of a dropped file.
    """
    if broadcast.request.job_id is not None and bridge.ws_db is not None:
        bridge.ws_db.report(broadcast, bridge.ledger.broadcasts.rejects(broadcast))
        if broadcast.state is State.NEEDS_OPERATOR:
            return
    if broadcast.state in ENDED:
        bridge.ledger.broadcasts.update(broadcast, reported_at=bridge.clock.now())
    rows = broadcast.rows
    extra = {
        "action": "end",
        **broadcast.log_context(),
        "state": broadcast.state,
        "read": rows and rows.read,
        "uploaded": rows and rows.uploaded,
        "imported": broadcast.imported,
        "sent": broadcast.sent,
    }
    log.info("Broadcast %s is %s.", broadcast.key, broadcast.state, extra=extra)


class _BroadcastRunner(Runner[Broadcast]):
    def __init__(self, bridge: Bridge, key: str, version: int, handlers: Mapping[State, Handler]) -> None:
        super().__init__(bridge, LeaseName.for_broadcast(key), f"Broadcast {key}", {"broadcast": key})
        self._key = key
        self._version = version
        self._handlers = handlers

    def read(self) -> Broadcast:
        return self.bridge.ledger.broadcasts.get(self._key)

    def is_current(self, item: Broadcast) -> bool:
        return item.version == self._version

    def handles(self, item: Broadcast) -> bool:
        return item.state in self._handlers

    def handle(self, item: Broadcast) -> Broadcast | Wait:
        if not self._is_cancel_requested(item):
            return self._handlers[item.state](self._step(item))
        if item.cancel_requested_at is None:
            # Kept here too: a client may take its request back while it is half carried out.
            item = self.bridge.ledger.broadcasts.request_cancel(item, owner=self.lease.owner, lease=self.lease)
        step = self._step(item)
        if _recall(step):
            _discard_prepared(step, insist=True)
            return end(step, State.CANCELLED, "it was asked to be cancelled")
        return self._handlers[item.state](step)

    def update(self, item: Broadcast, **columns: object) -> Broadcast:
        return self.bridge.ledger.broadcasts.update(item, lease=self.lease, **columns)

    def wait(self, item: Broadcast, waiting_for: str | None, **columns: object) -> Broadcast:
        return self.bridge.ledger.broadcasts.wait(
            item, waiting_for, owner=self.lease.owner, lease=self.lease, **columns
        )

    def send_on(self, item: Broadcast, pause: timedelta) -> None:
        if item.state in RESTING:
            report_end(self.bridge, item)
        else:
            self.bridge.send_on(item, pause)

    def report_progress(self, before: Broadcast, after: Broadcast) -> None:
        if after.state in {before.state, State.CANCELLED}:
            return
        extra = {"action": "advance", **self.context, "state": after.state}
        log.info("Broadcast %s: %s, now %s.", self._key, before.state, after.state, extra=extra)
        # Of an ended broadcast, its end is written in place of its progress.
        if after.state not in RESTING:
            self.inform_client(after)

    def inform_client(self, item: Broadcast) -> None:
        job_id, ws_db = item.request.job_id, self.bridge.ws_db
        if job_id is None or ws_db is None:
            return
        with fenced(f"The progress of job {job_id} is not written", action="note", **self.context):
            ws_db.report_progress(job_id, item)

    def check_attempts(self, item: Broadcast) -> None:
        if item.ended_in is not None:
            # A process died while it ended the broadcast: `fail` goes on with the error that is recorded.
            raise StepNeverEnds(step=item.state, what=self._label, attempts=item.attempts - 1)
        super().check_attempts(item)

    def fail(self, item: Broadcast, error: BridgeError) -> tuple[Broadcast, Wait | None]:
        if item.ended_in is None:
            # What is half recalled must not go on: whoever continues after a death ends it.
            item = self.update(item, ended_in=item.state, error_code=error.code, error=error.sentence[:2000])
        step, most = self._step(item), self.bridge.settings.max_attempts
        try:
            # `failed` promises that nobody was mailed. Without that somebody has to check; what only one
            # broadcast may use stays with this one until then. A recall that kills its process is not repeated.
            to = State.FAILED if item.attempts <= most + 1 and _recall(step) else State.NEEDS_OPERATOR
        except (LeaseLost, BroadcastChangedMeanwhile):
            raise
        except StartUnsettled as unsettled:
            # Also after the last attempt, which may have tried the start: the status is asked for once more.
            if item.attempts <= most:
                settle = timedelta(seconds=self.bridge.settings.start_settle_seconds)
                return self.pause_after(item, unsettled, at_least=settle)
            to = State.NEEDS_OPERATOR
        except TransientError as obstacle:
            if item.attempts < most:
                return self.pause_after(item, obstacle)
            to = State.NEEDS_OPERATOR
        except Exception as obstacle:  # noqa: BLE001 - whatever it is, nobody knows whether it is recalled
            extra = {"action": "recall-failed", **self.context, "code": UnexpectedError.code}
            log.error("Broadcast %s is not recalled: %s", self._key, traceback_location(obstacle), extra=extra)
            to = State.NEEDS_OPERATOR
        if to is State.FAILED:
            _discard_prepared(step, insist=False)
        reason = f"{item.error} [{item.error_code}]"
        extra = {"action": "fail", **self.context, "state": to, "code": item.error_code or ""}
        log.error("Broadcast %s is %s: %s", self._key, to, reason, extra=extra)
        return end(step, to, reason), None

    def _step(self, broadcast: Broadcast) -> BroadcastStep:
        return BroadcastStep(self.bridge, self.lease, broadcast)

    def _is_cancel_requested(self, broadcast: Broadcast) -> bool:
        if State.CANCELLED not in TRANSITIONS[broadcast.state]:
            return False
        if broadcast.cancel_requested_at is not None:
            return True
        job_id, ws_db = broadcast.request.job_id, self.bridge.ws_db
        return job_id is not None and ws_db is not None and ws_db.cancel_requested(job_id)


def _recall(step: BroadcastStep) -> bool:
    """Make sure that nothing of this broadcast is sent, not even by an import that comes late.

    True if the message certainly was and will be sent to nobody; otherwise only an operator can say.
    """
    effects, broadcast, bridge = step.bridge.ledger.effects, step.broadcast, step.bridge
    upload, start = effects.find(broadcast, Kind.UPLOAD), effects.find(broadcast, Kind.START)
    if upload is None and broadcast.state not in BEFORE_UPLOAD:
        return False  # it was uploaded, and nobody knows how
    transferred = None
    if upload is not None and (upload.tries > 0 or upload.done_at is not None):
        transferred = step.route.transfer_evidence.from_json(upload.evidence)
    # An operator may have said that it was started.
    started = broadcast.state in {State.SENDING, State.SENT}
    if start is not None:
        started = started or start.tries > 0 or start.done_at is not None
        settle = timedelta(seconds=bridge.settings.start_settle_seconds)
        if start.tried_at and start.done_at is None and bridge.clock.now() - start.tried_at < settle:
            raise StartUnsettled(campaign=broadcast.campaign_id)
    if transferred is None and not started:
        return True

    def record(evidence: Evidence) -> None:
        if upload is not None:
            effects.add_evidence(upload, step.lease, evidence.to_json())

    return step.route.withdraw(
        broadcast, transferred=transferred, started=started, record=record, confirm=step.lease.renew
    )


def _discard_prepared(step: BroadcastStep, *, insist: bool) -> None:
    """Remove what was prepared for a broadcast that ends before its start. Nobody is mailed either way.

    Args:
        step: the attempt.
        insist: whether an error that may pass is raised, so that the attempt is repeated.
    """
    bridge, broadcast = step.bridge, step.broadcast
    copy = bridge.ledger.effects.find(broadcast, Kind.COPY)
    if copy is None or copy.tries == 0:
        return
    try:
        step.route.discard_prepared(broadcast, step.lease.renew)
    except LeaseLost:
        raise
    except BridgeError as error:
        if insist and isinstance(error, TransientError) and broadcast.attempts < bridge.settings.max_attempts:
            raise
        note = f"what was prepared is not removed: {error}"
        bridge.ledger.broadcasts.record(broadcast, note, owner=step.lease.owner)
        extra = {"action": "note", **broadcast.log_context(), "code": error.code}
        log.warning("Broadcast %s: %s", broadcast.key, note, extra=extra)
