"""Effects: the record of each thing done to the outside world that must not happen twice (rule 1)."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.broadcast import Broadcast
from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.ledger.high_water_mark import grow
from shared.ledger.holds import confirm_none
from shared.ledger.leases import HeldLease
from shared.ledger.tables import effect as table


class Kind(StrEnum):
    """Kinds of effect; a broadcast has at most one of each."""

    COPY = "copy"  #: the Smart Campaign copied for this broadcast, or its sending batch
    UPLOAD = "upload"  #: the list at Optimizely: its file on the SFTP site, or its chunks in the sending batch
    START = "start"  #: what makes Optimizely send: a start, an activation, the call that sends a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """An effect as the ledger has it."""

    id: int
    kind: Kind
    #: Deterministic name in the outside world, by which it is found again.
    natural_key: str
    intended_at: datetime
    tried_at: datetime | None
    tries: int
    done_at: datetime | None
    evidence: Mapping[str, Any]


class Effects:
    """The effects of the ledger.

    Each is written under the lease of its broadcast, in one transaction with its confirmation: what a process that lost
    the lease wants to write is not written, and raises LeaseLost before the effect it announces.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retry_transaction
    def intend(
        self,
        broadcast: Broadcast,
        kind: Kind,
        natural_key: str,
        lease: HeldLease,
        *,
        evidence: Mapping[str, Any] | None = None,
    ) -> Effect:
        """Record the intent, or return the one recorded before: the first intent is kept."""
        found = self.find(broadcast, kind)
        if found is not None:
            return found
        intent = insert(table).values(
            broadcast_id=broadcast.id,
            kind=kind,
            natural_key=natural_key,
            intended_at=self._clock.now(),
            tries=0,
            evidence=json.dumps(dict(evidence or {})),
        )
        try:
            with lease.writing() as connection:
                return _from_row(connection.execute(intent.returning(*table.c)).one())
        except IntegrityError:
            found = self.find(broadcast, kind)  # another process was faster
            if found is None:
                raise
            return found

    def find(self, broadcast: Broadcast, kind: Kind) -> Effect | None:
        """The effect of this kind, if it was ever intended."""
        query = select(table).where(table.c.broadcast_id == broadcast.id, table.c.kind == kind)
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _from_row(row)

    def trying(self, effect: Effect, lease: HeldLease) -> Effect:
        """Record an attempt before it is made. From here on it may be made for as long as the lease lives.

        The mark of the ledger grows with it.

        Raises:
            Held: a hold is in force; nothing was recorded.
        """
        tries, also = effect.tries + 1, (confirm_none, grow)
        return self._change(effect, lease, also=also, tried_at=self._clock.now(), tries=tries)

    def add_evidence(self, effect: Effect, lease: HeldLease, evidence: Mapping[str, Any]) -> Effect:
        """Keep more evidence while it is under way."""
        return self._change(effect, lease, evidence)

    def done(self, effect: Effect, lease: HeldLease, *, evidence: Mapping[str, Any]) -> Effect:
        """Record that it is done, or was found done, with the evidence."""
        return self._change(effect, lease, evidence, done_at=self._clock.now())

    def of(self, broadcast: Broadcast) -> list[Effect]:
        """Every effect of a broadcast, in the order of their intents."""
        query = select(table).where(table.c.broadcast_id == broadcast.id).order_by(table.c.id)
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    @retry_transaction
    def _change(
        self,
        effect: Effect,
        lease: HeldLease,
        evidence: Mapping[str, Any] | None = None,
        *,
        also: Iterable[Callable[[Connection], None]] = (),
        **columns: object,
    ) -> Effect:
        this = table.c.id == effect.id
        with lease.writing() as connection:
            for act in also:
                act(connection)
            if evidence is not None:
                # The ledger may have more than the caller knows.
                kept = json.loads(connection.execute(select(table.c.evidence).where(this)).scalar_one())
                columns["evidence"] = json.dumps({**kept, **evidence})
            changed = connection.execute(update(table).where(this).values(**columns).returning(*table.c)).one()
        return _from_row(changed)


def forget_effects(connection: Connection, broadcast: Broadcast, kinds: Collection[Kind]) -> None:
    """Withdraw the intents of these kinds, within the transaction that lets the broadcast begin anew."""
    connection.execute(delete(table).where(table.c.broadcast_id == broadcast.id, table.c.kind.in_(kinds)))


def _from_row(row: Row[Any]) -> Effect:
    return Effect(
        id=row.id,
        kind=Kind(row.kind),
        natural_key=row.natural_key,
        intended_at=row.intended_at,
        tried_at=row.tried_at,
        tries=row.tries,
        done_at=row.done_at,
        evidence=json.loads(row.evidence),
    )
