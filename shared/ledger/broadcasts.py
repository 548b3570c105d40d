"""Broadcasts in the ledger: every change is a compare-and-set, and a change of state appends to the history."""

from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from datetime import datetime
from itertools import batched
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.broadcast import (
    ENDED,
    RESTING,
    TRANSITIONS,
    Broadcast,
    BroadcastRequest,
    Intake,
    RouteKind,
    RowCounts,
    SendMode,
    State,
)
from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.errors import BroadcastChangedMeanwhile, BroadcastUnknown
from shared.ledger import tables
from shared.ledger.effects import Kind
from shared.ledger.leases import HeldLease, is_broadcast_leased, writing
from shared.ledger.tables import broadcast as table
from shared.ledger.waiting import begins, wait_columns

_REQUEST_COLUMNS = tuple(field.name for field in fields(BroadcastRequest))
_NOTE_LENGTH = 2000
#: What a parked broadcast waits for.
_DECISION = "a decision of an operator, whether it was sent"
_CANCELLABLE = [state for state in State if State.CANCELLED in TRANSITIONS[state]]
#: Parameters of one statement; SQL Server takes 2,100.
_PARAMETERS: Final = 1000


class Broadcasts:
    """The broadcasts of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @retry_transaction
    def add(self, request: BroadcastRequest, *, owner: str, content_digest: bytes | None = None) -> Broadcast | None:
        """Take a new broadcast in, in state `claimed`.

        Args:
            request: what is asked for.
            owner: who takes it in, for the history.
            content_digest: SHA-256 of its delivery file, if that was read already.

        Returns:
            The broadcast, or None when the ledger has its key already: adding twice is harmless.
        """
        now = self._clock.now()
        try:
            with self._database.writing() as connection:
                added = connection.execute(
                    insert(table)
                    .values(
                        **asdict(request),
                        state=State.CLAIMED,
                        version=1,
                        created_at=now,
                        changed_at=now,
                        due_at=now,
                        attempts=0,
                        content_digest=content_digest,
                    )
                    .returning(*table.c)
                ).one()
                note = f"{request.source}: {request.delivery_file}"
                _append_history(connection, added.id, None, State.CLAIMED, owner, note, now)
                return _from_row(added)
        except IntegrityError:
            return None

    def get_by_id(self, broadcast_id: int) -> Broadcast:
        """The broadcast with this id of the ledger.

        Raises:
            BroadcastUnknown: there is none.
        """
        with self._database.reading() as connection:
            found = connection.execute(select(table).where(table.c.id == broadcast_id)).one_or_none()
        if found is None:
            raise BroadcastUnknown(broadcast=broadcast_id)
        return _from_row(found)

    def get(self, key: str) -> Broadcast:
        """The broadcast with this key.

        Raises:
            BroadcastUnknown: there is none.
        """
        found = self.find(key)
        if found is None:
            raise BroadcastUnknown(broadcast=key)
        return found

    def find(self, key: str) -> Broadcast | None:
        """The broadcast with this key, if the ledger has it."""
        with self._database.reading() as connection:
            found = connection.execute(select(table).where(table.c.key == key)).one_or_none()
        return None if found is None else _from_row(found)

    def waiting_for_lease_of(self, broadcast: Broadcast) -> list[Broadcast]:
        """Broadcasts that wait for what this one holds, as they say themselves; those that wait longest first."""
        held = table.c.waiting_for.contains(f"held by broadcast {broadcast.key}", autoescape=True)
        query = select(table).where(table.c.state.not_in(RESTING), held).order_by(table.c.waiting_since)
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def by_campaign(self, campaign_ids: Iterable[int]) -> dict[int, str]:
        """Key of the broadcast that each Smart Campaign belongs to, by its id; one that belongs to none is left out."""
        keys: dict[int, str] = {}
        with self._database.reading() as connection:
            for ids in batched(campaign_ids, _PARAMETERS, strict=False):
                query = select(table.c.campaign_id, table.c.key).where(table.c.campaign_id.in_(ids))
                keys |= {row.campaign_id: row.key for row in connection.execute(query)}
        return keys

    def with_unknown_batch(self) -> set[str]:
        """Keys of broadcasts that may have a sending batch whose Smart Campaign is not recorded yet."""
        effect = tables.effect
        query = (
            select(table.c.key)
            .join(effect, effect.c.broadcast_id == table.c.id)
            .where(
                table.c.route == RouteKind.SENDING_BATCH,
                table.c.campaign_id.is_(None),
                effect.c.kind == Kind.COPY,
                effect.c.tries > 0,
            )
        )
        with self._database.reading() as connection:
            return set(connection.scalars(query))

    def newest(self, limit: int) -> list[Broadcast]:
        """The newest broadcasts, newest first."""
        with self._database.reading() as connection:
            return [
                _from_row(row) for row in connection.execute(select(table).order_by(table.c.id.desc()).limit(limit))
            ]

    def forgotten(self, limit: int) -> list[Broadcast]:
        """Broadcasts that are not at rest, with no message due and no live lease (rule 3)."""
        overdue, leased = table.c.due_at < self._clock.now(), is_broadcast_leased(table.c.key, self._database.now())
        query = (
            select(table).where(table.c.state.not_in(RESTING), overdue, ~leased).order_by(table.c.due_at).limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def unreported(self, limit: int) -> list[Broadcast]:
        """Broadcasts that ended, but whose end was not written back to its source yet."""
        query = (
            select(table)
            .where(table.c.state.in_(ENDED), table.c.reported_at.is_(None))
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def without_row(self, *, since: datetime, limit: int) -> list[Broadcast]:
        """Uploaded broadcasts of PeopleStage's channel whose row in `Broadcasts` is not known yet, oldest first."""
        uploaded = (State.UPLOADED, State.IMPORTING, State.IMPORTED, State.SENDING, State.SENT, State.CLOSED)
        query = (
            select(table)
            .where(
                table.c.source == Intake.CHANNEL,
                table.c.rs_broadcast_id.is_(None),
                table.c.state.in_(uploaded),
                table.c.created_at > since,
            )
            .order_by(table.c.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def count(self, state: State) -> int:
        """How many broadcasts are in a state."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(table).where(table.c.state == state)) or 0

    def first_sent(self) -> datetime | None:
        """When the first broadcast was sent; None before."""
        sent = select(func.min(tables.history.c.at)).where(tables.history.c.to_state == State.SENT)
        with self._database.reading() as connection:
            at: datetime | None = connection.scalar(sent)
        return at

    def history(self, broadcast: Broadcast) -> list[Row[Any]]:
        """Every change of state, oldest first: `at, from_state, to_state, owner, note`."""
        query = (
            select(tables.history).where(tables.history.c.broadcast_id == broadcast.id).order_by(tables.history.c.id)
        )
        with self._database.reading() as connection:
            return list(connection.execute(query))

    def rejects(self, broadcast: Broadcast) -> dict[str, int]:
        """Rows of the delivery file that were not uploaded, by reason."""
        query = (
            select(tables.reject_count.c.reason, func.sum(tables.reject_count.c.rows))
            .where(tables.reject_count.c.broadcast_id == broadcast.id)
            .group_by(tables.reject_count.c.reason)
        )
        with self._database.reading() as connection:
            return {reason: int(rows) for reason, rows in connection.execute(query)}

    @retry_transaction
    def request_cancel(self, broadcast: Broadcast, *, owner: str, lease: HeldLease | None = None) -> Broadcast:
        """Record a request to cancel it. Its version stays, so that a step under way continues and sees it.

        Raises:
            BroadcastChangedMeanwhile: it cannot be cancelled now; nothing was written.
        """
        this = table.c.id == broadcast.id, table.c.state.in_(_CANCELLABLE)
        now = self._clock.now()
        with writing(self._database, lease) as connection:
            if not connection.execute(update(table).where(*this).values(cancel_requested_at=now)).rowcount:
                raise BroadcastChangedMeanwhile(broadcast=broadcast.key)
            _append_note(connection, broadcast.id, owner, "asked to be cancelled", now)
        return replace(broadcast, cancel_requested_at=now)

    @retry_transaction
    def record(self, broadcast: Broadcast, note: str, *, owner: str) -> None:
        """Append to the history without a change of state."""
        with self._database.writing() as connection:
            _append_note(connection, broadcast.id, owner, note, self._clock.now())

    @retry_transaction
    def decide(self, broadcast: Broadcast, note: str, *, owner: str, **columns: object) -> Broadcast:
        """Change columns, not the state, as somebody has decided; the history has the note.

        Raises:
            BroadcastChangedMeanwhile: another process changed it first; nothing was written.
        """
        with self._database.writing() as connection:
            changed = change(connection, broadcast, **columns)
            state = broadcast.state
            _append_history(connection, broadcast.id, state, state, owner, note, self._clock.now())
            return changed

    @retry_transaction
    def update(self, broadcast: Broadcast, *, lease: HeldLease | None = None, **columns: object) -> Broadcast:
        """Change columns, not the state; under a lease, only while it is held.

        Raises:
            BroadcastChangedMeanwhile: another process changed it first; nothing was written.
            LeaseLost: the lease is lost; nothing was written.
        """
        with writing(self._database, lease) as connection:
            return change(connection, broadcast, **columns)

    @retry_transaction
    def wait(
        self,
        broadcast: Broadcast,
        waiting_for: str | None,
        *,
        owner: str,
        lease: HeldLease | None = None,
        **columns: object,
    ) -> Broadcast:
        """Keep what it waits for, and change columns, not the state; a wait that begins is appended to the history.

        Raises:
            BroadcastChangedMeanwhile: another process changed it first; nothing was written.
            LeaseLost: the lease is lost; nothing was written.
        """
        now = self._clock.now()
        with writing(self._database, lease) as connection:
            changed = change(connection, broadcast, **columns | wait_columns(broadcast, waiting_for, now))
            if begins(broadcast, waiting_for):
                state, note = broadcast.state, f"waits for {waiting_for}"
                _append_history(connection, broadcast.id, state, state, owner, note, now)
            return changed


def change(connection: Connection, broadcast: Broadcast, **columns: object) -> Broadcast:
    """Change columns within the caller's transaction; the state is changed by `advance`.

    Raises:
        BroadcastChangedMeanwhile: another process changed it first; roll back.
    """
    changed = connection.execute(
        update(table)
        .where(table.c.id == broadcast.id, table.c.version == broadcast.version)
        .values(version=broadcast.version + 1, **columns)
        .returning(*table.c)
    ).one_or_none()
    if changed is None:
        raise BroadcastChangedMeanwhile(broadcast=broadcast.key)
    return _from_row(changed)


def advance(
    connection: Connection, broadcast: Broadcast, to: State, *, owner: str, note: str, now: datetime, **columns: object
) -> Broadcast:
    """Change the state within the caller's transaction, and append to the history.

    Raises:
        IllegalTransition: the state cannot follow the present one.
        BroadcastChangedMeanwhile: another process changed it first; roll back.
    """
    broadcast.check_transition(to)
    waiting_for = _DECISION if to is State.NEEDS_OPERATOR else None
    reset = {"attempts": 0, **wait_columns(broadcast, waiting_for, now)}
    changed = change(connection, broadcast, **{"state": to, "changed_at": now, **reset, **columns})
    _append_history(connection, broadcast.id, broadcast.state, to, owner, note, now)
    return changed


def set_compared(
    connection: Connection, broadcast: Broadcast, *, owner: str, note: str, now: datetime, due_at: datetime
) -> Broadcast:
    """Record within the caller's transaction that it may be sent; a note goes into the history.

    Raises:
        BroadcastChangedMeanwhile: another process changed it first; roll back.
    """
    changed = change(connection, broadcast, compared_at=now, attempts=0, due_at=due_at)
    if note:
        _append_history(connection, broadcast.id, broadcast.state, broadcast.state, owner, note, now)
    return changed


def record_rejects(connection: Connection, broadcast: Broadcast, rows_by_reason: dict[str, int]) -> None:
    """Record how many rows of the delivery file were not uploaded, by reason, in place of an earlier record."""
    connection.execute(delete(tables.reject_count).where(tables.reject_count.c.broadcast_id == broadcast.id))
    if rows_by_reason:
        connection.execute(
            insert(tables.reject_count),
            [{"broadcast_id": broadcast.id, "reason": reason, "rows": rows} for reason, rows in rows_by_reason.items()],
        )


def _append_note(connection: Connection, broadcast_id: int, owner: str, note: str, now: datetime) -> None:
    """Append to the history without a change of state: the state as it is now, which the caller may not know yet."""
    state = State(connection.execute(select(table.c.state).where(table.c.id == broadcast_id)).scalar_one())
    _append_history(connection, broadcast_id, state, state, owner, note, now)


def _append_history(
    connection: Connection, broadcast_id: int, was: State | None, to: State, owner: str, note: str, now: datetime
) -> None:
    connection.execute(
        insert(tables.history).values(
            broadcast_id=broadcast_id, at=now, from_state=was, to_state=to, owner=owner, note=note[:_NOTE_LENGTH]
        )
    )


def _from_row(row: Row[Any]) -> Broadcast:
    values = row._asdict()
    request = {name: values.pop(name) for name in _REQUEST_COLUMNS}
    request["source"] = Intake(request["source"])
    request["route"] = RouteKind(request["route"])
    request["send_mode"] = SendMode(request["send_mode"])
    counts = {
        "read": values.pop("rows_read"),
        "uploaded": values.pop("rows_uploaded"),
        "rejected": values.pop("rows_rejected"),
        "duplicates": values.pop("rows_duplicate"),
        "suppressed": values.pop("rows_suppressed"),
    }
    values["state"] = State(values["state"])
    values["ended_in"] = State(values["ended_in"]) if values["ended_in"] else None
    rows = None if counts["read"] is None else RowCounts(**counts)
    return Broadcast(request=BroadcastRequest(**request), rows=rows, **values)
